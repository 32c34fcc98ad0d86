package bridge

import (
	"context"
	"sync"
	"time"

	"zonkeymwi/watchers"
)

// Neither events nor the list say how many of the new messages are urgent, so
// Asterisk is asked. A lamp does not wait for the answer: where it comes later
// than the dialogs and says something new, the phones are told again.

const (
	urgentTime  = 300 * time.Millisecond // for the answers to a batch
	urgentPause = 10 * time.Second       // after they took longer
)

// urgent asks for mailboxes, all at once. What does not come in time is left out.
func (a *agent) urgent(ctx context.Context, names []string) map[string]counts {
	if len(names) == 0 || time.Now().UnixNano() < a.slowUntil.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, urgentTime)
	defer cancel()
	found := make(map[string]counts, len(names))
	for name, c := range a.s.MailboxCounts(ctx, names) {
		found[name] = counts{new: clamp(c.New + c.Urgent), newUrgent: clamp(c.Urgent)}
	}
	if ctx.Err() != nil {
		a.slowUntil.Store(time.Now().Add(urgentPause).UnixNano())
	}
	return found
}

// asked is a question that goes on after who asked has gone on too.
type asked struct {
	mu    sync.Mutex
	left  bool
	found map[string]counts
}

// askUrgent asks for the mailboxes of a batch.
func (b *Bridge) askUrgent(r *run, a *agent, batch []work) *asked {
	q := new(asked)
	names := b.lit(batch, nil)
	if len(names) == 0 {
		return q
	}
	r.queries.Go(func() {
		found := a.urgent(r.ctx, names)
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.found = found; q.left && len(found) > 0 {
			b.post(func() { b.urgentLate(found) })
		}
	})
	return q
}

// leave takes what has come, and leaves the rest to urgentLate.
func (q *asked) leave() map[string]counts {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.left = true
	return q.found
}

// lit are the mailboxes of a batch that hold new messages, but for those of
// users who are left out.
func (b *Bridge) lit(batch []work, out map[watchers.AoR]bool) (names []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range batch {
		m := batch[i].m
		for _, x := range m.boxes {
			if x.holds.new > 0 && !out[m.aor] {
				names = append(names, x.name)
			}
		}
	}
	return names
}

// resyncUrgent is for a resync, which may have many mailboxes: where the ledger
// says that every phone shows what there is, it knows of the urgent ones too.
func (b *Bridge) resyncUrgent(ctx context.Context, a *agent, batch []work, f *found) {
	known := make(map[watchers.AoR]bool)
	claims := make(map[string]counts)
	for i := range batch {
		w := &batch[i]
		if claim, ok := claimOf(w.want, f.dialogs[w.m.aor]); ok {
			known[w.m.aor] = true
			claims[w.name] = claim
		}
	}
	f.urgent = claims
	for name, found := range a.urgent(ctx, b.lit(batch, known)) {
		f.urgent[name] = found
	}
}

// claimOf is what all of a mailbox' phones show, false where not all show want,
// urgent messages aside.
func claimOf(want counts, rows []watchers.Dialog) (claim counts, ok bool) {
	for i := range rows {
		a, row := &rows[i].Acked, &rows[i]
		shows := counts{new: a.New, newUrgent: a.NewUrgent}
		same := row.HasAcked && a.New == want.new && a.Old == want.old &&
			a.RemoteCSeq == row.RemoteCSeq && a.Expires == row.Expires && a.Contact == row.Contact
		if !same || ok && shows != claim {
			return counts{}, false
		}
		claim, ok = shows, true
	}
	return claim, ok
}

// addUrgent completes what the mailboxes hold, unless they have changed since.
func (b *Bridge) addUrgent(w *work, urgent map[string]counts) {
	if len(urgent) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	current := w.m.want == w.want
	if w.m.setUrgent(urgent) && current {
		w.want = w.m.want
	}
}

// urgentLate has phones told again that were told before Asterisk had answered.
func (b *Bridge) urgentLate(found map[string]counts) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name := range found {
		users, _ := b.lights(name) // a reload may have left it without
		for _, user := range users {
			if m := b.desired.mailboxes[user]; m != nil && m.setUrgent(found) {
				c := m.change
				c.events = 0
				b.desired.mark(m, fresh, c)
			}
		}
	}
}

// setUrgent takes the numbers of urgent messages, each with the number of new ones
// that it is of, and tells whether any is news.
func (m *mailbox) setUrgent(urgent map[string]counts) (news bool) {
	for i := range m.boxes {
		x := &m.boxes[i]
		if found, ok := urgent[x.name]; ok && found.new == x.holds.new && found.newUrgent != x.holds.newUrgent {
			x.holds.newUrgent, news = found.newUrgent, true
		}
	}
	if news {
		m.sum()
	}
	return news
}
