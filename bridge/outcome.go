package bridge

import (
	"errors"
	"strings"
	"time"

	"go.uber.org/zap"

	"zonkeymwi/sipmsg"
	"zonkeymwi/sipua"
	"zonkeymwi/watchers"
)

// outcome is what became of one NOTIFY.
type outcome struct {
	sipua.Outcome
	m       *mailbox
	d       *dialog
	row     *watchers.Dialog
	change  change
	id      string // of the change, as the log has it
	sent    counts
	stamp   stamp  // of the row then
	etag    string // the version that a PUBLISH was to replace
	told    bool   // by an operator's wish
	probe   bool   // sent to a proxy that was silent
	at      time.Time
	demands []*demand
	secret  string // the line in the request that nobody is to see
	ended   time.Time
}

// settle records an outcome, and when its dialog is looked at again: when it
// failed, or when its mailbox or its row changed while the NOTIFY was under way.
func (b *Bridge) settle(o *outcome, now time.Time) {
	b.loop.inFlight--
	b.heed(o, now)
	d := o.d
	if d.kind != sipmsg.Notify && o.Class == sipua.CSeqTooLow {
		o.Class = sipua.Refused // only in a dialog does a 500 speak of CSeq
	}
	d.inFlight = false
	d.cseq = max(d.cseq, o.CSeq)
	if o.Class == sipua.Acknowledged {
		d.acked, d.shows, d.told = o.sent, o.stamp == d.stamp, o.told
		d.trouble, d.climb = nil, 0
		b.acknowledged(o, now)
	} else {
		b.failed(o, now)
	}
	b.refreshLater(o.m, d)
	switch {
	case d.dead() != "":
	case o.silent() && b.loop.breaker.open:
		b.later(o)
	case d.again:
		b.retryAt(o.m, d.due(), fresh)
	case o.Class != sipua.Acknowledged && !d.shows:
		b.retryAt(o.m, d.due(), paced)
	}
	b.measure(o, now)
	o.ended = now
	b.logResult(o, now)
	b.loop.recent.add(o)
	for _, demand := range o.demands {
		demand.answer(d, o.delivery())
	}
	o.demands = nil
	if why := d.dead(); why != "" {
		d.refuseDemands(why)
	}
	b.checkConverged(o.m, now)
}

// acknowledged notes what outlives the moment.
func (b *Bridge) acknowledged(o *outcome, now time.Time) {
	live := b.live.Load()
	switch o.d.kind {
	case sipmsg.Publish:
		o.d.published(o, live, now)
	case sipmsg.Unsolicited:
		o.d.outside.refreshAt = now.Add(live.Expires)
		return
	}
	b.ledger.note(o, now)
}

func (b *Bridge) measure(o *outcome, now time.Time) {
	if b.loop.outcomes == nil {
		b.loop.outcomes = make(map[string]uint64)
	}
	b.loop.outcomes[o.Class.String()]++
	b.o.Meter.Notified(o.Class.String(), now.Sub(o.at))
	switch {
	case o.Class == sipua.CSeqTooLow:
		b.o.Meter.CSeqConflict()
	case o.Class == sipua.Acknowledged && o.change.why == whyEvent:
		b.o.Meter.Acknowledged(now.Sub(o.change.received))
	}
}

// delivery is the outcome as an operator sees it.
func (o *outcome) delivery() Delivery {
	d := Delivery{ID: o.id, Time: o.ended, User: o.m.aor.User + "@" + o.m.aor.Domain, CallID: o.row.CallID, CSeq: o.CSeq,
		Sent: o.sent.report(), Outcome: o.Class.String(), Status: o.Status, Reason: o.Reason, Packets: o.Sent,
		Seconds: o.ended.Sub(o.at).Seconds(), Request: o.text(o.Request), Response: string(o.Response)}
	if o.Err != nil {
		d.Error = o.Err.Error()
	}
	return d
}

