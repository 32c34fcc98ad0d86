//go:build linux

package e2e

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"zonkeymwi/doctor"
	"zonkeymwi/internal/pgtest"
	"zonkeymwi/watchers"
)

// TestDoctorPublish: a presence server that takes publications is known by its
// 412, each that does not by its answer, and none has stored anything.
func TestDoctorPublish(t *testing.T) {
	db := pgtest.Start(t)
	for name, c := range map[string]struct {
		config   KamailioConfig
		without  string // a line of its configuration
		password string // sip.password
		text     string // "": no complaint
	}{
		"right":          {},
		"address":        {config: KamailioConfig{Bridge: "127.0.0.9"}, text: "403 Forbidden"},
		"presence_mwi":   {without: `loadmodule "presence_mwi.so"`, text: "489 Bad Event"},
		"lines":          {without: "route(ZONKEYMWI);", text: "405 Method Not Allowed"},
		"password":       {config: KamailioConfig{Password: "managers-secret"}, password: "managers-secret"},
		"no password":    {config: KamailioConfig{Password: "managers-secret"}, text: "set sip.username"},
		"wrong password": {config: KamailioConfig{Password: "managers-secret"}, password: "wrong", text: "correct sip.username"},
	} {
		t.Run(name, func(t *testing.T) {
			c.config.DB = db
			k := StartKamailio(t, c.config)
			if c.without != "" {
				k.Stop()
				k.leaveOut(c.without)
				k.Start()
			}
			o := publishing(k)
			if c.password != "" {
				o.SIP.Username, o.SIP.Password = "zonkeymwi", c.password
			}
			wantPublish(t, o, c.text)
		})
	}
	conn, err := pgx.Connect(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var n int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM presentity").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d publications are stored, %v", n, err)
	}
	k := StartKamailio(t, KamailioConfig{DB: db})
	if _, err := conn.Exec(t.Context(), "DROP TABLE presentity"); err != nil {
		t.Fatal(err)
	}
	wantPublish(t, publishing(k), "500 ")
}

// publishing are the doctor's options, without an Asterisk.
func publishing(k *Kamailio) doctor.Options {
	o := doctor.Options{Publish: true, Proxy: k.Addr() + ";transport=udp", Patience: 2 * time.Second}
	o.AMI.Address, o.AMI.Secret = "127.0.0.1:1", "unused"
	return o
}

// wantPublish wants the finding of the PUBLISH to be a fault with a text, or none.
func wantPublish(t *testing.T, o doctor.Options, text string) {
	t.Helper()
	found := false
	doctor.Run(t.Context(), o, func(f doctor.Finding) {
		if f.Area != "proxy" {
			return
		}
		t.Logf("%+v", f)
		if f.Check != "publish" {
			return
		}
		found = true
		if (f.Level == doctor.OK) != (text == "") || !strings.Contains(f.Detail+f.Mend, text) {
			t.Errorf("want %q", text)
		}
	})
	if !found {
		t.Error("nothing was said of PUBLISH")
	}
}

// leaveOut takes a line out of the configuration.
func (k *Kamailio) leaveOut(line string) {
	k.t.Helper()
	text, err := os.ReadFile(k.path("kamailio.cfg"))
	if err != nil {
		k.t.Fatal(err)
	}
	k.write("kamailio.cfg", strings.ReplaceAll(string(text), line, "#"))
}

// TestDoctorPublishWorld: with a real Asterisk as well, whose mailboxes say
// which domain to publish for.
func TestDoctorPublishWorld(t *testing.T) {
	asterisk, o := wellWorld(t)
	asterisk.RX("module load func_config.so")
	o.Publish, o.Database = true, watchers.Config{}
	o.Shares = []string{mailbox}
	wantComplaints(t, o)
	o.Shares = append(o.Shares, "600@sales")
	wantComplaints(t, o, "settings/mailbox.share warning")
}
