//go:build linux

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// cell is one way to set up the proxy and the bridge.
type cell struct {
	mode      int    // subs_db_mode
	method    string // sip.method; "": notify
	cseq      string // sip.cseq, for notify
	transport string // to the proxy; "": udp
	digest    bool   // the proxy asks the bridge for its password
	maria     bool   // the database is MariaDB, which is polled; else PostgreSQL, which tells of subscriptions
	clock     bool   // the proxy takes the CSeq of its own NOTIFYs from the clock; always for cseq = "clock"
	fact
	may fact // what chance decides
}

// fact is what is so, for good or ill, and is documented: the test fails when it changes in either direction.
type fact struct {
	bridgeRefused, proxyRefused bool // phones refuse some of the NOTIFYs of the bridge, of the proxy
	late                        bool // a subscription is not in the database when it is answered
	dark                        bool // lamps are wrong
}

// but is f without what may be.
func (f fact) but(may fact) fact {
	return fact{f.bridgeRefused && !may.bridgeRefused, f.proxyRefused && !may.proxyRefused, f.late && !may.late, f.dark && !may.dark}
}

// One cell each suffices for TCP, TLS and digest: what the bridge sends does not depend on the way it goes.
var cells = []cell{
	{mode: 1, cseq: "clock"},
	// A change in the second of a refresh that the bridge has not seen yet: one 500, and a second.
	{mode: 2, cseq: "clock", may: fact{bridgeRefused: true}},
	{mode: 3, cseq: "clock"},
	{mode: 1, cseq: "database", fact: fact{bridgeRefused: true, proxyRefused: true}},
	{mode: 2, cseq: "database", fact: fact{proxyRefused: true}},
	{mode: 3, cseq: "database"},
	{mode: 1, cseq: "ahead", fact: fact{proxyRefused: true}},
	{mode: 2, cseq: "ahead", fact: fact{proxyRefused: true}},
	{mode: 3, cseq: "ahead", fact: fact{proxyRefused: true}},
	{mode: 1, cseq: "clock", transport: "tcp"},
	{mode: 1, cseq: "clock", transport: "tls", digest: true},
	{mode: 0, cseq: "clock", fact: fact{late: true, dark: true}},
	{mode: 0, method: "publish", fact: fact{late: true}},
	{mode: 1, method: "publish"},
	{mode: 2, method: "publish"},
	{mode: 3, method: "publish"},
	{mode: 1, method: "publish", transport: "tcp", digest: true},
	{mode: 1, method: "publish", clock: true, fact: fact{proxyRefused: true, dark: true}},
	{mode: 1, cseq: "clock", maria: true},
	{mode: 3, cseq: "database", maria: true},
	{mode: 1, method: "publish", maria: true},
}

func (c cell) String() string {
	text := fmt.Sprintf("mode %d, %s", c.mode, c.method)
	if c.cseq != "" {
		text += " " + c.cseq
	}
	if c.method == "publish" && c.clock {
		text += ", with the clock"
	}
	if c.transport != "udp" {
		text += ", " + c.transport
	}
	if c.digest {
		text += " and digest"
	}
	if c.maria {
		text += ", MariaDB"
	}
	return text
}

// TestMatrix has four strict phones of one user live through the same day in each mode of Kamailio and of the bridge.
func TestMatrix(t *testing.T) {
	lines := make([]string, len(cells))
	t.Run("cells", func(t *testing.T) {
		for i, c := range cells {
			if c.method == "" {
				c.method = "notify"
			}
			if c.transport == "" {
				c.transport = "udp"
			}
			c.clock = c.clock || c.cseq == "clock"
			c.may.late = c.mode == 2 // unless it writes just then
			t.Run(c.String(), func(t *testing.T) {
				t.Parallel()
				w := newCellWorld(t, c)
				w.live(t)
				w.tally(t)
				lines[i] = w.line()
				w.check(t)
			})
		}
	})
	table := matrixHead + strings.Join(lines, "")
	t.Logf("\n%s", table)
	if name := os.Getenv("ZONKEYMWI_MATRIX_TABLE"); name != "" {
		if err := os.WriteFile(name, []byte(table), 0o644); err != nil {
			t.Error(err)
		}
	}
}

