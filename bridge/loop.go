package bridge

import (
	"container/heap"
	"context"
	"time"

	"go.uber.org/zap"

	"zonkeymwi/watchers"
)

// loop is what only the loop's goroutine touches.
type loop struct {
	inFlight int
	retries  retries
	pacedAt  time.Time // when a resync may send again

	lookupFailures int
	lookupAt       time.Time // no lookup before: the database is away
}

const (
	lookupTimeout = 5 * time.Second
	lastLookupGap = 10 * time.Second
)

// runLoop reconciles until ctx ends and what was under way then is done.
func (b *Bridge) runLoop(ctx context.Context) {
	var deadline time.Time // of the stop; zero: none is under way
	timer := time.NewTimer(0)
	defer timer.Stop()
	stop := ctx.Done()
	for {
		b.takeOutcomes()
		b.markDue(time.Now())
		idle := !b.step(context.WithoutCancel(ctx), deadline)
		if !deadline.IsZero() && (b.finished() || !time.Now().Before(deadline)) {
			return
		}
		if !idle {
			continue
		}
		timer.Reset(b.untilNext(deadline))
		select {
		case <-b.wake:
		case <-timer.C:
		case <-stop:
			stop = nil
			deadline = time.Now().Add(b.o.Drain)
		}
	}
}

// step takes one batch of dirty mailboxes as far as it goes, and tells whether
// there was one.
func (b *Bridge) step(ctx context.Context, deadline time.Time) bool {
	l := &b.loop
	now := time.Now()
	if now.Before(l.lookupAt) || l.inFlight >= maxInFlight {
		return false
	}
	pace := 0
	if deadline.IsZero() && !now.Before(l.pacedAt) {
		pace = max(1, b.o.Rate/10) // small steps: no burst, and a fresh event waits for one at most
	}
	b.mu.Lock()
	batch := b.desired.take(maxBatch, pace)
	b.mu.Unlock()
	if len(batch) == 0 {
		return false
	}
	b.logReceived(batch)
	if !deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	found, err := b.lookUp(ctx, batch)
	if err != nil {
		b.lookupFailed(batch, err)
		return true
	}
	l.lookupFailures = 0
	b.notifyAll(ctx, batch, found)
	return true
}

// logReceived starts the story of each change, before anything can hold it up.
func (b *Bridge) logReceived(batch []work) {
	for i := range batch {
		w := &batch[i]
		w.m.last = w.change
		if w.change.events == 0 {
			continue // a retry tells its story under the id of the change it is for
		}
		b.log.Log(w.level(), "mailbox changed", zap.String("event", "mwi_received"), zap.String("id", w.change.id),
			zap.String("mailbox", w.name), zap.Uint32("new", w.want.new), zap.Uint32("old", w.want.old),
			zap.String("why", w.change.why), zap.Int("events", w.change.events), zap.Time("received", w.change.received))
	}
}

// lookUp asks for the dialogs of a whole batch in one query.
func (b *Bridge) lookUp(ctx context.Context, batch []work) (map[watchers.AoR][]watchers.Dialog, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	users := make([]watchers.AoR, len(batch))
	for i := range batch {
		users[i] = batch[i].m.aor
	}
	return b.o.Dialogs.Dialogs(ctx, users)
}

// lookupFailed puts the batch back and leaves the database alone for a while.
func (b *Bridge) lookupFailed(batch []work, err error) {
	l := &b.loop
	wait := min(lastLookupGap, 250*time.Millisecond<<min(l.lookupFailures, 10))
	l.lookupFailures++
	l.lookupAt = time.Now().Add(wait)
	b.log.Error("dialogs could not be looked up", zap.String("event", "lookup_failed"),
		zap.Int("mailboxes", len(batch)), zap.Error(err), zap.Duration("retry_in", wait))
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range batch {
		c := w.change
		c.events = 0 // they were logged
		b.desired.mark(w.m, w.queue(), c)
	}
}

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
			c.events, c.forced = 0, false
			b.desired.mark(r.m, fresh, c)
		}
	}
}

// retryAt has the loop look at a mailbox again at the given time.
func (b *Bridge) retryAt(m *mailbox, at time.Time) {
	if !m.retryAt.IsZero() && !m.retryAt.After(at) {
		return
	}
	m.retryAt = at
	heap.Push(&b.loop.retries, retry{at, m})
}

// finished tells whether a stop has nothing left to wait for.
func (b *Bridge) finished() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.loop.inFlight == 0 && len(b.outcomes) == 0 && len(b.desired.fresh) == 0
}

// untilNext is how long the loop may sleep when nobody wakes it.
func (b *Bridge) untilNext(deadline time.Time) time.Duration {
	l := &b.loop
	next := time.Now().Add(time.Hour)
	sooner := func(t time.Time) {
		if t.Before(next) {
			next = t
		}
	}
	if !deadline.IsZero() {
		sooner(deadline)
	}
	if len(l.retries) > 0 {
		sooner(l.retries[0].at)
	}
	b.mu.Lock()
	fresh, paced := len(b.desired.fresh) > 0, len(b.desired.paced) > 0
	b.mu.Unlock()
	switch {
	case l.inFlight >= maxInFlight: // an outcome wakes the loop
	case fresh:
		sooner(l.lookupAt)
	case paced && deadline.IsZero():
		sooner(later(l.lookupAt, l.pacedAt))
	}
	return max(0, time.Until(next))
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
