//go:build linux

package e2e

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"zonkeymwi/internal/pgtest"
	"zonkeymwi/sim"
)

const (
	domain  = "domain.example.com"
	mailbox = "202@" + domain
)

// newPhone is a strict phone, registered and subscribed at a proxy.
func newPhone(t *testing.T, proxy, user string) *sim.Phone {
	t.Helper()
	phone, err := sim.NewPhone(sim.PhoneConfig{User: user, Domain: domain, Proxy: proxy})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(phone.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := phone.Register(ctx); err != nil {
		t.Fatal(err)
	}
	if err := phone.Subscribe(ctx, 600); err != nil {
		t.Fatal(err)
	}
	return phone
}

// configure writes the program's configuration.
func configure(asterisk *Asterisk, kamailio *Kamailio, url, admin string) string {
	return fmt.Sprintf(`
[ami]
address = %q
username = %q
secret = %q
[database]
url = %q
[sip]
proxy = "%s;transport=udp"
bindip = "127.0.0.1"
[admin]
listen = %q
`, asterisk.AMIAddr(), asterisk.Username, asterisk.Secret, url, kamailio.Addr(), admin)
}

func wantLamp(t *testing.T, phone *sim.Phone, want sim.Lamp) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := phone.WaitLamp(ctx, want); err != nil {
		t.Fatal(err)
	}
}

// TestLamp is the main job on the real parts: a voicemail left in Asterisk
// turns the lamps of both phones of the user on, through Kamailio; deleting it
// turns them off.
func TestLamp(t *testing.T) {
	asterisk := StartAsterisk(t, AsteriskConfig{Mailboxes: []string{mailbox, "203@" + domain}})
	url := pgtest.Start(t)
	kamailio := StartKamailio(t, KamailioConfig{DB: url, ClockCSeq: true})
	capture := StartCapture(t, kamailio.Port())
	desk, mobile := newPhone(t, kamailio.Addr(), "202"), newPhone(t, kamailio.Addr(), "202")
	other := newPhone(t, kamailio.Addr(), "203")
	program := StartProgram(t, configure(asterisk, kamailio, url, "127.0.0.1:0"))

	// The resync tells every phone, as nobody knows what they show.
	for _, phone := range []*sim.Phone{desk, mobile, other} {
		wantLamp(t, phone, sim.Lamp{Known: true})
	}

	asterisk.LeaveVoicemail(mailbox)
	for _, phone := range []*sim.Phone{desk, mobile} {
		wantLamp(t, phone, sim.Lamp{Known: true, On: true, New: 1})
	}
	wantSteps(t, program, 1)

	asterisk.DeleteFirst(mailbox)
	for _, phone := range []*sim.Phone{desk, mobile} {
		wantLamp(t, phone, sim.Lamp{Known: true})
	}
	wantSteps(t, program, 0)

	wantLamp(t, other, sim.Lamp{Known: true})
	for _, phone := range []*sim.Phone{desk, mobile, other} {
		for _, n := range phone.Notifies() {
			// Two in one second is the one case in which the clock repeats itself.
			if n.Status != 200 && !strings.Contains(n.Reason, "is not above") {
				t.Errorf("refused with %d %s:\n%s", n.Status, n.Reason, n.Raw)
			}
		}
	}
	program.Stop()
	if text, err := os.ReadFile(program.logFile()); err != nil || strings.Contains(string(text), asterisk.Secret) {
		t.Errorf("the log holds the AMI secret (%v)", err)
	}

	notifies, faults := capture.Check("NOTIFY")
	if notifies < 14 { // three at the resync and two for each change, each on two hops
		t.Errorf("captured %d NOTIFYs", notifies)
	}
	for _, fault := range faults {
		t.Errorf("tshark: %s", fault)
	}
}

// wantSteps wants the whole story of a change to that many new messages in the
// log, under one id.
func wantSteps(t *testing.T, program *Program, messages int) {
	t.Helper()
	received := program.Await(1, Event{"event": "mwi_received", "mailbox": mailbox, "new": messages})
	id := received[len(received)-1].Text("id")
	for _, e := range program.Await(2, Event{"event": "notify_result", "id": id, "outcome": "acknowledged"}) {
		if e.Text("status") != "200" {
			t.Errorf("%v", e)
		}
	}
	if found := program.Find(Event{"event": "dialogs_found", "id": id}); len(found) == 0 || found[0].Text("live") != "2" {
		t.Errorf("change %s: %v, want two live dialogs", id, found)
	}
	if n := len(program.Find(Event{"event": "notify_sent", "id": id, "new": messages})); n < 2 {
		t.Errorf("change %s: %d NOTIFYs in the log, want two", id, n)
	}
}
