package sipua

import (
	"slices"
	"sync"
	"time"
)

// avoided remembers the targets that failed, so that other requests try them last.
type avoided struct {
	mu    sync.Mutex
	probe time.Duration // for how long, and how often one request finds out whether it works again
	until map[target]time.Time
}

// maxAvoided bounds what is remembered, when addresses come and go.
const maxAvoided = 1024

func (a *avoided) add(t target, d time.Duration) {
	d = max(a.probe, min(d, 5*time.Minute))
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.until == nil || len(a.until) >= maxAvoided {
		a.until = make(map[target]time.Time)
	}
	a.until[t] = time.Now().Add(d)
}

func (a *avoided) remove(t target) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.until, t)
}

// now is whether to avoid a target. Once its time is over, one caller is told no, and the others go on avoiding it.
func (a *avoided) now(t target) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	until, ok := a.until[t]
	if !ok || time.Now().Before(until) {
		return ok
	}
	a.until[t] = time.Now().Add(a.probe)
	return false
}

// last moves the avoided to the end.
func (a *avoided) last(targets []target) []target {
	bad := make(map[target]bool)
	for _, t := range targets {
		bad[t] = a.now(t)
	}
	sorted := slices.Clone(targets)
	slices.SortStableFunc(sorted, func(x, y target) int {
		switch {
		case bad[x] == bad[y]:
			return 0
		case bad[x]:
			return 1
		default:
			return -1
		}
	})
	return sorted
}
