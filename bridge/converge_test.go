package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"zonkeymwi/ami"
	"zonkeymwi/sipua"
	"zonkeymwi/watchers"
)

var user202 = watchers.AoR{User: "202", Domain: "example.com"}

// A phone that subscribes again is told at once, with a CSeq above the one that
// the proxy's own empty NOTIFY of the same second has.
func TestNewSubscriptionIsToldAtOnce(t *testing.T) {
	for _, triggered := range []bool{true, false} {
		inWorld(t, Options{Listen: true}, func(w *world, logs *observer.ObservedLogs) {
			trigger := make(chan watchers.AoR, 1)
			if triggered {
				w.lock(func() { w.trigger = trigger })
				time.Sleep(2 * triggerGap) // it was not there at first
			}
			w.event("202", 1, 0)
			time.Sleep(time.Minute + time.Second) // no poll falls on it
			w.phone("202", "desk")
			w.lock(func() {
				w.cseqs["desk"] = uint32(time.Now().Unix()) // the proxy's own
				w.touched = append(w.touched, user202)
			})
			patience := defaultPoll + time.Second
			if triggered {
				trigger <- user202
				w.shows(headStart-time.Nanosecond, map[string]string{}) // the proxy's own NOTIFY goes first
				patience = time.Nanosecond
			}
			w.shows(patience, map[string]string{"desk": "1/0"})
			if n := w.count(); n != 1 {
				t.Errorf("trigger %v: %d NOTIFYs, want 1", triggered, n)
			}
			// A mailbox that Asterisk never spoke of is left alone.
			w.phone("203", "other")
			w.lock(func() { w.touched = append(w.touched, watchers.AoR{User: "203", Domain: "example.com"}) })
			w.shows(listenedPoll*defaultPoll+time.Second, map[string]string{"desk": "1/0"})
			event := "polling"
			if triggered {
				event = "listening"
			}
			if logs.FilterField(zap.String("event", event)).Len() == 0 {
				t.Errorf("%s is not in the log", event)
			}
		})
	}
}

// A dead proxy costs a few transactions, not one of 32 s for each mailbox; when
// it is back, everything is told, at a resync's pace.
func TestDeadProxy(t *testing.T) {
	inWorld(t, Options{Live: Live{Rate: 100}}, func(w *world, logs *observer.ObservedLogs) {
		const users = 1000
		want := map[string]string{}
		for i := range users {
			w.phone(fmt.Sprint(i), fmt.Sprint("p", i))
			want[fmt.Sprint("p", i)] = "1/0"
		}
		w.lock(func() { w.delay = 32 * time.Second })
		w.answers(func(string) sipua.Outcome {
			return sipua.Outcome{Class: sipua.NoAnswer, Err: errors.New("time-out"), Sent: 11}
		})
		for i := range users {
			w.list(fmt.Sprint(i), 1, 0)
		}
		time.Sleep(time.Minute)
		before := w.count()
		time.Sleep(time.Hour)
		if n := w.count() - before; n < 60 || n > 3600/32+2 {
			t.Errorf("%d probes in an hour, want one in 33 s", n)
		}
		if n := logs.FilterField(zap.String("event", "proxy_silent")).Len(); n != 1 {
			t.Errorf("proxy_silent is in the log %d times", n)
		}
		s, err := w.b.Status(w.t.Context())
		if err != nil || s.Unconverged.Mailboxes != users {
			t.Errorf("%+v %v", s.Unconverged, err)
		}
		w.lock(func() { w.delay = 0 })
		w.answers(nil)
		w.shows(35*time.Second+users/100*2*time.Second, want)
		if logs.FilterField(zap.String("event", "proxy_back")).Len() != 1 {
			t.Error("proxy_back is not in the log")
		}
	})
}

