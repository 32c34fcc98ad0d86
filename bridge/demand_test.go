package bridge

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap/zaptest/observer"

	"zonkeymwi/sipua"
	"zonkeymwi/watchers"
)

func TestNotifyTellsWhatEachPhoneAnswered(t *testing.T) {
	inWorld(t, Options{}, func(w *world, _ *observer.ObservedLogs) {
		w.phone("202", "desk")
		w.phone("202", "mobile")
		w.edit(w.phone("202", "old"), func(d *watchers.Dialog) { d.Expires = 1 })
		w.event("202", 1, 0)
		w.shows(2*time.Second, map[string]string{"desk": "1/0", "mobile": "1/0"})
		w.answers(func(id string) sipua.Outcome {
			if id == "mobile" {
				return sipua.Outcome{Class: sipua.Refused, Status: 603, Reason: "Decline"}
			}
			return sipua.Outcome{Class: sipua.Acknowledged}
		})
		r, err := w.b.Notify(w.t.Context(), "202", "example.com", &Counts{New: 3, Old: 5})
		if err != nil || r.Dialogs != 3 || r.Delivered != 1 || r.Failed != 1 || r.Reason != "Decline" || len(r.Results) != 2 {
			t.Fatalf("%+v, %v", r, err)
		}
		for _, d := range r.Results {
			if d.Sent != (Counts{New: 3, Old: 5}) || !strings.Contains(d.Request, "Voice-Message: 3/5 (0/0)") || d.CSeq == 0 {
				t.Errorf("%+v", d)
			}
		}
		w.shows(0, map[string]string{"desk": "3/5", "mobile": "1/0"})

		// Once: the mailbox's next change is the truth again.
		w.answers(nil)
		w.event("202", 2, 0)
		w.shows(5*time.Second, map[string]string{"desk": "2/0", "mobile": "2/0"})
	})
}

// What a phone shows already it is told again when that is what is wanted.
func TestNotifyTrueState(t *testing.T) {
	inWorld(t, Options{}, func(w *world, _ *observer.ObservedLogs) {
		w.phone("202", "desk")
		w.event("202", 1, 0)
		w.shows(2*time.Second, map[string]string{"desk": "1/0"})
		r, err := w.b.Notify(w.t.Context(), "202", "example.com", nil)
		if err != nil || r.Delivered != 1 || w.count() != 2 {
			t.Errorf("%+v, %v, %d NOTIFYs", r, err, w.count())
		}
		if _, err := w.b.Notify(w.t.Context(), "203", "example.com", nil); err == nil ||
			err.Error() != "no connection to Asterisk, which has not spoken of this mailbox" {
			t.Errorf("unknown mailbox: %v", err)
		}
	})
}

func TestNotifyWhereNothingCanBeSent(t *testing.T) {
	inWorld(t, Options{}, func(w *world, _ *observer.ObservedLogs) {
		r, err := w.b.Notify(w.t.Context(), "nobody", "example.com", &Counts{New: 1})
		if err != nil || r.Dialogs != 0 || r.Reason != "no phone is subscribed" {
			t.Errorf("%+v, %v", r, err)
		}
		synctest.Wait()
		if n := len(w.b.desired.mailboxes); n != 0 {
			t.Errorf("%d mailboxes are kept for a user that does not exist", n)
		}

		w.phone("202", "desk")
		w.answers(func(string) sipua.Outcome {
			return sipua.Outcome{Class: sipua.DialogGone, Status: 481, Reason: "Call/Transaction Does Not Exist"}
		})
		for range 3 { // the third time it is known to be dead
			if r, err = w.b.Notify(w.t.Context(), "202", "example.com", &Counts{New: 1}); err != nil || r.Failed != 1 ||
				r.Reason != "Call/Transaction Does Not Exist" {
				t.Errorf("%+v, %v", r, err)
			}
		}
		if w.count() != 2 {
			t.Errorf("%d NOTIFYs to a dead dialog", w.count())
		}
	})
}

