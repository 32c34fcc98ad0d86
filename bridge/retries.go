package bridge

import (
	"container/heap"
	"time"
)

// markDue makes the mailboxes dirty whose time has come.
func (b *Bridge) markDue(now time.Time) {
	l := &b.loop
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(l.retries) > 0 && !l.retries[0].at.After(now) {
		r := heap.Pop(&l.retries).(retry)
		if r.m.retryAt.Equal(r.at) {
			r.m.retryAt = time.Time{}
			c := r.m.last
			c.events = 0
			b.desired.mark(r.m, r.m.retryQ, c)
			r.m.retryQ = none
		}
	}
}

// retryAt has the loop look at a mailbox again at the given time, or before.
func (b *Bridge) retryAt(m *mailbox, at time.Time, q queue) {
	m.retryQ = max(m.retryQ, q)
	if !m.retryAt.IsZero() && !m.retryAt.After(at) {
		return
	}
	m.retryAt = at
	heap.Push(&b.loop.retries, retry{at, m})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// retries is a heap by time. A mailbox whose retryAt has moved since leaves a
// stale entry, which is skipped.
type retries []retry

type retry struct {
	at time.Time
	m  *mailbox
}

func (r retries) Len() int           { return len(r) }
func (r retries) Less(i, j int) bool { return r[i].at.Before(r[j].at) }
func (r retries) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }
func (r *retries) Push(x any)        { *r = append(*r, x.(retry)) }
func (r *retries) Pop() any {
	old := *r
	last := old[len(old)-1]
	*r = old[:len(old)-1]
	return last
}
