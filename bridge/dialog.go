package bridge

import (
	"math/rand/v2"
	"strings"
	"time"

	"zonkeymwi/sipmsg"
	"zonkeymwi/watchers"
)

// dialog is a phone's subscription, and what its phone shows. What is sent
// outside of subscriptions goes for one too, as its kind says. Of its row only
// that is kept which the next look must be compared with.
type dialog struct {
	key    watchers.Key
	stamp  stamp // of the row as it was last read
	status int   // likewise
	kind   sipmsg.Kind

	// acked is what the phone last answered 2xx to. When it equals what the
	// phone should show there is nothing to send.
	acked shown

	cseq     uint32    // highest that was sent
	climb    uint32    // sip.cseq = "ahead": what to add after a 500
	inFlight bool      // one NOTIFY at a time, so that the latest state wins
	again    bool      // something changed while it was in flight
	sentAt   time.Time // of the last NOTIFY
	toldIn   stamp     // the subscription's then
	failures int       // in a row
	tooLow   int       // 500s in a row, which are no failures yet
	notUntil time.Time // back-off
	dead     string    // why nothing more is sent until the row changes; "": alive
	gone     bool      // its row is not there any more

	// Only where it is no subscription.
	publication *publication
	refreshAt   time.Time // when it is sent although nothing changed; zero: never
	untaken     string    // why no phone took it

	// Of operators, for the next NOTIFY: who waits for its answer, and the counts
	// that it shall tell once instead of the mailbox's.
	demands  []*demand
	override *counts
	told     bool // acked is such counts: what an operator wanted, not what is to be
}

// skipped tells why nothing is sent to the dialog, "" when it may be.
func (d *dialog) skipped(now time.Time) string {
	if d.gone {
		return "gone"
	}
	return firstOf(d.live(now), d.dead)
}

// live tells why its row says that nothing may be sent, "" when something may.
func (d *dialog) live(now time.Time) string {
	row := watchers.Dialog{Expires: d.stamp.expires, Status: d.status}
	return row.Live(now)
}

// shown is a mailbox's state on a phone, and the subscription it was sent in:
// a refreshed one has to be told again, as the proxy's own NOTIFY at a refresh
// is empty and leaves some phones dark.
type shown struct {
	counts counts
	stamp  stamp
}

// stamp tells one state of a row from the next. Proxies write it anew with
// each SUBSCRIBE of the phone, and at no other time.
type stamp struct {
	remoteCSeq uint32
	expires    int64
	contact    string
}

func stampOf(row *watchers.Dialog) stamp {
	return stamp{row.RemoteCSeq, row.Expires, row.Contact}
}

// newDialog makes what a row, or what goes for one, has not had before.
func newDialog(row *watchers.Dialog, kind sipmsg.Kind) *dialog {
	k := row.Key
	all := k.CallID + k.ToTag + k.FromTag // of its own: it shall not hold the whole row
	tags := len(k.CallID) + len(k.ToTag)
	d := &dialog{key: watchers.Key{CallID: all[:len(k.CallID)], ToTag: all[len(k.CallID):tags], FromTag: all[tags:]}, kind: kind}
	if kind == sipmsg.Publish {
		d.publication = new(publication)
	}
	return d
}

// update takes a row as it was just read. A new subscription forgives what
// went wrong in the one before.
func (d *dialog) update(row *watchers.Dialog, now time.Time) {
	if s := stampOf(row); s != d.stamp {
		d.failures, d.tooLow, d.notUntil, d.dead = 0, 0, time.Time{}, ""
		s.contact = strings.Clone(s.contact) // it shall not hold the whole row
		d.stamp = s
	}
	d.adopt(row, now)
	d.status, d.gone = row.Status, false
}

// settled tells whether a dialog's phone shows what it is to show, and nothing
// has to be sent to keep that so.
func (d *dialog) settled(target shown, now time.Time) bool {
	return len(d.demands) == 0 && d.acked == target && (d.refreshAt.IsZero() || now.Before(d.refreshAt))
}

// minInterval is the least time between two NOTIFYs of one dialog (RFC 3842
// 3.11). It also keeps a CSeq taken from the clock from running ahead of it.
const minInterval = time.Second

// due tells when the next NOTIFY may be sent.
func (d *dialog) due() time.Time {
	if d.sentAt.IsZero() {
		return d.notUntil
	}
	if next := d.sentAt.Add(minInterval); next.After(d.notUntil) {
		return next
	}
	return d.notUntil
}

const (
	firstBackOff = 2 * time.Second
	lastBackOff  = 5 * time.Minute
)

// backOff puts the next attempt off: the longer the more have failed, at least
// as long as the answer asked for, and never in step with other dialogs.
func (d *dialog) backOff(now time.Time, asked time.Duration) {
	wait := min(lastBackOff, firstBackOff<<min(d.failures, 16))
	d.failures++
	wait = wait/2 + rand.N(wait)
	d.notUntil = now.Add(max(wait, asked))
}

// index finds dialogs by their key: among few by looking at each.
type index struct {
	all   []*dialog
	byKey map[watchers.Key]*dialog // nil: they are few
}

const few = 16

// indexOf makes an index to which up to more will be added.
func indexOf(all []*dialog, more int) index {
	x := index{all: all}
	if len(all)+more > few {
		x.byKey = make(map[watchers.Key]*dialog, len(all)+more)
		for _, d := range all {
			x.byKey[d.key] = d
		}
	}
	return x
}

func (x *index) add(d *dialog) {
	x.all = append(x.all, d)
	if x.byKey != nil {
		x.byKey[d.key] = d
	}
}

func (x *index) find(k watchers.Key) *dialog {
	if x.byKey != nil {
		return x.byKey[k]
	}
	for _, d := range x.all {
		if d.key == k {
			return d
		}
	}
	return nil
}
