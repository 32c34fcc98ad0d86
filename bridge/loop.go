package bridge

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"zonkeymwi/watchers"
)

// loop is what only the loop's goroutine touches.
type loop struct {
	busy     bool // a batch is at the database
	inFlight int
	breaker  breaker
	retries  retries
	pacedAt  time.Time // when a resync may send again
	share    float64   // NOTIFYs a mailbox that its last step took

	surveying   bool // the ledger is asked for all
	surveyLeast int
	recent      recent
	outcomes    map[string]uint64

	conflicts int       // 500s since the last hint
	hintAt    time.Time // when the next may be given

	most           int    // mailboxes a lookup: fewer after one that failed
	lookups        uint64 // that went well, and one
	lookupFailures int
	lookupAt       time.Time // no lookup before: the database is away
	database       DatabaseStatus
}

const (
	lookupTimeout = 5 * time.Second
	lastLookupGap = 10 * time.Second
)

// run is one run of the loop.
type run struct {
	ctx      context.Context // of its queries
	queries  sync.WaitGroup
	batch    chan func() // what the batch in work asks of the database, one after the other; never more than one waits
	deadline time.Time   // of the stop; zero: none is under way
}

// runLoop reconciles until ctx ends and what was under way then is done. It
// waits for nobody: what takes time is done elsewhere and posts its result.
func (b *Bridge) runLoop(ctx context.Context) {
	defer close(b.ended)
	stop := ctx.Done()
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &run{ctx: ctx, batch: make(chan func(), 1)}
	defer r.queries.Wait()
	defer cancel()
	r.queries.Go(r.work) // one goroutine for all batches: a new one would have to grow its stack on the way to each lookup
	defer close(r.batch)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		b.runPosted()
		b.markDue(time.Now())
		if b.step(r) {
			continue
		}
		if !r.deadline.IsZero() && (b.finished() || !time.Now().Before(r.deadline)) {
			if n := b.loop.inFlight; n > 0 {
				b.log.Warn("stopped with NOTIFYs under way", zap.String("event", "notify_abandoned"), zap.Int("notifies", n))
			}
			return
		}
		timer.Reset(b.untilNext(r.deadline))
		select {
		case <-b.wake:
		case <-timer.C:
		case <-stop:
			stop = nil
			r.deadline = time.Now().Add(b.o.Drain)
		}
	}
}

func (r *run) work() {
	for f := range r.batch {
		f()
	}
}

// runPosted does what others have left for the loop.
func (b *Bridge) runPosted() {
	b.mu.Lock()
	posted := b.posted
	b.posted = nil
	b.mu.Unlock()
	for _, f := range posted {
		f()
	}
}

// step sends one batch of dirty mailboxes to the database, and tells whether
// there was one. One is between there and its NOTIFYs at a time, so that a
// mailbox's states keep their order.
func (b *Bridge) step(r *run) bool {
	l := &b.loop
	now := time.Now()
	if l.busy || now.Before(l.lookupAt) || l.inFlight >= maxInFlight || !l.breaker.lets(now) {
		return false
	}
	b.survey(r)
	most, pace := max(1, l.most), 0
	if r.deadline.IsZero() && !now.Before(l.pacedAt) && l.inFlight < pacedInFlight {
		pace = l.pace(b.live.Load().Rate)
	}
	if l.breaker.open {
		most, pace = 1, 1 // a probe
	}
	b.mu.Lock()
	batch := b.desired.take(most, pace)
	agent := b.agent
	b.mu.Unlock()
	if len(batch) == 0 {
		return false
	}
	for i := range batch {
		batch[i].id = b.ids.text(batch[i].change.id)
	}
	b.logReceived(batch)
	l.busy = true
	r.batch <- func() {
		start := time.Now()
		found, err := b.lookUp(r, batch, agent)
		b.o.Meter.LookedUp(time.Since(start), err == nil)
		b.post(func() { b.lookedUp(r, batch, found, err) })
	}
	return true
}

// pace is how many mailboxes a resync's next step takes: small ones, so that no
// burst comes of it and a fresh event waits for one at most, but large ones where
// the last has shown that there is little to send.
func (l *loop) pace(rate int) int {
	small, large := max(1, rate/10), min(rate, maxBatch)
	if l.share*float64(large) > float64(small) {
		return small
	}
	return large
}

