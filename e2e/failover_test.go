//go:build linux

package e2e

import (
	"strings"
	"testing"
	"time"

	"zonkeymwi/internal/pgtest"
	"zonkeymwi/sim"
)

// TestDatabaseFailsOver: the primary is gone, its standby takes over, and the
// lamps go on from what that one has. The URL names both servers.
func TestDatabaseFailsOver(t *testing.T) {
	asterisk := StartAsterisk(t, AsteriskConfig{Mailboxes: []string{mailbox}})
	primary := pgtest.NewServer(t)
	if err := primary.CreateDB("proxy"); err != nil {
		t.Fatal(err)
	}
	kamailio := StartKamailio(t, KamailioConfig{DB: primary.URL("proxy"), ClockCSeq: true})
	standby := primary.Standby(t)
	url := strings.Replace(primary.URL("proxy"), primary.Host(), primary.Host()+","+standby.Host(), 1) + "&target_session_attrs=read-write"
	desk, mobile := newPhone(t, kamailio.Addr(), "202"), newPhone(t, kamailio.Addr(), "202")
	program := StartProgram(t, configure(asterisk, kamailio, url, "127.0.0.1:0"))
	both := func(want sim.Lamp) {
		t.Helper()
		wantLamp(t, desk, want)
		wantLamp(t, mobile, want)
	}
	both(sim.Lamp{Known: true})

	if err := primary.Stop(); err != nil {
		t.Fatal(err)
	}
	asterisk.LeaveVoicemail(mailbox)
	program.Await(1, Event{"event": "lookup_failed"})
	if err := standby.Promote(); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	both(sim.Lamp{Known: true, On: true, New: 1})
	t.Logf("both lamps were right %v after the standby took over", time.Since(start))
	asterisk.DeleteFirst(mailbox)
	both(sim.Lamp{Known: true})
}
