//go:build linux

package e2e

import (
	"testing"
	"time"

	"zonkeymwi/internal/pgtest"
)

// TestSIPp is the main job before a phone that is not ours: its own dialog, CSeq and body, over a change, a refresh and
// the end of its subscription.
func TestSIPp(t *testing.T) {
	asterisk := StartAsterisk(t, AsteriskConfig{Mailboxes: []string{mailbox}})
	url := pgtest.Start(t)
	kamailio := StartKamailio(t, KamailioConfig{DB: url, ClockCSeq: true, FRTimer: 5 * time.Second})
	program := NewProgram(t, configure(asterisk, kamailio, url, "127.0.0.1:0"))
	if out, code := program.Command("migrate"); code != 0 {
		t.Fatal(out)
	}
	program.Start()
	program.Await(1, Event{"event": "listening"})

	phone := StartSIPp(t, kamailio.Addr(), "202", domain)
	program.Await(1, Event{"event": "notify_result", "outcome": "acknowledged"})
	asterisk.LeaveVoicemail(mailbox)
	phone.Wait()
}
