package bridge

import (
	"container/heap"
	"time"
)

// retryAt has the loop look at a mailbox again at the given time, or before.
func (b *Bridge) retryAt(m *mailbox, at time.Time, q queue) {
	m.retryQ = max(m.retryQ, q)
	r := &b.loop.retries
	switch {
	case m.retryAt.IsZero():
		m.retryAt = at
		heap.Push(r, m)
	case at.Before(m.retryAt):
		m.retryAt = at
		heap.Fix(r, int(m.retryIndex))
	}
}

// markDue makes the mailboxes dirty whose time has come.
func (b *Bridge) markDue(now time.Time) {
	r := &b.loop.retries
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(*r) > 0 && !(*r)[0].retryAt.After(now) {
		m := heap.Pop(r).(*mailbox)
		c, q := m.change, m.retryQ // that of the last look, unless it waits for another already
		c.events = 0
		m.retryAt, m.retryQ = time.Time{}, none
		b.desired.mark(m, q, c)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// retries is a heap by time, in which a mailbox stands once.
type retries []*mailbox

func (r retries) Len() int           { return len(r) }
func (r retries) Less(i, j int) bool { return r[i].retryAt.Before(r[j].retryAt) }
func (r retries) Swap(i, j int) {
	r[i], r[j] = r[j], r[i]
	r[i].retryIndex, r[j].retryIndex = int32(i), int32(j)
}

func (r *retries) Push(x any) {
	m := x.(*mailbox)
	m.retryIndex = int32(len(*r))
	*r = append(*r, m)
}

func (r *retries) Pop() any {
	old := *r
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*r = old[:len(old)-1]
	return last
}