// text is a request for an operator's eyes.
func (o *outcome) text(request []byte) string {
	text := string(request)
	if name, _, ok := strings.Cut(o.secret, ":"); ok {
		text = strings.Replace(text, o.secret, name+": (hidden)", 1)
	}
	return text
}

// conflictGap is the least time between two hints in the log.
const conflictGap = time.Minute

// conflict tells an operator what ends the 500s, once there are too many for
// chance: by the clock, two NOTIFYs may fall into one second.
func (b *Bridge) conflict(now time.Time) {
	l := &b.loop
	l.conflicts++
	if l.conflicts < 10 || now.Before(l.hintAt) {
		return
	}
	l.hintAt = now.Add(conflictGap)
	b.log.Warn("phones refuse our CSeq: "+b.o.CSeq.ConflictMend(), zap.String("event", "cseq_conflicts"), zap.Int("conflicts", l.conflicts))
	l.conflicts = 0
}

// ConflictMend is what ends conflicts in a mode.
func (m CSeqMode) ConflictMend() string {
	switch m {
	case CSeqDatabase:
		return `the proxy does not read local_cseq; sip.cseq = "database" wants Kamailio with subs_db_mode 3`
	case CSeqAhead:
		return `the proxy numbers its NOTIFYs by itself; add the local-request route of the README and set sip.cseq = "clock"`
	}
	return "the proxy's own NOTIFYs do not take theirs from the clock, or its clock is ahead; add the local-request route of the README, and NTP"
}

// lowCSeqTries is how many 500s in a row are taken for a CSeq that was not
// higher than the last (RFC 3261 12.2.2) before they count as a plain failure,
// with its growing pauses.
const lowCSeqTries = 12

// failed decides what the answer means for the dialog.
func (b *Bridge) failed(o *outcome, now time.Time) {
	d := o.d
	var bad *badRow
	switch {
	case d.stamp != o.stamp: // the phone has subscribed again since
	case o.silent() && b.loop.breaker.open: // not this dialog's fault
	case d.kind == sipmsg.Publish:
		d.unpublished(o, b.live.Load(), now)
	case d.kind == sipmsg.Unsolicited && o.untaken():
		d.acked, d.shows, d.outside.untaken = o.sent, true, o.Reason
		d.outside.refreshAt = now.Add(b.live.Load().Expires)
	case d.kind == sipmsg.Unsolicited:
		d.backOff(now, o.RetryAfter)
	case errors.As(o.Err, &bad):
		d.ill().dead = "its row makes no valid request"
	case o.Status == 481 && !d.troubles().forgotten: // so does a phone that has not had the 200 to its SUBSCRIBE yet
		d.ill().forgotten, d.ill().failures = true, 0
		d.backOff(now, 0)
	case o.Class == sipua.DialogGone:
		d.ill().dead = firstOf(o.Reason, o.Class.String())
	case o.Class == sipua.CSeqTooLow && d.troubles().tooLow < lowCSeqTries:
		d.ill().tooLow++
		d.climb = max(1, 2*d.climb) // due keeps a second's distance: the clock's next number
		b.conflict(now)
	default:
		d.backOff(now, o.RetryAfter)
	}
}

func (b *Bridge) logResult(o *outcome, now time.Time) {
	fields := []zap.Field{zap.Inline((*resultLine)(o))}
	who := "phone"
	if o.d.kind == sipmsg.Publish {
		who = "presence server"
	}
	if o.Class == sipua.Acknowledged {
		b.log.Info(who+" acknowledged", fields...)
		return
	}
	if o.Err != nil {
		fields = append(fields, zap.Error(o.Err))
	}
	if dead := o.d.dead(); dead != "" {
		b.log.Warn("dialog is dead until its row changes", append(fields, zap.String("dead", dead))...)
		return
	}
	b.log.Warn(who+" did not acknowledge", append(fields, zap.Duration("retry_in", max(0, o.d.due().Sub(now))))...)
}
