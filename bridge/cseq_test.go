package bridge

import (
	"testing"
	"time"

	"go.uber.org/zap/zaptest/observer"

	"zonkeymwi/watchers"
)

func lastCSeq(w *world) uint32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sent[len(w.sent)-1].cseq
}

func TestCSeqClock(t *testing.T) {
	inWorld(t, Options{CSeq: CSeqClock}, func(w *world, _ *observer.ObservedLogs) {
		w.phone("202", "desk")
		w.event("202", 1, 0)
		w.shows(0, map[string]string{"desk": "1/0"})
		// The first in a subscription leaves this second's number to the proxy's own.
		if got, want := lastCSeq(w), uint32(time.Now().Unix())+1; got != want {
			t.Errorf("CSeq %d, want the clock's next %d", got, want)
		}
		// The proxy's own NOTIFY took this second's number: ours is refused once.
		time.Sleep(time.Minute)
		w.event("202", 3, 0)
		w.shows(0, map[string]string{"desk": "3/0"})
		if got, want := lastCSeq(w), uint32(time.Now().Unix()); got != want {
			t.Errorf("CSeq %d, want the clock's %d", got, want)
		}
		time.Sleep(time.Minute)
		w.lock(func() { w.cseqs["desk"] = uint32(time.Now().Unix()) })
		w.event("202", 2, 0)
		w.shows(time.Second, map[string]string{"desk": "2/0"})
		if n := w.count(); n != 4 {
			t.Errorf("sent %d, want one refused and three taken", n)
		}
	})
}

// A clock that was set back gives no number that was used.
func TestCSeqClockNeverFalls(t *testing.T) {
	b, err := New(Options{Dialogs: &world{}, Sender: &world{}, Live: Live{Template: testTemplate}})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1795406612, 0)
	jobs := b.number([]job{{w: new(work), d: &dialog{cseq: 1795406999}}, {w: new(work), d: &dialog{toldHere: true}}}, b.base(found{}, now), now)
	if jobs[0].cseq != 1795407000 || jobs[1].cseq != 1795406612 {
		t.Errorf("%v", jobs)
	}
}

func TestCSeqDatabase(t *testing.T) {
	inWorld(t, Options{CSeq: CSeqDatabase}, func(w *world, _ *observer.ObservedLogs) {
		k := w.phone("202", "desk")
		w.edit(k, func(d *watchers.Dialog) { d.LocalCSeq = 40 }) // the proxy has used 41
		w.lock(func() { w.cseqs["desk"] = 41 })
		w.event("202", 1, 0)
		w.shows(0, map[string]string{"desk": "1/0"})
		if got := lastCSeq(w); got != 42 {
			t.Errorf("CSeq %d, want 42", got)
		}
		w.lock(func() {
			if got := w.rows[k].LocalCSeq; got != 41 {
				t.Errorf("local_cseq %d, want 41 written back", got)
			}
		})
	})
}

func TestCSeqAhead(t *testing.T) {
	for flavour, want := range map[watchers.Flavour]uint32{watchers.OpenSIPS: 8, watchers.Kamailio: 10} {
		inWorld(t, Options{CSeq: CSeqAhead}, func(w *world, _ *observer.ObservedLogs) {
			w.flavour = flavour
			w.edit(w.phone("202", "desk"), func(d *watchers.Dialog) { d.LocalCSeq = 7 })
			w.event("202", 1, 0)
			w.shows(0, map[string]string{"desk": "1/0"})
			if got := lastCSeq(w); got != want {
				t.Errorf("%v: CSeq %d, want %d", flavour, got, want)
			}
			// The proxy went ahead in memory: climb until the phone takes it.
			w.lock(func() { w.cseqs["desk"] = 60 })
			w.event("202", 2, 0)
			w.shows(time.Minute, map[string]string{"desk": "2/0"})
			if n := w.count(); n > 8 {
				t.Errorf("%v: %d NOTIFYs to climb to 60", flavour, n)
			}
		})
	}
}

func TestCSeqEnds(t *testing.T) {
	for _, mode := range []CSeqMode{CSeqDatabase, CSeqAhead} {
		inWorld(t, Options{CSeq: mode}, func(w *world, logs *observer.ObservedLogs) {
			k := w.phone("202", "desk")
			w.edit(k, func(d *watchers.Dialog) { d.LocalCSeq = maxCSeq })
			w.event("202", 1, 0)
			if n := w.count(); n != 0 {
				t.Errorf("%s: sent a CSeq above 2^31-1", mode)
			}
			if len(logs.FilterFieldKey("local_cseq").All()) != 1 {
				t.Errorf("%s: nothing in the log", mode)
			}
			w.edit(k, func(d *watchers.Dialog) { d.LocalCSeq, d.RemoteCSeq = 1, 2 })
			w.shows(time.Minute, map[string]string{"desk": "1/0"})
		})
	}
}
