//go:build linux

package e2e

import (
	"strings"
	"testing"
	"time"

	"zonkeymwi/sim"
)

// TestResubscribe: a phone that reboots and subscribes again shows its lamp
// within two seconds, by the trigger that migrate installs.
func TestResubscribe(t *testing.T) {
	s := newSite(t)
	if out, code := s.program.Command("migrate"); code != 0 {
		t.Fatal(out)
	}
	contains(t, first(s.program.Command("migrate", "--print")), "CREATE OR REPLACE FUNCTION", "active_watchers")
	s.program.Stop() // a trigger that comes later is found within a minute
	s.program = StartProgram(t, s.config)
	s.program.Await(1, Event{"event": "listening"})
	s.asterisk.LeaveVoicemail(mailbox)
	on := sim.Lamp{Known: true, On: true, New: 1}
	wantLamp(t, s.desk, on)
	wantLamp(t, s.mobile, on)

	const promised = 2 * time.Second
	took := 2 * promised
	for try := 0; try < 3 && took > promised; try++ { // the machine may be busy
		s.mobile.Reboot()
		if err := s.mobile.Register(t.Context()); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := s.mobile.Subscribe(t.Context(), 600); err != nil {
			t.Fatal(err)
		}
		wantLamp(t, s.mobile, on)
		took = time.Since(start)
		t.Logf("the lamp came %v after the subscription", took)
	}
	if took > promised {
		t.Errorf("promised is %v", promised)
	}
	for _, n := range s.mobile.Notifies() {
		if n.Status != 200 && !strings.Contains(n.Reason, "is not above") {
			t.Errorf("refused with %d %s", n.Status, n.Reason)
		}
	}

	// A refresh is followed by the state too.
	before := len(s.desk.Notifies())
	if err := s.desk.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, "NOTIFY after the refresh", func() bool {
		notes := s.desk.Notifies()
		return len(notes) >= before+2 && notes[len(notes)-1].Lamp == on && notes[len(notes)-1].Body != ""
	})
}

// TestLedger: a restarted bridge tells only what has changed, and a second
// bridge on the same database does not repeat the first.
func TestLedger(t *testing.T) {
	s := newSite(t)
	config := strings.Replace(s.config, "[sip]", "ledger = true\n[sip]", 1)
	if out, code := s.program.Command("migrate"); code != 0 {
		t.Fatal(out)
	}
	s.program.Stop()
	s.program = StartProgram(t, config)
	s.asterisk.LeaveVoicemail(mailbox)
	on := sim.Lamp{Known: true, On: true, New: 1}
	wantLamp(t, s.desk, on)
	wantLamp(t, s.mobile, on)
	s.program.Await(2, Event{"event": "notify_result", "outcome": "acknowledged", "id": s.program.Await(1, Event{"event": "mwi_received"})[0].Text("id")})
	s.program.Stop()

	second := StartProgram(t, config)
	second.Await(1, Event{"event": "resync"})
	time.Sleep(2 * time.Second) // anything it wanted to say would be said by now
	if sent := second.Find(Event{"event": "notify_sent"}); len(sent) != 0 {
		t.Errorf("after a restart: %v", sent)
	}
	third := StartProgram(t, strings.Replace(config, s.admin, "127.0.0.1:0", 1))
	third.Await(1, Event{"event": "resync"})
	time.Sleep(2 * time.Second)
	if sent := third.Find(Event{"event": "notify_sent"}); len(sent) != 0 {
		t.Errorf("a second bridge: %v", sent)
	}
	// Each is killed in turn; the other carries on.
	second.Kill()
	s.asterisk.DeleteFirst(mailbox)
	wantLamp(t, s.desk, sim.Lamp{Known: true})
	fourth := StartProgram(t, config)
	fourth.Await(1, Event{"event": "resync"})
	third.Kill()
	s.asterisk.LeaveVoicemail(mailbox)
	wantLamp(t, s.desk, on)
	wantLamp(t, s.mobile, on)
}
