package bridge

import (
	"testing"
	"time"

	"go.uber.org/zap/zaptest/observer"

	"zonkeymwi/watchers"
)

// listening is a world whose database tells of subscriptions, and where 202 has a message.
func listening(t *testing.T, o Options, test func(w *world, trigger chan watchers.AoR)) {
	o.Listen = true
	inWorld(t, o, func(w *world, _ *observer.ObservedLogs) {
		trigger := make(chan watchers.AoR, 1)
		w.lock(func() { w.trigger = trigger })
		time.Sleep(2 * triggerGap) // it was not there at first
		w.event("202", 1, 0)
		time.Sleep(time.Second)
		test(w, trigger)
	})
}

// While the database tells, it is seldom polled.
func TestListenedPollsAreFew(t *testing.T) {
	listening(t, Options{}, func(w *world, _ chan watchers.AoR) {
		w.lock(func() { w.polls = 0 })
		time.Sleep(time.Hour)
		w.lock(func() {
			if w.polls < 59 || w.polls > 61 {
				t.Errorf("%d polls in an hour", w.polls)
			}
		})
	})
}

// What the database did not tell while its connection was lost is asked for when it is back.
func TestListenComesBack(t *testing.T) {
	listening(t, Options{Live: Live{PollInterval: time.Minute}}, func(w *world, trigger chan watchers.AoR) {
		close(trigger)
		time.Sleep(listenGap / 2)
		w.phone("202", "desk")
		w.lock(func() { w.touched, w.trigger = []watchers.AoR{user202}, make(chan watchers.AoR) })
		w.shows(listenGap/2+headStart, map[string]string{"desk": "1/0"})
	})
}

// Where it stays lost, polls are as often as they are without.
func TestListenIsLost(t *testing.T) {
	listening(t, Options{}, func(w *world, trigger chan watchers.AoR) {
		w.lock(func() { w.trigger = nil })
		close(trigger)
		time.Sleep(time.Second)
		w.phone("202", "desk")
		w.lock(func() { w.touched = []watchers.AoR{user202} })
		w.shows(defaultPoll+headStart, map[string]string{"desk": "1/0"})
	})
}

// A phone that subscribes does not wait for a resync under way.
func TestSubscriptionGoesAheadOfAResync(t *testing.T) {
	listening(t, Options{Live: Live{Rate: 10}}, func(w *world, trigger chan watchers.AoR) {
		for _, user := range []string{"300", "301", "302", "303", "304", "305", "306", "307", "308", "309"} {
			for _, phone := range []string{"a", "b", "c", "d", "e"} {
				w.phone(user, user+phone)
			}
			w.list(user, 1, 0)
		}
		time.Sleep(time.Second)
		w.phone("202", "desk")
		trigger <- user202
		time.Sleep(headStart + 10*time.Millisecond)
		if lamp := w.lamp("desk"); lamp != "1/0" {
			t.Errorf("the lamp shows %q", lamp)
		}
	})
}

// The proxy's head start is one that nobody notices.
func TestHeadStartIsShort(t *testing.T) {
	if headStart < 50*time.Millisecond || headStart > 200*time.Millisecond {
		t.Errorf("it is %v", headStart)
	}
}

// However much the database tells, nothing heaps up: memory is bounded by mailboxes.
func TestTidingsAreBounded(t *testing.T) {
	b, err := New(Options{Dialogs: &world{}, Sender: &world{}, Live: Live{Template: testTemplate}})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, b: b}
	w.event("202", 1, 0)
	for range 1_000_000 { // no loop runs
		b.subscribed(user202)
	}
	if n := len(b.posted); n != 1 {
		t.Errorf("%d closures wait", n)
	}
	b.runPosted()
	b.subscribed(user202)
	b.runPosted()
	if n := len(b.loop.retries); n != 1 {
		t.Errorf("%d looks wait", n)
	}
}
