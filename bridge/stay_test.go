package bridge

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"zonkeymwi/ami"
)

// staying has the bridge hold a session with f until the test ends it.
func staying(t *testing.T, o Options, f *fake, test func(w *world, logs *observer.ObservedLogs)) {
	inWorld(t, o, func(w *world, logs *observer.ObservedLogs) {
		f.w, f.done = w, make(chan struct{})
		var session sync.WaitGroup
		session.Go(func() {
			if err := w.b.stay(context.Background(), f); err == nil || err.Error() != f.Err().Error() {
				t.Errorf("the session ended with %v", err)
			}
		})
		synctest.Wait()
		test(w, logs)
		close(f.done)
		session.Wait()
	})
}

// Every mailbox is read at once, then every ten minutes, and when the settings have changed.
func TestMailboxesAreReadAgain(t *testing.T) {
	f := newFake(nil, ami.Mailbox{Name: "202@default", New: 1})
	o := Options{Live: Live{Domain: func(string) (string, bool) { return "elsewhere.example.com", true }}}
	staying(t, o, f, func(w *world, _ *observer.ObservedLogs) {
		w.phone("202", "desk")
		time.Sleep(resyncEvery - time.Second)
		if f.listed() != 1 {
			t.Errorf("%d lists before the time", f.listed())
		}
		f.mu.Lock()
		f.list[0].New = 2 // without an event
		f.mu.Unlock()
		time.Sleep(2 * time.Second)
		if f.listed() != 2 {
			t.Errorf("%d lists after %v", f.listed(), resyncEvery)
		}
		w.b.Reload(Live{Template: testTemplate, Domain: func(string) (string, bool) { return "example.com", true }})
		w.shows(time.Second, map[string]string{"desk": "2/0"})
		if f.listed() != 3 {
			t.Errorf("%d lists after a reload", f.listed())
		}
	})
}

// A list that fails is asked for again, soon and then less often; what it did tell is told.
func TestListThatFails(t *testing.T) {
	f := newFake(nil, ami.Mailbox{Name: "202@example.com"}, ami.Mailbox{Name: "600@sales", New: 2})
	f.err = ami.ErrIncomplete
	staying(t, Options{Live: Live{Shares: sales()}}, f, func(w *world, logs *observer.ObservedLogs) {
		w.phone("202", "desk")
		time.Sleep(3500 * time.Millisecond) // after 0, 1 and 3 s
		if n := logs.FilterField(zap.String("event", "resync_failed")).Len(); f.listed() != 3 || n != 3 {
			t.Errorf("%d lists, %d complaints", f.listed(), n)
		}
		w.event("202", 0, 0)
		w.shows(2*time.Second, map[string]string{"desk": "2/0"})
	})
}

// Those of a shared lamp are told when all have been listed, without an event.
func TestSharedAreToldAfterTheList(t *testing.T) {
	f := newFake(nil, ami.Mailbox{Name: "202@example.com", New: 1}, ami.Mailbox{Name: "600@sales", New: 2})
	for _, fails := range []error{nil, ami.ErrIncomplete} {
		f.err = fails
		inWorld(t, Options{Live: Live{Shares: sales()}}, func(w *world, _ *observer.ObservedLogs) {
			f.w = w
			w.phone("202", "desk")
			if err := w.b.resync(t.Context(), f); !errors.Is(err, fails) {
				t.Error(err)
			}
			w.shows(0, map[string]string{"desk": "3/0"})
		})
	}
}

// One by one are asked for those alone that the list leaves out; a refusal fails the whole.
func TestUnlistedAreAskedFor(t *testing.T) {
	f := newFake(nil, ami.Mailbox{Name: "202@example.com", New: 1})
	inWorld(t, Options{}, func(w *world, _ *observer.ObservedLogs) {
		f.w = w
		w.phone("204", "realtime")
		w.event("204", 1, 0)
		w.shows(2*time.Second, map[string]string{"realtime": "1/0"})
		f.counts["204@example.com"] = ami.Counts{New: 1, Urgent: 2}
		for range 2 {
			if err := w.b.resync(t.Context(), f); err != nil {
				t.Error(err)
			}
		}
		w.shows(0, map[string]string{"realtime": "3/0"})
		if !slices.Equal(f.asked, []string{"204@example.com", "204@example.com"}) {
			t.Errorf("asked for %q", f.asked)
		}
		f.refuse = true
		if err := w.b.resync(t.Context(), f); err == nil {
			t.Error("a mailbox could not be read, and the resync went well")
		}
	})
}

// A mailbox that comes back while the list is read, too late to be in it, has not vanished.
func TestMailboxThatComesBackDuringTheList(t *testing.T) {
	inWorld(t, Options{}, func(w *world, _ *observer.ObservedLogs) {
		w.phone("202", "desk")
		w.resync("202@example.com", 1, "203@example.com", 0)
		w.shows(time.Second, map[string]string{"desk": "1/0"})
		time.AfterFunc(500*time.Millisecond, func() { w.event("202", 2, 0) })
		w.resync("203@example.com", 0)
		w.shows(time.Minute, map[string]string{"desk": "2/0"})
		for _, s := range w.sent {
			if s.counts == "0/0" {
				t.Errorf("the lamp was put out: %v", s)
			}
		}
		w.resync("203@example.com", 0)
		w.shows(time.Minute, map[string]string{"desk": "0/0"})
	})
}
