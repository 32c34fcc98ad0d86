//go:build linux

package e2e

import (
	"strings"
	"testing"

	"zonkeymwi/internal/pgtest"
	"zonkeymwi/sim"
)

// TestUnsolicited: with sip.unsolicited, phones that register and never subscribe follow their mailbox too.
func TestUnsolicited(t *testing.T) {
	w := &cellWorld{cell: cell{method: "notify", transport: "udp"}, db: pgtest.Start(t)}
	w.kamailio = StartKamailio(t, KamailioConfig{DB: w.db, NAT: true, ClockCSeq: true})
	edge := StartEdge(t, w.kamailio)
	silent := phones(t, sim.PhoneConfig{Proxy: w.kamailio.Addr()}, sim.PhoneConfig{Proxy: w.kamailio.Addr(), Inside: "127.0.0.66:9"},
		sim.PhoneConfig{Proxy: edge.Addr()})
	w.startAsterisk(t)
	StartProgram(t, strings.Replace(w.configure(), "[sip]", "[sip]\nunsolicited = true", 1))
	for _, n := range []int{1, 2, 0} {
		want := w.change(n)
		for _, phone := range silent {
			wantLamp(t, phone, want)
		}
	}
	for _, phone := range silent {
		for _, n := range phone.Notifies() {
			if n.Status != 200 {
				t.Errorf("answered %d %s:\n%s", n.Status, n.Reason, n.Raw)
			}
		}
	}
}
