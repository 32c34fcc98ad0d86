package bridge

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zaptest/observer"

	"zonkeymwi/sipua"
	"zonkeymwi/watchers"
)

// What Asterisk says while a demand waits is newer than the operator's numbers.
func TestEventOverridesNumbersThatWait(t *testing.T) {
	inWorld(t, Options{}, func(w *world, _ *observer.ObservedLogs) {
		w.phone("202", "desk")
		for _, when := range []string{"known", "unknown"} {
			if when == "known" {
				w.event("202", 0, 0)
				w.shows(time.Minute, map[string]string{"desk": "0/0"})
			}
			w.fails(errors.New("connection refused"))
			time.AfterFunc(time.Second, func() { w.event("202", 1, 0) })
			time.AfterFunc(2*time.Second, func() { w.fails(nil) })
			if r, err := w.b.Notify(w.t.Context(), "202", "example.com", &Counts{Old: 7}); err != nil || r.Delivered != 1 || r.Results[0].Sent.New != 1 {
				t.Errorf("%s: %+v, %v", when, r, err)
			}
			w.shows(time.Minute, map[string]string{"desk": "1/0"})
		}
		// Within the second that is left between two NOTIFYs.
		if _, err := w.b.Notify(w.t.Context(), "202", "example.com", &Counts{Old: 7}); err != nil {
			t.Error(err)
		}
		time.AfterFunc(100*time.Millisecond, func() { w.event("202", 2, 0) })
		if _, err := w.b.Notify(w.t.Context(), "202", "example.com", &Counts{Old: 8}); err != nil {
			t.Error(err)
		}
		w.shows(time.Minute, map[string]string{"desk": "2/0"})
	})
}

// Of two demands that wait the later counts.
func TestLaterDemandCounts(t *testing.T) {
	inWorld(t, Options{}, func(w *world, _ *observer.ObservedLogs) {
		w.phone("202", "desk")
		w.event("202", 1, 0)
		w.shows(100*time.Millisecond, map[string]string{"desk": "1/0"}) // told just now: the next has to wait
		go func() { _, _ = w.b.Notify(w.t.Context(), "202", "example.com", &Counts{Old: 7}) }()
		time.Sleep(100 * time.Millisecond)
		if r, err := w.b.Notify(w.t.Context(), "202", "example.com", nil); err == nil && r.Results[0].Sent.New != 1 {
			t.Errorf("%+v", r)
		}
		w.shows(time.Minute, map[string]string{"desk": "1/0"})
	})
}

// Numbers that waited for a phone whose subscription has ended are not told to its next.
func TestNumbersEndWithTheSubscription(t *testing.T) {
	inWorld(t, Options{}, func(w *world, _ *observer.ObservedLogs) {
		k := w.phone("202", "desk")
		w.edit(k, func(d *watchers.Dialog) { d.Expires = time.Now().Unix() + 10 })
		w.answers(func(string) sipua.Outcome { return sipua.Outcome{Class: sipua.NoAnswer} })
		w.lock(func() { w.delay = 9 * time.Second })
		w.event("202", 2, 0)
		time.Sleep(time.Second)
		start := time.Now()
		r, err := w.b.Notify(w.t.Context(), "202", "example.com", &Counts{Old: 9})
		if err != nil || r.Failed != 1 || r.Reason != "expired" || time.Since(start) > 12*time.Second {
			t.Errorf("%+v, %v after %v", r, err, time.Since(start))
		}
		w.answers(nil)
		w.lock(func() { w.delay = 0 })
		time.Sleep(time.Hour)
		w.edit(k, func(d *watchers.Dialog) { d.Expires, d.RemoteCSeq = time.Now().Unix()+600, d.RemoteCSeq+1 })
		w.b.subscribed(user202)
		w.shows(time.Minute, map[string]string{"desk": "2/0"})
		for _, s := range w.sent {
			if s.counts == "0/9" {
				t.Errorf("sent %v", s)
			}
		}
	})
}

// Where the proxy is dead an operator hears that.
func TestNotifyWithADeadProxy(t *testing.T) {
	inWorld(t, Options{}, func(w *world, _ *observer.ObservedLogs) {
		w.lock(func() { w.delay = 32 * time.Second })
		w.answers(func(string) sipua.Outcome { return sipua.Outcome{Class: sipua.NoAnswer} })
		for n := range 20 {
			w.phone(fmt.Sprint(n), fmt.Sprint("p", n))
			w.event(fmt.Sprint(n), 1, 0)
		}
		w.phone("202", "desk")
		time.Sleep(5 * time.Minute)
		for n := range 20 {
			w.event(fmt.Sprint(n), 2, 0)
		}
		if _, err := w.b.Notify(w.t.Context(), "202", "example.com", &Counts{New: 1}); err == nil || !strings.Contains(err.Error(), "the proxy does not answer") {
			t.Errorf("%v", err)
		}
	})
}
