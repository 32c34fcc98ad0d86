package bridge

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zaptest/observer"

	"zonkeymwi/sipmsg"
	"zonkeymwi/sipua"
)

var unsolicitedTemplate = func() *sipmsg.Template {
	t, err := sipmsg.Parse(sipmsg.Unsolicited, "unsolicited.tmpl", sipmsg.Builtin(sipmsg.Unsolicited))
	if err != nil {
		panic(err)
	}
	return t
}()

// unsolicited are the NOTIFYs so far that belong to no dialog.
func (w *world) unsolicited() (all []sent) {
	w.lock(func() {
		for _, s := range w.sent {
			if strings.Contains(s.bytes, "Subscription-State: terminated") {
				all = append(all, s)
			}
		}
	})
	return all
}

// Beside the dialogs, whatever has registered is told: at each change, and now
// and then, as nobody says when a phone registers.
func TestUnsolicited(t *testing.T) {
	for _, mode := range []CSeqMode{CSeqClock, CSeqDatabase, CSeqAhead} {
		inWorld(t, Options{CSeq: mode, Live: Live{Unsolicited: unsolicitedTemplate, Expires: 10 * time.Minute}}, func(w *world, _ *observer.ObservedLogs) {
			w.phone("202", "desk")
			w.event("202", 1, 0)
			w.event("203", 2, 0)
			time.Sleep(2 * time.Second)
			all, desk := w.unsolicited(), ""
			w.lock(func() { desk = w.lamps["desk"] })
			if len(all) != 2 || w.count() != 3 || desk != "1/0" {
				t.Fatalf("%s: %d NOTIFYs, of which unsolicited: %v", mode, w.count(), all)
			}
			for _, s := range all {
				if !strings.HasPrefix(s.bytes, "NOTIFY sip:20") || strings.Contains(s.bytes, "\r\nTo: <sip:202@example.com>;") || s.target != "" {
					t.Errorf("strange NOTIFY to %q:\n%s", s.target, s.bytes)
				}
			}
			time.Sleep(25 * time.Minute)
			if n := len(w.unsolicited()); n != 6 || w.count() != 7 {
				t.Errorf("%s: after 25 min %d of %d, want each sent twice more, and the dialog's not", mode, n, w.count())
			}
		})
	}
}

// That no phone is registered is no fault: nothing waits for it, and the next
// change is told again.
func TestNobodyTakesTheUnsolicited(t *testing.T) {
	for _, status := range []int{480, 404, 481, 489} {
		inWorld(t, Options{Live: Live{Unsolicited: unsolicitedTemplate}}, func(w *world, _ *observer.ObservedLogs) {
			w.answers(func(string) sipua.Outcome {
				return sipua.Outcome{Class: sipua.DialogGone, Status: status, Reason: "nobody"}
			})
			w.event("202", 1, 0)
			time.Sleep(10 * time.Minute)
			s, err := w.b.Status(w.t.Context())
			if n := w.count(); n != 1 || err != nil || s.Unconverged.Mailboxes != 0 {
				t.Errorf("%d: %d NOTIFYs, %+v, %v", status, n, s, err)
			}
			u, err := w.b.User(w.t.Context(), "202", "example.com")
			if err != nil || len(u.Dialogs) != 1 || u.Dialogs[0].Untaken != "nobody" || u.Dialogs[0].Shows != nil {
				t.Errorf("%d: %+v, %v", status, u, err)
			}
			w.event("202", 2, 0)
			time.Sleep(time.Second)
			if n := w.count(); n != 2 {
				t.Errorf("%d: %d NOTIFYs after the next change", status, n)
			}
		})
	}
}

// An unsolicited NOTIFY that nobody answers, or that is refused otherwise, is
// tried again, and a reload that ends them does so at once.
func TestUnsolicitedIsTriedAgain(t *testing.T) {
	inWorld(t, Options{Live: Live{Unsolicited: unsolicitedTemplate}}, func(w *world, _ *observer.ObservedLogs) {
		w.answers(func(string) sipua.Outcome { return sipua.Outcome{Class: sipua.Refused, Status: 403} })
		w.event("202", 1, 0)
		time.Sleep(time.Minute)
		tried := w.count()
		if tried < 3 {
			t.Errorf("%d tries in a minute", tried)
		}
		w.b.Reload(Live{Template: testTemplate})
		w.event("202", 2, 0)
		time.Sleep(time.Hour)
		if n := w.count(); n != tried {
			t.Errorf("%d more after they were switched off", n-tried)
		}
	})
}
