package bridge

import (
	"context"
	"time"

	"go.uber.org/zap"

	"zonkeymwi/watchers"
)

// After a restart most phones show what their mailboxes hold, and the ledger says
// so. To read it whole, once, takes a tenth of looking every mailbox up.

// surveyLeast is how many mailboxes a survey is for: fewer are sooner looked up.
const surveyLeast = 2000

// verdict is what a survey makes of a mailbox.
type verdict struct {
	m       *mailbox
	version uint64 // of m then
	want    counts
	dialogs uint32
	behind  bool // the ledger does not say that each phone shows want
}

// unseen removes the mailboxes that a resync has found and that nobody has looked
// up yet, where they are many.
func (d *desired) unseen(least int) (found []verdict) {
	if len(d.paced) < least {
		return nil
	}
	for _, m := range d.paced {
		if m.isUnseen() {
			found = append(found, verdict{m: m, version: m.version, want: m.want})
		}
	}
	if len(found) < least {
		return nil
	}
	rest := d.paced[:0]
	for _, m := range d.paced {
		if m.isUnseen() {
			m.queue = none
		} else {
			rest = append(rest, m)
		}
	}
	clear(d.paced[len(rest):])
	d.paced = rest
	return found
}

func (m *mailbox) isUnseen() bool {
	return m.queue == paced && m.change.why == whyResync && m.known && len(m.dialogs) == 0 && len(m.demands) == 0
}

// survey asks the ledger, once a list has come, for all that nobody has looked up
// yet. The loop goes on meanwhile.
func (b *Bridge) survey(r *run) {
	l := &b.loop
	if b.o.Ledger == nil || b.o.Publish || l.surveying || !r.deadline.IsZero() {
		return
	}
	b.mu.Lock()
	var batch []verdict
	if b.desired.listed {
		b.desired.listed = false
		batch = b.desired.unseen(l.surveyLeast)
	}
	b.mu.Unlock()
	if len(batch) == 0 {
		return
	}
	l.surveying = true
	r.queries.Go(func() {
		start := time.Now()
		err := b.judge(r.ctx, batch)
		b.post(func() { b.surveyed(batch, err, time.Since(start)) })
	})
}

// judge compares what the ledger says with what the phones are to show.
func (b *Bridge) judge(ctx context.Context, batch []verdict) error {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	of := make(map[watchers.AoR]*verdict, len(batch))
	for i := range batch {
		of[batch[i].m.aor] = &batch[i]
	}
	return b.o.Ledger.Survey(ctx, func(user watchers.AoR, acked bool, fresh, old uint32) {
		if v := of[user]; v != nil {
			v.dialogs++
			v.behind = v.behind || !acked || fresh != v.want.new || old != v.want.old
		}
	})
}

// surveyed has those looked up whose phones may not show what they are to; of them
// all, where the ledger cannot be read.
func (b *Bridge) surveyed(batch []verdict, err error, took time.Duration) {
	b.loop.surveying = false
	settled := 0
	b.mu.Lock()
	for i := range batch {
		v := &batch[i]
		switch m := v.m; {
		case m.version != v.version || m.queue != none || len(m.dialogs) > 0: // it has been looked up since, or will be
		case err != nil || v.behind:
			b.desired.mark(m, paced, m.change)
		default:
			m.vouched, m.since = v.dialogs, time.Time{}
			settled++
		}
	}
	b.mu.Unlock()
	if err != nil {
		b.log.Warn("the ledger could not be read whole; each mailbox is looked up", zap.String("event", "survey_failed"), zap.Error(err))
		return
	}
	b.log.Info("asked the ledger what phones show", zap.String("event", "survey"),
		zap.Int("mailboxes", len(batch)), zap.Int("settled", settled), zap.Duration("took", took))
}
