package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

func TestSecretsDoNotPrint(t *testing.T) {
	c := parse(t, minimal, "ZONKEYMWI_AMI_SECRET=hunter2", "ZONKEYMWI_DATABASE_URL=postgres://u:hunter2@127.0.0.1/x",
		"ZONKEYMWI_SIP_USERNAME=u", "ZONKEYMWI_SIP_PASSWORD=hunter2")
	c.Admin.Token = "hunter2"

	var all bytes.Buffer
	for _, verb := range "vsqxXdboOcUteEfFgG" {
		for _, flag := range []string{"", "+", "#", " ", "-20", ".3"} {
			for _, v := range []any{*c, c, c.Ami, c.Ami.Secret, &c.Ami.Secret, []Secret{c.Ami.Secret}, map[Secret]Secret{c.Ami.Secret: c.Ami.Secret}} {
				fmt.Fprintf(&all, "%"+flag+string(verb)+"\n", v)
			}
		}
	}
	fmt.Fprintln(&all, c.Ami.Secret.String(), c.Ami.Secret.GoString(), fmt.Errorf("x: %v", c.Sip))
	if err := json.NewEncoder(&all).Encode(c); err != nil {
		t.Error(err)
	}
	if err := toml.NewEncoder(&all).Encode(c); err != nil {
		t.Error(err)
	}
	slog.New(slog.NewTextHandler(&all, nil)).Info("x", "c", c, "s", c.Ami.Secret)
	slog.New(slog.NewJSONHandler(&all, nil)).Info("x", "c", c, "s", c.Ami.Secret)
	zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(&all), zap.DebugLevel)).
		Info("x", zap.Any("c", c), zap.Any("s", c.Ami.Secret), zap.Stringer("s", c.Ami.Secret), zap.Reflect("a", c.Ami))

	for _, leak := range []string{"hunter2", fmt.Sprintf("%x", "hunter2"), fmt.Sprintf("%X", "hunter2"), fmt.Sprint([]byte("hunter2"))} {
		if strings.Contains(all.String(), leak) {
			t.Errorf("a secret printed as %s", leak)
		}
	}
	if n := strings.Count(all.String(), redacted); n < 1000 {
		t.Errorf("%s was printed %d times only", redacted, n)
	}
}

func TestRedactedURL(t *testing.T) {
	tests := []struct{ url, want string }{
		{"postgres://u:p@127.0.0.1:5432/opensips?sslmode=disable&password=p", "postgres://u@127.0.0.1:5432/opensips"},
		{"postgresql://u:p%40%2F@h1:5432,h2:5432/x", "postgresql://u@h1:5432,h2:5432/x"},
		{"postgres://u:a:b@h", "postgres://u@h"},
		{"postgres:///x?password=p", "postgres:///x"},
		{"mysql://u@h/x", "mysql://u@h/x"},
		{"sqlite:/var/lib/z.db?_key=p", "sqlite:/var/lib/z.db"},
	}
	for _, tt := range tests {
		if !isDatabaseURL(tt.url) {
			t.Errorf("%s is refused", tt.url)
		}
		if got := (Database{URL: Secret(tt.url)}).Redacted(); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.url, got, tt.want)
		}
	}
}