// lookedUp goes on with a batch whose dialogs were found.
func (b *Bridge) lookedUp(r *run, batch []work, found found, err error) {
	if err != nil {
		b.lookupFailed(batch, err)
		return
	}
	now := time.Now()
	jobs := b.jobs(batch, found, now)
	if b.o.CSeq != CSeqDatabase || len(jobs) == 0 {
		b.numbered(r, batch, b.number(jobs, b.base(found, now), now))
		return
	}
	r.batch <- func() {
		base, err := b.counted(r.ctx, jobs)
		b.post(func() {
			if err != nil {
				b.lookupFailed(batch, err)
				return
			}
			b.numbered(r, batch, b.number(jobs, base, time.Now()))
		})
	}
}

// numbered sends the jobs of a batch, once the ledger no longer claims that
// their phones show something else.
func (b *Bridge) numbered(r *run, batch []work, jobs []job) {
	if b.o.Ledger == nil || len(jobs) == 0 {
		b.notifyAll(r, batch, jobs, time.Now())
		return
	}
	r.batch <- func() {
		b.ledger.void(r.ctx, jobs)
		b.post(func() { b.notifyAll(r, batch, jobs, time.Now()) })
	}
}

// found is what the database knows of a batch.
type found struct {
	dialogs map[watchers.AoR][]watchers.Dialog
	flavour watchers.Flavour  // only where sip.cseq = "ahead" must know
	urgent  map[string]counts // by mailbox, where Asterisk said in time how many are urgent
}

// lookUp asks for the dialogs of a whole batch in one query, and meanwhile
// Asterisk for what its events leave out.
func (b *Bridge) lookUp(r *run, batch []work, agent *agent) (f found, err error) {
	if agent != nil && batch[0].paced {
		defer func() { b.resyncUrgent(r.ctx, agent, batch, &f) }()
	} else if agent != nil {
		asked := b.askUrgent(r, agent, batch)
		defer func() { f.urgent = asked.leave() }()
	}
	ctx, cancel := context.WithTimeout(r.ctx, lookupTimeout)
	defer cancel()
	if b.o.CSeq == CSeqAhead {
		if f.flavour, err = b.o.Dialogs.Flavour(ctx); err != nil {
			return f, err
		}
	}
	users := make([]watchers.AoR, len(batch))
	for i := range batch {
		users[i] = batch[i].m.aor
	}
	f.dialogs, err = b.dialogs(ctx, users)
	return f, err
}

// dialogs are those of the users, in the database or at the presence server.
func (b *Bridge) dialogs(ctx context.Context, users []watchers.AoR) (map[watchers.AoR][]watchers.Dialog, error) {
	if b.o.Publish {
		return b.publications.dialogs(ctx, users), nil
	}
	return b.o.Dialogs.Dialogs(ctx, users)
}

// lookupFailed puts the batch back and leaves the database alone for a while.
func (b *Bridge) lookupFailed(batch []work, err error) {
	l := &b.loop
	l.busy = false
	l.most = max(1, len(batch)/2) // it may be for one mailbox's rows: that one is found by halving
	wait := min(lastLookupGap, 250*time.Millisecond<<min(l.lookupFailures, 10))
	l.lookupFailures++
	l.lookupAt = time.Now().Add(wait)
	l.database.set(false, err)
	b.log.Error("dialogs could not be looked up", zap.String("event", "lookup_failed"),
		zap.Int("mailboxes", len(batch)), zap.Error(err), zap.Duration("retry_in", wait))
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range batch {
		w.m.demands = append(w.demands, w.m.demands...)
		if alone := len(batch) == 1; alone && w.m.failedAt != 0 && w.m.failedAt < l.lookups {
			b.retryAt(w.m, time.Now().Add(lastLookupGap), w.queue()) // others go well: it must not stand in their way
			continue
		} else if alone {
			w.m.failedAt = l.lookups
		}
		c := w.change
		c.events = 0 // they were logged
		b.desired.mark(w.m, w.queue(), c)
	}
}

// finished tells whether a stop has nothing left to wait for.
func (b *Bridge) finished() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.loop.inFlight == 0 && !b.loop.busy && len(b.posted) == 0 && len(b.desired.fresh) == 0
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
		sooner(l.retries[0].retryAt)
	}
	b.mu.Lock()
	fresh, paced := len(b.desired.fresh) > 0, len(b.desired.paced) > 0
	b.mu.Unlock()
	switch {
	case l.busy || l.inFlight >= maxInFlight || l.breaker.probing > 0: // what comes back wakes the loop
	case (fresh || paced) && l.breaker.open:
		sooner(later(l.lookupAt, l.breaker.probeAt))
	case fresh:
		sooner(l.lookupAt)
	case paced && deadline.IsZero():
		if l.inFlight < pacedInFlight {
			sooner(later(l.lookupAt, l.pacedAt))
		}
	}
	return max(0, time.Until(next))
}
