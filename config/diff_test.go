package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	dir := t.TempDir()
	read := func(secret, text string) *Config {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "secret"), []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Parse(filepath.Join(dir, "c.toml"), []byte(`ami = { username = "u", secret_file = "secret" }
database.url = "sqlite:x"
`+text), nil)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	a := read("one", `sip = { proxy = "p:5060" }`)
	for _, c := range []struct {
		secret, text string
		want         []string
	}{
		{"one", `sip = { proxy = "p:5060" }`, nil},
		{"one", `sip = { proxy = "q:5060", rate = 7 }`, []string{"sip.proxy", "sip.rate"}},
		{"two", `sip = { proxy = "p:5060" }`, []string{"ami.secret_file"}},
		{"one", "sip = { proxy = \"p:5060\" }\n[mailbox.domains]\ndefault = \"example.com\"", []string{"mailbox.domains"}},
		{"one", "sip = { proxy = \"p:5060\", expires = \"2h\", unsolicited = true }\n" + share, []string{"sip.expires", "sip.unsolicited", "mailbox.share"}},
		{"one", `sip = { proxy = "p:5060", method = "publish", expires = "60m" }`, []string{"sip.method"}},
	} {
		var got []string
		for _, k := range Diff(a, read(c.secret, c.text)) {
			got = append(got, k.String())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q: %v, want %v", c.text, got, c.want)
		}
	}
	plain := func(secret string) *Config {
		c := *a
		c.Ami.SecretFile, c.Ami.Secret = "", Secret(secret)
		return &c
	}
	if changed := Diff(plain("one"), plain("two")); len(changed) != 1 || changed[0].String() != "ami.secret" {
		t.Errorf("another secret, in no file: %v", changed)
	}
	shared := `sip = { proxy = "p:5060" }` + share
	changed := Diff(read("one", shared), read("one", strings.Replace(shared, "202@", "203@", 1)))
	if len(changed) != 1 || changed[0].String() != "mailbox.share" || !changed[0].Reload {
		t.Errorf("another user: %v", changed)
	}
}