// The row may vanish while a demand waits for its second to pass, and a caller
// may go away; neither holds anything up.
func TestNotifyDoesNotHang(t *testing.T) {
	inWorld(t, Options{}, func(w *world, _ *observer.ObservedLogs) {
		k := w.phone("202", "desk")
		w.event("202", 1, 0)
		synctest.Wait() // told just now: the next has to wait
		time.AfterFunc(100*time.Millisecond, func() { w.lock(func() { delete(w.rows, k) }) })
		r, err := w.b.Notify(w.t.Context(), "202", "example.com", &Counts{New: 1})
		if err != nil || r.Failed != 1 || r.Reason != "its row has gone" {
			t.Errorf("%+v, %v", r, err)
		}

		w.fails(errors.New("connection refused"))
		if _, err := w.b.Notify(w.t.Context(), "202", "example.com", &Counts{New: 1}); err == nil || !strings.Contains(err.Error(), "could not be looked up") {
			t.Errorf("database away: %v", err)
		}
		ctx, cancel := context.WithTimeout(w.t.Context(), time.Second)
		defer cancel()
		if _, err := w.b.Notify(ctx, "202", "example.com", &Counts{New: 1}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the caller has gone: %v", err)
		}
	})
}

// A silent phone keeps nobody from hearing what the others answered.
func TestNotifyReportsWhatThereIs(t *testing.T) {
	inWorld(t, Options{}, func(w *world, _ *observer.ObservedLogs) {
		slow := func(d time.Duration) { w.lock(func() { w.delay = d }) }
		w.answers(func(id string) sipua.Outcome {
			if id == "silent" {
				return sipua.Outcome{Class: sipua.NoAnswer}
			}
			return sipua.Outcome{Class: sipua.Acknowledged}
		})
		slow(32 * time.Second)
		w.phone("202", "silent")
		w.event("202", 1, 0)
		time.Sleep(time.Second) // its NOTIFY is under way
		slow(0)
		w.phone("202", "desk")
		time.AfterFunc(10*time.Second, func() { slow(32 * time.Second) })
		start := time.Now()
		r, err := w.b.Notify(w.t.Context(), "202", "example.com", &Counts{New: 3, Old: 5})
		if took := time.Since(start); err != nil || r.Delivered != 1 || r.Failed != 1 || len(r.Results) != 2 || took != demandTime {
			t.Fatalf("%+v, %v after %v", r, err, took)
		}
		if d := r.Results[1]; d.CallID != "silent" || d.Outcome != "no_answer" || !strings.Contains(d.Reason, "tried") || d.Sent.New != 3 {
			t.Errorf("%+v", d)
		}
		time.Sleep(time.Minute) // its answer finds nobody
		slow(0)
	})
}

// A failing phone is tried at once when an operator asks, whatever its back-off.
func TestNotifyDoesNotWaitForBackOff(t *testing.T) {
	inWorld(t, Options{}, func(w *world, _ *observer.ObservedLogs) {
		w.phone("202", "desk")
		w.answers(func(string) sipua.Outcome { return sipua.Outcome{Class: sipua.NoAnswer} })
		w.event("202", 1, 0)
		time.Sleep(30 * time.Minute)
		w.answers(nil)
		start := time.Now()
		r, err := w.b.Notify(w.t.Context(), "202", "example.com", nil)
		if took := time.Since(start); err != nil || r.Delivered != 1 || took > 2*time.Second {
			t.Errorf("%+v, %v after %v", r, err, took)
		}
	})
}

