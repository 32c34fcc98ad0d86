package bridge

import (
	"errors"
	"time"

	"go.uber.org/zap"

	"zonkeymwi/sipua"
)

// outcome is what became of one NOTIFY.
type outcome struct {
	sipua.Outcome
	m    *mailbox
	d    *dialog
	id   string
	sent shown
	at   time.Time
}

// takeOutcomes records what came back since the last time.
func (b *Bridge) takeOutcomes() {
	b.mu.Lock()
	outcomes := b.outcomes
	b.outcomes = nil
	b.mu.Unlock()
	now := time.Now()
	for i := range outcomes {
		b.loop.inFlight--
		b.settle(&outcomes[i], now)
	}
}

// settle records an outcome, and when its dialog is looked at again: when it
// failed, or when its mailbox or its row changed while the NOTIFY was under way.
func (b *Bridge) settle(o *outcome, now time.Time) {
	d := o.d
	d.inFlight = false
	d.cseq = max(d.cseq, o.CSeq)
	if o.Class == sipua.Acknowledged {
		d.acked, d.failures, d.climb, d.notUntil = o.sent, 0, 0, time.Time{}
	} else {
		b.failed(o, now)
	}
	if d.dead == "" && (d.again || o.Class != sipua.Acknowledged) {
		b.retryAt(o.m, d.due())
	}
	b.logResult(o, now)
}

// lowCSeqTries is how many 500s in a row are taken for a CSeq that was not
// higher than the last (RFC 3261 12.2.2) before they count as a plain failure.
const lowCSeqTries = 12

// failed decides what the answer means for the dialog.
func (b *Bridge) failed(o *outcome, now time.Time) {
	d := o.d
	var bad *badRow
	switch {
	case stampOf(&d.row) != o.sent.stamp: // the phone has subscribed again since
	case errors.As(o.Err, &bad):
		d.dead = "its row makes no valid request"
	case o.Class == sipua.DialogGone:
		d.dead = o.Reason
		if d.dead == "" {
			d.dead = o.Class.String()
		}
	case o.Class == sipua.CSeqTooLow && d.failures < lowCSeqTries:
		d.failures++
		d.climb = max(1, 2*d.climb) // due keeps a second's distance: the clock's next number
	default:
		d.backOff(now, o.RetryAfter)
	}
}

func (b *Bridge) logResult(o *outcome, now time.Time) {
	fields := []zap.Field{zap.String("event", "notify_result"), zap.String("id", o.id),
		zap.String("call_id", o.d.row.CallID), zap.Uint32("cseq", o.CSeq), zap.String("outcome", o.Class.String()),
		zap.Int("status", o.Status), zap.String("reason", o.Reason), zap.Int("sent", o.Sent), zap.Duration("took", now.Sub(o.at))}
	if o.Class == sipua.Acknowledged {
		b.log.Info("phone acknowledged", fields...)
		return
	}
	if o.Err != nil {
		fields = append(fields, zap.Error(o.Err))
	}
	if o.d.dead != "" {
		b.log.Warn("dialog is dead until its row changes", append(fields, zap.String("dead", o.d.dead))...)
		return
	}
	b.log.Warn("phone did not acknowledge", append(fields, zap.Duration("retry_in", max(0, o.d.due().Sub(now))))...)
}
