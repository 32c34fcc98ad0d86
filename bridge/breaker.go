package bridge

import (
	"time"

	"go.uber.org/zap"

	"zonkeymwi/sipua"
)

// breaker keeps a dead proxy from costing every mailbox a transaction of 32 s.
// It opens when NOTIFYs end without any answer, and lets one mailbox at a time
// probe until something answers.
type breaker struct {
	silent  int      // NOTIFYs in a row that nothing answered
	last    *mailbox // whose the last of them was: one user alone makes no dead proxy
	open    bool
	probing int // probes under way
	probeAt time.Time
}

const (
	silentLimit = 5
	probeGap    = time.Second
)

// silent tells whether nothing at all answered: a proxy that lives says 408 for
// a phone that does not.
func (o *outcome) silent() bool {
	return o.Class == sipua.NoAnswer && o.Status == 0
}

// lets tells whether a batch may be taken.
func (b *breaker) lets(now time.Time) bool {
	return !b.open || b.probing == 0 && !now.Before(b.probeAt)
}

// sent counts a NOTIFY, and tells whether it is a probe.
func (b *breaker) sent() bool {
	if b.open {
		b.probing++
	}
	return b.open
}

// heed learns from an outcome whether the proxy lives.
func (b *Bridge) heed(o *outcome, now time.Time) {
	br := &b.loop.breaker
	if o.probe {
		br.probing--
		br.probeAt = now.Add(probeGap)
	}
	switch {
	case !o.silent():
		br.silent = 0
		if br.open && o.Status != 0 {
			br.open = false
			b.log.Info("the proxy answers again", zap.String("event", "proxy_back"))
		}
	case o.m != br.last:
		br.last = o.m
		br.silent++
		if br.silent >= silentLimit && !br.open {
			br.open, br.probeAt = true, now.Add(probeGap)
			b.log.Error("the proxy does not answer: the mailboxes wait, and one at a time tries",
				zap.String("event", "proxy_silent"), zap.Error(o.Err))
		}
	}
}

// later has a mailbox looked at when the proxy is back, at a resync's pace.
func (b *Bridge) later(o *outcome) {
	c := o.change
	c.events = 0
	b.mu.Lock()
	defer b.mu.Unlock()
	b.desired.mark(o.m, paced, c)
}