func TestStatusAndUser(t *testing.T) {
	inWorld(t, Options{}, func(w *world, _ *observer.ObservedLogs) {
		w.phone("202", "desk")
		k := w.phone("202", "mobile")
		w.phone("203", "other")
		w.answers(func(id string) sipua.Outcome {
			if id == "mobile" {
				return sipua.Outcome{Class: sipua.NoAnswer, Reason: "silent"}
			}
			return sipua.Outcome{Class: sipua.Acknowledged}
		})
		w.event("203", 0, 2)
		start := time.Now()
		w.event("202", 1, 0)
		time.Sleep(10 * time.Second)
		s, err := w.b.Status(w.t.Context())
		if err != nil || s.Mailboxes != 2 || s.Dialogs != 3 || s.Unconverged.Mailboxes != 1 || s.Unconverged.Dialogs != 1 ||
			!s.Unconverged.Oldest.Equal(start) || !s.Database.OK || s.Outcomes["acknowledged"] != 2 || s.Outcomes["no_answer"] == 0 {
			t.Errorf("%+v, %v", s, err)
		}
		if all, err := w.b.Waiting(w.t.Context(), 10); err != nil || len(all) != 1 || all[0].User != "202@example.com" || all[0].Dialogs != 1 {
			t.Errorf("%+v, %v", all, err)
		}
		u, err := w.b.User(w.t.Context(), "202", "example.com")
		why := strings.Join(u.Why, "\n")
		for _, want := range []string{"holds 1 new and 0 old messages: the lamp is to be on",
			"Phone sip:desk@192.0.2.7: it shows that (1/0), acknowledged.",
			"Phone sip:mobile@192.0.2.7: the last NOTIFY ended no_answer (0 silent); the next is due in "} {
			if err != nil || !strings.Contains(why, want) {
				t.Errorf("%v, no %q in\n%s", err, want, why)
			}
		}
		w.answers(nil)
		time.Sleep(time.Minute)
		if s, _ := w.b.Status(w.t.Context()); s.Unconverged != (Unconverged{}) {
			t.Errorf("converged, but %+v", s.Unconverged)
		}
		w.edit(k, func(d *watchers.Dialog) { d.Expires = time.Now().Unix() - 3 })
		if u, _ = w.b.User(w.t.Context(), "202", "example.com"); !strings.Contains(strings.Join(u.Why, ""), "expired 3 s ago") {
			t.Errorf("%v", u.Why)
		}
		u, _ = w.b.User(w.t.Context(), "nobody", "example.com")
		if why := strings.Join(u.Why, ""); !strings.Contains(why, "has not said what this mailbox holds") || !strings.Contains(why, "No phone is subscribed") {
			t.Errorf("%v", u.Why)
		}
	})
}

// A stuck database holds nothing else up.
func TestLoopAnswersWhileTheDatabaseHangs(t *testing.T) {
	inWorld(t, Options{}, func(w *world, _ *observer.ObservedLogs) {
		w.phone("202", "desk")
		w.lock(func() { w.hang = time.Hour })
		w.event("202", 1, 0)
		synctest.Wait()
		start := time.Now()
		if _, err := w.b.Status(w.t.Context()); err != nil || time.Since(start) > 0 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		w.lock(func() { w.hang = 0 })
		w.shows(time.Minute, map[string]string{"desk": "1/0"})
	})
}

func TestRecentIsARing(t *testing.T) {
	var r recent
	for i := range maxRecent + 10 {
		row := &watchers.Dialog{Key: watchers.Key{CallID: string(rune('a' + i%7))}}
		r.add(&outcome{m: &mailbox{}, row: row, Outcome: sipua.Outcome{CSeq: uint32(i)}})
	}
	all := r.list()
	if len(all) != maxRecent || all[0].CSeq != maxRecent+9 || all[maxRecent-1].CSeq != 10 {
		t.Errorf("%d, %d to %d", len(all), all[0].CSeq, all[len(all)-1].CSeq)
	}
	if d := r.last(watchers.Key{CallID: string(rune('a' + (maxRecent+9)%7))}); d == nil || d.CSeq != maxRecent+9 {
		t.Errorf("%+v", d)
	}
	if d := r.last(watchers.Key{CallID: "z"}); d != nil {
		t.Errorf("%+v", d)
	}
}
