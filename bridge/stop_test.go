package bridge

import (
	"testing"
	"time"

	"go.uber.org/zap/zaptest/observer"
)

// A stop lets what is under way finish, and takes what just happened along.
func TestStopFinishesWhatIsUnderWay(t *testing.T) {
	inWorld(t, Options{}, func(w *world, _ *observer.ObservedLogs) {
		w.delay = 2 * time.Second
		w.phone("202", "desk")
		w.event("202", 1, 0)
		time.Sleep(time.Second)
		w.stopped = func() {
			if w.lamps["desk"] != "1/0" {
				t.Errorf("the lamp is %q after the stop", w.lamps["desk"])
			}
		}
	})
}

// A phone that does not answer holds a stop up for Options.Drain, no longer.
func TestStopEnds(t *testing.T) {
	inWorld(t, Options{Drain: 3 * time.Second}, func(w *world, _ *observer.ObservedLogs) {
		w.delay = 32 * time.Second
		w.phone("202", "desk")
		w.event("202", 1, 0)
		time.Sleep(time.Second)
		start := time.Now()
		w.stopped = func() {
			if took := time.Since(start); took != 3*time.Second {
				t.Errorf("stopped after %v, want 3s", took)
			}
		}
	})
}
