//go:build linux

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"zonkeymwi/ami"
	"zonkeymwi/internal/pgtest"
	"zonkeymwi/sim"
)

// site is the whole of it, running: two phones of 202 behind a real Kamailio.
type site struct {
	asterisk     *Asterisk
	kamailio     *Kamailio
	program      *Program
	desk, mobile *sim.Phone
	config       string
	admin        string
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{asterisk: StartAsterisk(t, AsteriskConfig{Mailboxes: []string{mailbox}})}
	url := pgtest.Start(t)
	s.kamailio = StartKamailio(t, KamailioConfig{DB: url, ClockCSeq: true})
	s.desk, s.mobile = newPhone(t, s.kamailio.Addr(), "202"), newPhone(t, s.kamailio.Addr(), "202")
	s.admin = fmt.Sprintf("127.0.0.1:%d", freePort(t))
	s.config = configure(s.asterisk, s.kamailio, url, s.admin)
	s.program = StartProgram(t, s.config)
	for _, phone := range []*sim.Phone{s.desk, s.mobile} {
		wantLamp(t, phone, sim.Lamp{Known: true})
	}
	return s
}

func contains(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

// TestOperate types every command at the real thing.
func TestOperate(t *testing.T) {
	s := newSite(t)
	both := func(want sim.Lamp) {
		t.Helper()
		wantLamp(t, s.desk, want)
		wantLamp(t, s.mobile, want)
	}

	out, code := s.program.Command("status")
	if contains(t, out, "Module ENABLED", "connected at "+s.asterisk.AMIAddr(), "Database:   ok", "0 are not shown by every phone yet"); code != 0 {
		t.Errorf("status: exit code %d", code)
	}
	out, _ = s.program.Command("show", "subscription", "202", domain)
	contains(t, out, "MWI subscription details for "+mailbox, "To tag: ", "From tag:", "Shows:    0 new, 0 old", "200 OK, acknowledged in")
	if n := strings.Count(out, "Call-ID:"); n != 2 {
		t.Errorf("show subscription shows %d dialogs, want 2", n)
	}
	out, _ = s.program.Command("show", "subscription", "999", domain)
	contains(t, out, "   Currently no valid MWI subscription found for 999@"+domain)

	out, code = s.program.Command("notify", "202", domain, "3", "5")
	if contains(t, out, "Notify "+mailbox+" with 3 new messages and 5 old messages was sent", "200 OK, acknowledged"); code != 0 {
		t.Errorf("notify: exit code %d", code)
	}
	both(sim.Lamp{Known: true, On: true, New: 3, Old: 5})
	if out, code = s.program.Command("notify", "202", domain); code != 0 {
		t.Errorf("notify: exit code %d: %s", code, out)
	}
	both(sim.Lamp{Known: true})
	if out, code = s.program.Command("notify", "999", domain, "1", "0"); code != 1 || !strings.Contains(out, "Subscription NOT found for 999@") {
		t.Errorf("notify nobody: %d %s", code, out)
	}

	s.mobile.Answer(2, 481)
	if out, code = s.program.Command("notify", "202", domain, "1", "0"); code != 1 || !strings.Contains(out, "481") {
		t.Errorf("notify a phone that has forgotten: %d %s", code, out)
	}
	eventually(t, 20*time.Second, "the dialog's death", func() bool { // it is asked twice
		out, _ = s.program.Command("explain", "202", domain)
		return strings.Contains(out, "(dead: ")
	})
	contains(t, out, "holds 0 new and 0 old messages: the lamp is to be off", "nothing is sent until it subscribes again (dead: ",
		"NOTIFY sip:", "Messages-Waiting: no", "SIP/2.0 481 ")

	contains(t, first(s.program.Command("debug", "on")), "Debug enabled.")
	s.program.Command("notify", "202", domain, "7", "0")
	whole := s.program.Await(1, Event{"event": "notify_debug"})
	contains(t, whole[0].Text("message"), "NOTIFY sip:", "Voice-Message: 7/0 (0/0)\r\n")
	contains(t, first(s.program.Command("debug", "off")), "Debug disabled.")

	for _, probe := range []string{"startup", "live", "ready"} {
		if r, err := http.Get("http://" + s.admin + "/" + probe); err != nil || r.StatusCode != 200 {
			t.Errorf("/%s: %v %v", probe, r, err)
		} else {
			r.Body.Close()
		}
	}
	s.asterisk.Stop()
	s.program.Await(1, Event{"event": "ami_lost"})
	contains(t, first(s.program.Command("status")), "Module DISABLED (Asterisk not connected)")
	if r, err := http.Get("http://" + s.admin + "/ready"); err != nil || r.StatusCode != 503 {
		t.Errorf("/ready without Asterisk: %v %v", r, err)
	} else {
		r.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
	s.program.Stop()
	out, code = s.program.Command("status")
	if contains(t, out, "is it running?"); code != 1 {
		t.Errorf("status of nothing: exit code %d", code)
	}
}

func first(out string, _ int) string { return out }

// TestReloadOfABrokenFile: it changes nothing, and says why; a good one is told
// apart into what is at work and what needs a restart.
func TestReload(t *testing.T) {
	s := newSite(t)
	s.program.Configure(s.config + "[log]\nlevle = \"debug\"\n")
	out, code := s.program.Command("status") // its own reading fails as well
	if contains(t, out, `zonkeymwi.toml:14: log.levle: unknown key; did you mean log.level?`); code != 1 {
		t.Errorf("status with a broken file: exit code %d", code)
	}
	if err := s.program.process.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	failed := s.program.Await(1, Event{"event": "reload_failed"})
	contains(t, failed[0].Text("error"), `levle`)
	s.asterisk.LeaveVoicemail(mailbox)
	wantLamp(t, s.desk, sim.Lamp{Known: true, On: true, New: 1})

	s.program.Configure(strings.Replace(s.config, `bindip = "127.0.0.1"`, "bindip = \"127.0.0.1\"\nuseragent = \"Lamp\"\nbindport = 5099", 1))
	out, code = s.program.Command("reload")
	if contains(t, out, "Configuration reloaded.", "At work now:     sip.useragent", "After a restart: sip.bindport"); code != 0 {
		t.Errorf("reload: exit code %d", code)
	}
	s.program.Command("notify", "202", domain)
	notes := s.desk.Notifies()
	contains(t, string(notes[len(notes)-1].Raw), "\r\nUser-Agent: Lamp\r\n")
}

// TestUserEvents: a resend asked for in Asterisk's console, in the words of the
// 2013 module, from AMI and from the dialplan reaches both phones, and the
// answer comes back with the caller's id.
func TestUserEvents(t *testing.T) {
	s := newSite(t)
	answers := make(chan ami.UserEvent, 10)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	session, err := ami.Dial(ctx, ami.Config{Address: s.asterisk.AMIAddr(), Username: s.asterisk.Username, Secret: s.asterisk.Secret},
		ami.Handler{UserEvent: func(e ami.UserEvent) {
			if e.Name == "ZonkeyMWIResult" {
				answers <- e
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	answered := func(want map[string]string) {
		t.Helper()
		select {
		case e := <-answers:
			for header, value := range want {
				if got := e.Get(header); got != value {
					t.Errorf("%s: %q, want %q, in %v", header, got, value, e.Headers)
				}
			}
		case <-ctx.Done():
			t.Fatalf("no answer like %v", want)
		}
	}
	lamps := func(want sim.Lamp) {
		t.Helper()
		wantLamp(t, s.desk, want)
		wantLamp(t, s.mobile, want)
	}

	s.asterisk.RX("zonkeymwi notify 202 " + domain + " 3 5")
	answered(map[string]string{"Mailbox": mailbox, "Dialogs": "2", "Delivered": "2", "Failed": "0", "Reason": ""})
	lamps(sim.Lamp{Known: true, On: true, New: 3, Old: 5})

	s.asterisk.RX("zonkeymwi notify 202 " + domain)
	answered(map[string]string{"Mailbox": mailbox, "Delivered": "2"})
	lamps(sim.Lamp{Known: true})

	s.asterisk.RX(`channel originate Local/s@zonkeymwi/n application UserEvent "ZonkeyMWI,Mailbox: ` + mailbox + `,New: 2,Id: from-the-console"`)
	answered(map[string]string{"Mailbox": mailbox, "Delivered": "2", "Id": "from-the-console"})
	lamps(sim.Lamp{Known: true, On: true, New: 2})

	if err := session.SendUserEvent(ctx, "ZonkeyMWI", ami.Header{Name: "User", Value: "202"}, ami.Header{Name: "Domain", Value: domain},
		ami.Header{Name: "Id", Value: "from-ami"}); err != nil {
		t.Fatal(err)
	}
	answered(map[string]string{"Mailbox": mailbox, "Delivered": "2", "Id": "from-ami"})
	lamps(sim.Lamp{Known: true})

	// Hostile values do no harm.
	for _, value := range []string{"202@" + domain + "'; DROP TABLE active_watchers; --", "\x01\x7f@\x02", strings.Repeat("9", 900), "@", "a@b@c@d"} {
		if err := session.SendUserEvent(ctx, "ZonkeyMWI", ami.Header{Name: "Mailbox", Value: value}, ami.Header{Name: "New", Value: "1"}); err != nil {
			t.Fatal(err)
		}
	}
	s.asterisk.LeaveVoicemail(mailbox)
	lamps(sim.Lamp{Known: true, On: true, New: 1})
}