// Phones that are off do not make the proxy look dead: it says 408 for them.
func TestSilentPhonesDoNotTripTheBreaker(t *testing.T) {
	inWorld(t, Options{}, func(w *world, logs *observer.ObservedLogs) {
		for i := range 50 {
			w.phone("202", fmt.Sprint("p", i))
		}
		w.phone("203", "other")
		w.answers(func(id string) sipua.Outcome {
			if id == "other" {
				return sipua.Outcome{Class: sipua.Acknowledged}
			}
			return sipua.Outcome{Class: sipua.NoAnswer, Status: 408}
		})
		w.event("202", 1, 0)
		time.Sleep(time.Minute)
		w.event("203", 1, 0)
		w.shows(0, map[string]string{"other": "1/0"})
		if logs.FilterField(zap.String("event", "proxy_silent")).Len() != 0 {
			t.Error("the breaker opened")
		}
	})
}

// A mailbox that Asterisk no longer lists has its lamp turned off.
func TestVanishedMailbox(t *testing.T) {
	inWorld(t, Options{}, func(w *world, _ *observer.ObservedLogs) {
		w.phone("202", "desk")
		w.phone("203", "other")
		w.phone("204", "realtime")
		round := func(users ...string) {
			f := newFake(w)
			for _, u := range users {
				f.list = append(f.list, ami.Mailbox{Name: u + "@example.com", New: 1, Listed: true})
			}
			f.counts["204@example.com"] = ami.Counts{New: 1}
			if err := w.b.resync(t.Context(), f); err != nil {
				t.Error(err)
			}
		}
		round("202", "203")
		w.event("204", 1, 0) // never listed: Asterisk lists no realtime mailboxes
		w.shows(2*time.Second, map[string]string{"desk": "1/0", "other": "1/0", "realtime": "1/0"})
		round("203")
		w.shows(2*time.Second, map[string]string{"desk": "0/0", "other": "1/0", "realtime": "1/0"})
		round("202", "203")
		w.shows(2*time.Second, map[string]string{"desk": "1/0", "other": "1/0", "realtime": "1/0"})
	})
}

// A resync that tells nothing new costs nothing.
func TestQuietResync(t *testing.T) {
	inWorld(t, Options{}, func(w *world, _ *observer.ObservedLogs) {
		w.phone("202", "desk")
		w.event("202", 1, 0)
		w.shows(time.Minute, map[string]string{"desk": "1/0"})
		before := w.lookups
		w.list("202", 1, 0)
		w.shows(time.Minute, map[string]string{"desk": "1/0"})
		if w.lookups != before {
			t.Error("it was looked up again")
		}
	})
}

// The hint about CSeq conflicts names the setting that ends them.
func TestCSeqConflictsAreExplained(t *testing.T) {
	for mode, want := range map[CSeqMode]string{CSeqClock: "local-request route", CSeqDatabase: "subs_db_mode 3", CSeqAhead: `sip.cseq = "clock"`} {
		inWorld(t, Options{CSeq: mode}, func(w *world, logs *observer.ObservedLogs) {
			w.phone("202", "desk")
			w.answers(func(string) sipua.Outcome { return sipua.Outcome{Class: sipua.CSeqTooLow, Status: 500} })
			w.event("202", 1, 0)
			time.Sleep(time.Hour)
			hints := logs.FilterField(zap.String("event", "cseq_conflicts")).All()
			if len(hints) == 0 || len(hints) > 60 || !strings.Contains(hints[0].Message, want) {
				t.Errorf("%s: %d hints, %v", mode, len(hints), hints)
			}
			if got := int64(lastCSeq(w)) - time.Now().Unix(); mode == CSeqClock && got > 24*60*60 {
				t.Errorf("the CSeq has climbed to %d s above the clock", got)
			}
		})
	}
}

// memory is a ledger that outlives bridges.
type memory struct {
	mu      sync.Mutex
	entries map[watchers.Key]watchers.Acked
	err     error
}

