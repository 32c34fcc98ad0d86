package bridge

import (
	"math"
	"testing"
	"time"

	"go.uber.org/zap/zaptest/observer"

	"zonkeymwi/ami"
)

// sales is a mailbox of a department, which lights two users' lamps.
func sales() (s Shares) {
	s.Add("600@sales", "202", "example.com")
	s.Add("600@sales", "203", "example.com")
	return s
}

func (w *world) box(name string, n, old int, listed bool) {
	w.b.mailbox(ami.Mailbox{Name: name, New: n, Old: old, Listed: listed})
}

// resync lists the mailboxes, each with its number of new messages.
func (w *world) resync(boxes ...any) {
	f := newFake(w)
	for i := 0; i < len(boxes); i += 2 {
		f.list = append(f.list, ami.Mailbox{Name: boxes[i].(string), New: boxes[i+1].(int), Listed: true})
	}
	f.pause = time.Second // a slow Asterisk
	if err := w.b.resync(w.t.Context(), f); err != nil {
		w.t.Error(err)
	}
}

// A mailbox lights the lamps of all that share it, beside their own.
func TestShare(t *testing.T) {
	inWorld(t, Options{Live: Live{Shares: sales()}}, func(w *world, _ *observer.ObservedLogs) {
		for _, user := range []string{"202", "203", "204"} {
			w.phone(user, user)
		}
		w.resync("202@example.com", 0, "203@example.com", 1, "204@example.com", 5, "600@sales", 2)
		w.shows(2*time.Second, map[string]string{"202": "2/0", "203": "3/0", "204": "5/0"})
		for _, s := range w.sent {
			if s.counts == "0/0" || s.counts == "1/0" {
				t.Errorf("%v before the shared mailbox was read", s)
			}
		}
		w.box("600@sales", 0, 4, false)
		w.shows(2*time.Second, map[string]string{"202": "0/4", "203": "1/4", "204": "5/0"})
		w.event("203", 0, 0)
		w.shows(2*time.Second, map[string]string{"202": "0/4", "203": "0/4", "204": "5/0"})
		w.resync("202@example.com", 0, "203@example.com", 0, "204@example.com", 5)
		w.shows(2*time.Second, map[string]string{"202": "0/0", "203": "0/0", "204": "5/0"})
	})
}

// Two mailboxes of one address are one lamp, not two that take turns.
func TestTwoContextsOfOneDomain(t *testing.T) {
	one := func(string) (string, bool) { return "example.com", true }
	inWorld(t, Options{Live: Live{Domain: one}}, func(w *world, _ *observer.ObservedLogs) {
		w.phone("202", "desk")
		w.box("202@day", 1, 0, false)
		w.box("202@night", 0, 2, false)
		w.shows(3*time.Second, map[string]string{"desk": "1/2"})
		w.box("202@day", 0, 1, false)
		w.shows(3*time.Second, map[string]string{"desk": "0/3"})
		u, err := w.b.User(w.t.Context(), "202", "example.com")
		if err != nil || u.Mailbox != "202@day,202@night" {
			t.Errorf("%+v, %v", u, err)
		}
	})
}

// A mailbox that a reload took away from a user no longer lights the lamp, be it
// listed or not.
func TestShareIsTakenAway(t *testing.T) {
	inWorld(t, Options{Live: Live{Shares: sales(), Template: testTemplate}}, func(w *world, _ *observer.ObservedLogs) {
		w.phone("202", "202")
		w.resync("202@example.com", 0)
		w.box("600@sales", 3, 0, false) // of a realtime database: never listed
		w.shows(2*time.Second, map[string]string{"202": "3/0"})
		w.b.Reload(Live{Template: testTemplate})
		if names := w.b.unlisted(); len(names) != 1 || !names["600@sales"] { // its own user still has it
			t.Errorf("%v", names)
		}
		w.b.poke()
		w.shows(2*time.Second, map[string]string{"202": "0/0"})
	})
}

// An operator's resend of a shared mailbox goes to all whose lamps it lights.
func TestShareIsResent(t *testing.T) {
	inWorld(t, Options{Live: Live{Shares: sales()}}, func(w *world, _ *observer.ObservedLogs) {
		w.phone("202", "202")
		w.phone("203", "203")
		r, err := w.b.parseRequest(ami.UserEvent{Headers: []ami.Header{{Name: "Mailbox", Value: "600@sales"}, {Name: "New", Value: "7"}}})
		if err != nil {
			t.Fatal(err)
		}
		all := w.b.notifyAllOf(w.t.Context(), r)
		if all.Delivered != 2 || all.Failed != 0 || all.Mailbox != "600@sales" {
			t.Errorf("%+v", all)
		}
		w.shows(0, map[string]string{"202": "7/0", "203": "7/0"})
	})
}

func TestSumIsClamped(t *testing.T) {
	most := counts{new: math.MaxUint32, old: 1}
	if got := most.plus(counts{new: 1, old: 2, newUrgent: 3}); got != (counts{new: math.MaxUint32, old: 3, newUrgent: 3}) {
		t.Errorf("%+v", got)
	}
}
