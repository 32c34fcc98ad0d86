package bridge

import (
	"context"
	"maps"
	"slices"
	"time"
)

// checkConverged notes whether every phone of a mailbox shows what it holds.
func (b *Bridge) checkConverged(m *mailbox, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if m.queue == none && len(m.demands) == 0 && m.pending(now) == 0 {
		m.since = time.Time{}
		if !m.known && len(m.dialogs) == 0 { // a demand made it, and nobody is there
			delete(b.desired.mailboxes, m.aor)
		}
	}
}

// pending counts the live dialogs that do not show what the mailbox holds.
func (m *mailbox) pending(now time.Time) (n int) {
	for _, d := range m.dialogs {
		behind := m.known && !d.told && !(d.shows && d.acked == m.want)
		if d.skipped(now) == "" && (behind || d.inFlight || d.wish != nil) {
			n++
		}
	}
	return n
}

// Status tells how the bridge is. It fails when ctx ends before the loop answers.
func (b *Bridge) Status(ctx context.Context) (s Status, err error) {
	err = b.ask(ctx, func() {
		l, now := &b.loop, time.Now()
		b.mu.Lock()
		defer b.mu.Unlock()
		s = Status{Started: b.started, AMI: b.ami, Database: l.database, Publish: b.o.Publish,
			InFlight: l.inFlight, Outcomes: maps.Clone(l.outcomes)}
		for _, m := range b.desired.mailboxes {
			s.add(m, now)
		}
	})
	return s, err
}

func (s *Status) add(m *mailbox, now time.Time) {
	if m.known {
		s.Mailboxes++
	}
	s.Dialogs += int(m.vouched)
	for _, d := range m.dialogs {
		if d.gone {
			continue
		}
		if s.Dialogs++; d.dead() != "" {
			s.Dead++
		}
	}
	if m.queue != none {
		s.Queued++
	}
	if m.since.IsZero() {
		return
	}
	s.Unconverged.Mailboxes++
	s.Unconverged.Dialogs += m.pending(now)
	if oldest := s.Unconverged.Oldest; oldest.IsZero() || m.since.Before(oldest) {
		s.Unconverged.Oldest = m.since
	}
}

// Waiting lists up to limit mailboxes that are not converged, the oldest first.
func (b *Bridge) Waiting(ctx context.Context, limit int) (all []Waiting, err error) {
	all = []Waiting{}
	err = b.ask(ctx, func() {
		now := time.Now()
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, m := range b.desired.mailboxes {
			if !m.since.IsZero() {
				all = append(all, Waiting{User: m.aor.User + "@" + m.aor.Domain, Holds: m.want.report(), Since: m.since, Dialogs: m.pending(now)})
			}
		}
	})
	slices.SortFunc(all, func(a, b Waiting) int { return a.Since.Compare(b.Since) })
	return all[:min(limit, len(all))], err
}

// Deliveries returns the last NOTIFYs that came to their end, the newest first.
func (b *Bridge) Deliveries(ctx context.Context) (all []Delivery, err error) {
	err = b.ask(ctx, func() { all = b.loop.recent.list() })
	return all, err
}

// set takes what a lookup said.
func (s *DatabaseStatus) set(ok bool, err error) {
	if s.OK != ok || s.Since.IsZero() {
		s.Since = time.Now()
	}
	s.OK, s.Error = ok, ""
	if err != nil {
		s.Error = err.Error()
	}
}

func (c counts) report() Counts { return Counts{New: c.new, Old: c.old, Urgent: c.newUrgent} }