func (m *memory) Record(_ context.Context, entries []watchers.Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range entries {
		if m.err == nil {
			m.entries[e.Key] = e.Acked
		}
	}
	return m.err
}

func (m *memory) Acked(_ context.Context, keys []watchers.Key) (map[watchers.Key]watchers.Acked, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := map[watchers.Key]watchers.Acked{}
	for _, k := range keys {
		if a, ok := m.entries[k]; ok {
			found[k] = a
		}
	}
	return found, m.err
}

func (m *memory) Survey(context.Context, func(watchers.AoR, bool, uint32, uint32)) error {
	return errors.ErrUnsupported
}

func (m *memory) Prune(context.Context) (int64, error) { return 0, nil }

// A bridge that was restarted sends what changed meanwhile, and nothing else.
func TestLedgerOutlivesTheBridge(t *testing.T) {
	ledger := &memory{entries: map[watchers.Key]watchers.Acked{}, err: errors.New("away")}
	rows := map[watchers.Key]watchers.Dialog{}
	cseqs := map[string]uint32{}
	inWorld(t, Options{Ledger: ledger}, func(w *world, logs *observer.ObservedLogs) {
		w.phone("202", "desk")
		w.phone("203", "other")
		w.event("202", 1, 0)
		w.event("203", 2, 0)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if len(ledger.entries) > 0 || logs.FilterField(zap.String("event", "ledger_failed")).Len() != 1 {
			t.Errorf("%v, %v", ledger.entries, logs.All())
		}
		ledger.mu.Lock()
		ledger.err = nil
		ledger.mu.Unlock()
		w.stopped = func() { rows, cseqs = w.rows, w.cseqs }
	})
	if len(ledger.entries) != 2 {
		t.Fatalf("the ledger has %v", ledger.entries)
	}
	inWorld(t, Options{Ledger: ledger}, func(w *world, _ *observer.ObservedLogs) {
		for k, row := range rows {
			row.Acked, row.HasAcked = ledger.entries[k], true
			w.put(row)
		}
		w.lock(func() { w.cseqs = cseqs })
		w.list("202", 1, 0)
		w.list("203", 3, 0)
		w.shows(10*time.Second, map[string]string{"other": "3/0"}) // desk still shows what it did
		if n := w.count(); n != 1 {
			t.Errorf("%d NOTIFYs after the restart, want 1", n)
		}
	})
}

// A crash between a phone's answer and the ledger's next write: what the ledger
// claimed before must not keep the lamp as it is.
func TestLedgerClaimsNothingThatMayBeFalse(t *testing.T) {
	ledger := &memory{entries: map[watchers.Key]watchers.Acked{}}
	inWorld(t, Options{Ledger: ledger}, func(w *world, _ *observer.ObservedLogs) {
		k := w.phone("202", "desk")
		w.event("202", 0, 0)
		w.shows(10*time.Second, map[string]string{"desk": "0/0"})
		if got := ledger.entries[k]; got.Contact == "" {
			t.Fatalf("the ledger has %+v", got)
		}
		w.event("202", 1, 0)
		w.shows(0, map[string]string{"desk": "1/0"})
		ledger.mu.Lock()
		defer ledger.mu.Unlock()
		if got := ledger.entries[k]; got.Contact != "" || got.CSeq != lastCSeq(w) {
			t.Errorf("before the next write the ledger has %+v", got)
		}
	})
}

// A phone that subscribes after its mailbox was looked up and before the first
// poll has taken its mark is found all the same.
func TestSubscriptionBeforeTheFirstMark(t *testing.T) {
	inWorld(t, Options{}, func(w *world, _ *observer.ObservedLogs) {
		late := &watch{b: w.b}
		w.event("202", 1, 0)
		w.shows(0, map[string]string{})
		w.phone("202", "desk")
		if err := late.changed(w.t.Context()); err != nil {
			t.Error(err)
		}
		w.shows(time.Second, map[string]string{"desk": "1/0"})
	})
}
