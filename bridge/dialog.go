package bridge

import (
	"hash/maphash"
	"math"
	"math/rand/v2"
	"time"

	"zonkeymwi/sipmsg"
	"zonkeymwi/watchers"
)

// dialog is a phone's subscription, and what its phone shows. What is sent
// outside of subscriptions goes for one too, as its kind says. There is one for
// each phone, for as long as the bridge runs: it holds no more of its row than
// the next look must be compared with.
type dialog struct {
	key   uint64 // hash of its Key: there are few in a mailbox
	stamp stamp  // of the row as it was last read

	// acked is what the phone last answered 2xx to in this state of its
	// subscription. When it equals what the phone should show there is nothing to
	// send.
	acked counts

	cseq   uint32 // highest that was sent
	climb  uint32 // sip.cseq = "ahead": what to add after a 500
	status int8   // of the row
	kind   sipmsg.Kind

	shows    bool // acked is known to be so
	toldHere bool // it has been sent something in this state of its subscription
	told     bool // acked is an operator's numbers: what was wanted, not what is to be
	inFlight bool // one NOTIFY at a time, so that the latest state wins
	again    bool // something changed while it was in flight
	gone     bool // its row is not there any more

	sentAt  time.Time // of the last NOTIFY
	trouble *trouble  // nil: none
	wish    *wish     // of operators; nil: none
	outside *outside  // nil: it is a subscription
}

// trouble is what went wrong since a dialog last went well, as few have not.
type trouble struct {
	failures  int       // in a row
	tooLow    int       // 500s in a row, which are no failures yet
	forgotten bool      // it has said once that it has no such dialog
	notUntil  time.Time // back-off
	dead      string    // why nothing more is sent until the row changes; "": alive
}

// troubles are a dialog's, perhaps none.
func (d *dialog) troubles() trouble {
	if d.trouble == nil {
		return trouble{}
	}
	return *d.trouble
}

// ill is where a dialog's troubles are noted.
func (d *dialog) ill() *trouble {
	if d.trouble == nil {
		d.trouble = new(trouble)
	}
	return d.trouble
}

// dead tells why nothing more is sent until the row changes, "" where it is.
func (d *dialog) dead() string { return d.troubles().dead }

// wish is what operators want of the next NOTIFY: its answer, and perhaps that
// it tells other counts than the mailbox's, once.
type wish struct {
	demands  []*demand
	override *counts
	version  uint64 // of the mailbox when those were given
}

// newDialog makes what a row, or what goes for one, has not had before.
func newDialog(row *watchers.Dialog, kind sipmsg.Kind) *dialog {
	d := &dialog{key: hashOf(row.Key), kind: kind}
	if kind != sipmsg.Notify {
		d.outside = new(outside)
	}
	return d
}

// skipped tells why nothing is sent to the dialog, "" when it may be.
func (d *dialog) skipped(now time.Time) string {
	if d.gone {
		return "gone"
	}
	return firstOf(d.live(now), d.dead())
}

// live tells why its row says that nothing may be sent, "" when something may.
func (d *dialog) live(now time.Time) string {
	row := watchers.Dialog{Expires: d.stamp.expires, Status: int(d.status)}
	return row.Live(now)
}

// stamp tells one state of a row from the next. Proxies write it anew with each
// SUBSCRIBE of the phone, and at no other time; and the phone has to be told
// anew, as the proxy's own NOTIFY at a refresh is empty and leaves some phones
// dark.
type stamp struct {
	remoteCSeq uint32
	expires    int64
	contact    uint64 // hash
}

var seed = maphash.MakeSeed()

func hashOf(k watchers.Key) uint64 { return maphash.Comparable(seed, k) }

func stampOf(row *watchers.Dialog) stamp {
	return stamp{row.RemoteCSeq, row.Expires, maphash.String(seed, row.Contact)}
}

// update takes a row as it was just read. A new subscription forgives what
// went wrong in the one before.
func (d *dialog) update(row *watchers.Dialog, now time.Time) {
	if s := stampOf(row); s != d.stamp {
		d.stamp, d.shows, d.toldHere, d.told, d.trouble = s, false, false, false, nil
	}
	d.adopt(row, now)
	d.status, d.gone = int8(min(max(row.Status, 0), math.MaxInt8)), false
}

// settled tells whether a dialog's phone shows what it is to show, and nothing
// has to be sent to keep that so.
func (d *dialog) settled(target counts, now time.Time) bool {
	refresh := d.refreshAt()
	return d.wish == nil && d.shows && d.acked == target && (refresh.IsZero() || now.Before(refresh))
}

// refreshAt is when it is sent although nothing has changed; zero: never.
func (d *dialog) refreshAt() time.Time {
	if d.outside == nil {
		return time.Time{}
	}
	return d.outside.refreshAt
}

// minInterval is the least time between two NOTIFYs of one dialog (RFC 3842
// 3.11). It also keeps a CSeq taken from the clock from running ahead of it.
const minInterval = time.Second

// due tells when the next NOTIFY may be sent.
func (d *dialog) due() time.Time {
	if d.sentAt.IsZero() {
		return d.troubles().notUntil
	}
	return later(d.sentAt.Add(minInterval), d.troubles().notUntil)
}

const (
	firstBackOff = 2 * time.Second
	lastBackOff  = 5 * time.Minute
)

// backOff puts the next attempt off: the longer the more have failed, at least
// as long as the answer asked for, and never in step with other dialogs.
func (d *dialog) backOff(now time.Time, asked time.Duration) {
	t := d.ill()
	wait := min(lastBackOff, firstBackOff<<min(t.failures, 16))
	t.failures++
	wait = wait/2 + rand.N(wait)
	t.notUntil = now.Add(max(wait, asked))
}

// index finds a mailbox' dialogs: among few by looking at each.
type index struct {
	all   []*dialog
	byKey map[uint64]*dialog // nil: they are few
}

const few = 16

// indexOf makes an index to which up to more will be added.
func indexOf(all []*dialog, more int) index {
	x := index{all: all}
	if len(all)+more > few {
		x.byKey = make(map[uint64]*dialog, len(all)+more)
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
	key := hashOf(k)
	if x.byKey != nil {
		return x.byKey[key]
	}
	for _, d := range x.all {
		if d.key == key {
			return d
		}
	}
	return nil
}
