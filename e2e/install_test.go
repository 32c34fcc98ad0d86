//go:build linux

package e2e

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"zonkeymwi/internal/pgtest"
	"zonkeymwi/sim"
)

// TestInstall does to Debian's own kamailio.cfg what docs/install.md says, and lights a phone's lamp through it; of a
// phone behind a NAT too, whose contact that configuration writes down with an alias.
func TestInstall(t *testing.T) {
	needKamailio(t)
	stock, err := os.ReadFile("/etc/kamailio/kamailio.cfg")
	need(t, err == nil && strings.Contains(string(stock), "Kamailio SIP Server v5.6 - default configuration"),
		"/etc/kamailio/kamailio.cfg is not Debian 12's", "install Debian 12's package kamailio")
	guide, err := os.ReadFile("../docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	asterisk := StartAsterisk(t, AsteriskConfig{Mailboxes: []string{mailbox}})
	asterisk.LeaveVoicemail(mailbox)
	for name, inside := range map[string]string{"": "", "#!define WITH_NAT\n": "10.0.0.5:5060"} {
		t.Run("phone at "+inside, func(t *testing.T) {
			url := pgtest.Start(t)
			kamailio := startStock(t, url, patched(t, string(stock), string(guide)), name+typed(t, string(guide), "kamailio-local.cfg"))
			phone, err := sim.NewPhone(sim.PhoneConfig{User: "202", Domain: domain, Proxy: kamailio.Addr(), Inside: inside})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(phone.Close)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if err := phone.Subscribe(ctx, 600); err != nil {
				t.Fatal(err)
			}
			program := StartProgram(t, configure(asterisk, kamailio, url, "127.0.0.1:0"))
			wantLamp(t, phone, sim.Lamp{Known: true, On: true, New: 1})
			if out, code := program.Command("check"); code != 0 || !strings.Contains(out, "one to us has come back") {
				t.Errorf("check: %d\n%s", code, out)
			}
			program.Stop()
		})
	}
}

// TestReadmeLines has Kamailio read the three lines that the README would add to a configuration.
func TestReadmeLines(t *testing.T) {
	needKamailio(t)
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := match(t, string(readme), `(?s)\n( +# after the last modparam.*?route\(ZONKEYMWI\);\n)`)
	modules, script, _ := strings.Cut(lines, "       # first in request_route")
	k := &Kamailio{dir: workDir(t, ""), t: t}
	k.configure()
	config, err := os.ReadFile(k.path("kamailio.cfg"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(config), "#!define ASTERISK \"127.0.0.1\"\n", "", 1)
	for _, line := range []struct{ ours, theirs string }{{"include_file \"zonkeymwi.cfg\"\n", modules}, {"route(ZONKEYMWI);\n", "# first" + script}} {
		if strings.Count(text, line.ours) != 1 {
			t.Fatalf("kamailio.cfg has %q not once", line.ours)
		}
		text = strings.Replace(text, line.ours, strings.ReplaceAll(line.theirs, "       ", ""), 1)
	}
	k.write("kamailio.cfg", text)
	if out, err := exec.Command("kamailio", "-c", "-f", k.path("kamailio.cfg")).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// startStock starts Kamailio with Debian's configuration, at addresses of ours.
func startStock(t *testing.T, db, config, local string) *Kamailio {
	t.Helper()
	createTables(t, db)
	k := &Kamailio{port: freePort(t), dir: workDir(t, ""), config: KamailioConfig{DB: db, ClockCSeq: true}, t: t}
	k.configure()
	k.write("kamailio.cfg", strings.Replace(config, `#!define ASTERISK "192.0.2.10"`, "", 1)) // Start gives ours
	local = strings.Replace(local, "postgres://kamailio:Choose-3@localhost/kamailio", kamailioURL(db), 1)
	k.write("kamailio-local.cfg", strings.Replace(local, `"example.com"`, `"`+domain+`"`, 1))
	logOnFailure(t, k.path("kamailio.log"))
	k.Start()
	t.Cleanup(k.Stop)
	return k
}

// typed is the file that the guide has its reader type in, by a here document.
func typed(t *testing.T, guide, file string) string {
	t.Helper()
	text := match(t, guide, `(?s)\n +cat > \S*/`+regexp.QuoteMeta(file)+` <<'E'\n(.*?)\n +E\n`)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimLeft(line, " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

// patched applies the guide's patch, each hunk of which must fit in one place.
func patched(t *testing.T, text, guide string) string {
	t.Helper()
	patch := match(t, guide, "(?s)\n   ```diff\n(.*?)\n   ```")
	_, patch, _ = strings.Cut(patch, "\n   @@")
	for _, hunk := range strings.Split(patch, "\n   @@") {
		var before, after strings.Builder
		for _, line := range strings.Split(hunk, "\n")[1:] {
			sign, rest := " ", ""
			if line = strings.TrimPrefix(line, "   "); line != "" {
				sign, rest = line[:1], line[1:]
			}
			if sign != "+" {
				before.WriteString(rest + "\n")
			}
			if sign != "-" {
				after.WriteString(rest + "\n")
			}
		}
		if n := strings.Count(text, before.String()); n != 1 {
			t.Fatalf("docs/install.md: this is %d times in kamailio.cfg:\n%s", n, before.String())
		}
		text = strings.Replace(text, before.String(), after.String(), 1)
	}
	return text
}