// live is the day.
func (w *cellWorld) live(t *testing.T) {
	w.show(t, w.change(0), w.desk, w.mobile, w.remote, w.home)
	w.show(t, w.change(1), w.desk, w.mobile, w.remote, w.home)

	w.refresh(t, w.desk, w.remote, w.home)
	two := w.change(2)
	w.show(t, two, w.desk, w.mobile, w.remote, w.home)

	w.mobile.Reboot()
	w.resubscribe(t, w.mobile, two)
	w.refresh(t, w.mobile)
	w.show(t, w.change(3), w.desk, w.mobile, w.remote, w.home)

	w.leave(t, w.mobile)
	w.show(t, w.change(0), w.desk, w.remote, w.home)
}

// outcome is what was seen.
type outcome struct {
	bridge, proxy count // of NOTIFYs
	wrong         []string
	resubscribed  time.Duration // from a rebooted phone's SUBSCRIBE to its lamp right
	late          bool
}

// oneSource tells whether the bridge and the proxy take their numbers from the same place. A NOTIFY of the proxy's with too
// low a number has then been overtaken on its way.
func (c cell) oneSource() bool { return c.clock || c.mode == 3 && c.cseq == "database" }

// count sorts NOTIFYs by the phone's answer: 200; 481, in a dialog that it has forgotten or ended; any other. One of the
// proxy's is overtaken where the proxy is slower than the head start that the bridge leaves it after a subscription. It is
// empty, so nothing is lost.
type count struct{ accepted, gone, overtaken, refused int }

func (c count) String() string {
	if c.overtaken > 0 {
		return fmt.Sprintf("%d | %d, and %d overtaken", c.accepted, c.refused, c.overtaken)
	}
	return fmt.Sprintf("%d | %d", c.accepted, c.refused)
}

const matrixHead = "| Kamailio and zonkeymwi | zonkeymwi's NOTIFYs: accepted | refused | the proxy's own: accepted | refused | lamps | after a reboot |\n|---|---|---|---|---|---|---|\n"

func (w *cellWorld) line() string {
	lamps, reboot := "right", fmt.Sprintf("%d ms", w.resubscribed.Milliseconds())
	if len(w.wrong) > 0 {
		lamps, reboot = "wrong", "wrong"
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s |\n", w.cell, w.bridge, w.proxy, lamps, reboot)
}

// check holds the outcome against the fact.
func (w *cellWorld) check(t *testing.T) {
	t.Helper()
	seen := fact{bridgeRefused: w.bridge.refused > 0, proxyRefused: w.proxy.refused > 0, late: w.outcome.late, dark: len(w.wrong) > 0}
	if seen.but(w.may) != w.fact.but(w.may) {
		t.Errorf("seen %+v, documented %+v\n%s%s%s", seen, w.fact, matrixHead, w.line(), strings.Join(w.wrong, "\n"))
	}
	patience := 2 * time.Second
	if w.maria {
		patience += 5 * time.Second // poll_interval
	}
	if w.resubscribed > patience && !w.dark && !w.may.late && !w.fact.late {
		t.Errorf("a rebooted phone's lamp was right after %v", w.resubscribed)
	}
	if w.proxy.overtaken > 2 {
		t.Errorf("%d NOTIFYs of the proxy were overtaken, in spite of the head start", w.proxy.overtaken)
	}
	if speaks := w.method == "notify" && !w.dark; speaks != (w.bridge.accepted > 0) {
		t.Errorf("phones accepted %d NOTIFYs of the bridge", w.bridge.accepted)
	}
	if w.bridge.gone > 2 { // the one dialog that the rebooted phone has forgotten, asked twice; the one that it ended gets nothing more
		t.Errorf("%d NOTIFYs of the bridge went to dialogs that are gone", w.bridge.gone)
	}
}
