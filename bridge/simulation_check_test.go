package bridge

import (
	"context"
	"slices"
	"time"

	"zonkeymwi/sipua"
)

// checkSent holds a NOTIFY to what must be true of each; first is its CSeq
// before a challenge.
func (s *simulation) checkSent(n *simNotify, first uint32) {
	s.totals.notifies++
	now, d, f := time.Now(), n.d, n.life.flight(n.d)
	n.stamp = stampOf(&f.served.Dialog)
	switch {
	case !f.shown:
		s.fail("%v: a NOTIFY without a row", d)
	case f.served.Status != 1:
		s.fail("%v: a NOTIFY to a dialog with status %d", d, f.served.Status)
	case f.served.Expires <= now.Unix():
		s.fail("%v: a NOTIFY to a dialog that expired %d s ago", d, now.Unix()-f.served.Expires)
	case f.deadIn != nil && *f.deadIn == n.stamp:
		s.fail("%v: a NOTIFY to a dialog that is known dead", d)
	case f.flying:
		s.fail("%v: two NOTIFYs in flight", d)
	case first <= f.cseq:
		s.fail("%v: CSeq %d after %d in one life", d, first, f.cseq)
	case now.Before(f.notUntil) && now.After(f.forced):
		s.fail("%v: a NOTIFY %v before its Retry-After is over", d, f.notUntil.Sub(now))
	case now.Sub(f.sentAt) < minInterval:
		s.fail("%v: a NOTIFY %v after the last", d, now.Sub(f.sentAt))
	case first <= d.highest && s.rises(d):
		s.fail("%v: CSeq %d of life %d after %d of the one before", d, first, n.life.n, d.highest)
	}
	if acked := f.served.Acked; f.served.HasAcked && first <= acked.CSeq {
		s.fail("%v: CSeq %d, the ledger had %d", d, first, acked.CSeq)
	}
	f.flying, f.cseq, f.sentAt, d.claimed = true, n.cseq, now, false
	d.highest = max(d.highest, n.cseq)
	n.version = n.life.versionOf(d.box, n.counts)
	if n.version < 0 {
		s.fail("%v: sent %s, which Asterisk never said to life %d", d, n.counts, n.life.n)
	}
}

// rises tells whether a dialog's CSeq must rise across lives as well. Exempt is
// what nobody writes down: numbers that have climbed after 500s, a challenge's
// with sip.cseq = "database", a clock that was set back, and sip.cseq = "ahead",
// where the row's number may come again. The phone refuses such a number, and
// the bridge climbs.
func (s *simulation) rises(d *simDialog) bool {
	return s.plan.mode != CSeqAhead && !s.plan.skew && !d.climbed
}

// versionOf is the newest state with these counts that a life has heard of; -1:
// none.
func (l *simLife) versionOf(m *simBox, counts string) int {
	version := -1
	for _, h := range l.told[m] {
		if h.counts == counts {
			version = max(version, h.version)
		}
	}
	return version
}

// noteOutcome keeps what the bridge learns from the end of a transaction.
func (s *simulation) noteOutcome(n *simNotify, o *sipua.Outcome) {
	f := n.life.flight(n.d)
	f.flying = false
	if o.Status != 0 {
		s.answered = time.Now()
	}
	if o.Class != sipua.CSeqTooLow {
		f.lows = 0
	} else if f.lows++; f.lows > 2 {
		n.d.climbed = true
	}
	if stampOf(&f.served.Dialog) != n.stamp {
		return // of a subscription that the bridge knows to be over
	}
	switch o.Class {
	case sipua.DialogGone:
		if f.once != nil && *f.once == n.stamp {
			f.deadIn = &n.stamp
		}
		f.once = &n.stamp
	case sipua.Acknowledged:
		f.once = nil
	case sipua.TryLater:
		f.notUntil = time.Now().Add(o.RetryAfter)
	}
	s.tell("life %d hears of %v, CSeq %d: %v %d", n.life.n, n.d, n.cseq, o.Class, o.Status)
}

// checkEnd wants every live dialog's phone to show its mailbox.
func (s *simulation) checkEnd(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	status, err := s.life.b.Status(ctx)
	var open bool
	_ = s.life.b.ask(ctx, func() { open = s.life.b.loop.breaker.open })
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.dialogs {
		row := s.store.rows[d.key]
		if row == nil || !d.known || d.claimed || row.Status != 1 || row.Expires <= time.Now().Unix()+1 {
			continue
		}
		if dead := s.life.flight(d).deadIn; dead != nil && *dead == stampOf(&row.Dialog) {
			continue // it was told so by somebody who had lost his mind
		}
		if want, ok := s.truth(d.box); ok && d.lamp != want {
			s.fail("%v shows %q %v after the last fault, %s holds %s", d, d.lamp, healTime, d.box.aor.User, want)
		}
	}
	if open && s.answered.After(s.healed) {
		s.fail("the breaker is open, although the proxy has answered since")
	}
	if err != nil || status.InFlight != 0 || status.Unconverged.Dialogs != 0 {
		s.fail("the bridge has not converged: %+v, %d in flight, %v", status.Unconverged, status.InFlight, err)
	}
}

// knows tells whether a life has heard of a mailbox.
func (l *simLife) knows(m *simBox) bool {
	return slices.ContainsFunc(l.told[m], func(h heard) bool { return !h.nothing })
}

// truth is what a mailbox's phones are to show. A mailbox that was removed
// before this life began is not known to it: nobody turns that lamp off.
func (s *simulation) truth(m *simBox) (string, bool) {
	if !m.removed {
		return m.counts(), true
	}
	return "0/0", !m.realtime && s.life.knows(m)
}
