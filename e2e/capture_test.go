//go:build linux

package e2e

import (
	"bytes"
	"net"
	"strings"
	"testing"
)

// TestCapture: a good NOTIFY passes, each broken one is named.
func TestCapture(t *testing.T) {
	tests := []struct{ name, old, new, fault string }{
		{"good", "", "", ""},
		{"length too big", "Content-Length: ", "Content-Length: 1", "Content-Length"},
		{"length too small", "Content-Length: 9", "Content-Length: ", "Content-Length"},
		{"no length", "Content-Length", "X-Length", `Content-Length ""`},
		{"no colon", "Event: ", "Event ", "no colon"},
		{"no From", "From: ", "X-From: ", "no From"},
		{"no Contact", "Contact: ", "X-Contact: ", "no Contact"},
		{"no Subscription-State", "Subscription-State: ", "X-State: ", "no Subscription-State"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			phone := newRawPhone(t, "127.0.0.1", "202", 5060)
			to := phone.conn.LocalAddr().(*net.UDPAddr)
			capture := StartCapture(t, to.Port)
			notify := phone.notify(to, "UDP", 1)
			broken := bytes.Replace(notify, []byte(test.old), []byte(test.new), 1)
			if _, err := phone.conn.WriteToUDP(broken, to); err != nil {
				t.Fatal(err)
			}
			n, faults := capture.Check("NOTIFY")
			if n != 1 {
				t.Fatalf("%d NOTIFYs captured, want 1", n)
			}
			if test.fault == "" && len(faults) > 0 || !strings.Contains(strings.Join(faults, "\n"), test.fault) {
				t.Errorf("faults: %q, want one with %q", faults, test.fault)
			}
		})
	}
}
