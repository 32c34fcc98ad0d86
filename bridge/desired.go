package bridge

import (
	"slices"
	"time"

	"zonkeymwi/watchers"
)

// counts is what a mailbox holds. new includes the urgent ones; how many of the
// old ones are urgent Asterisk does not tell.
type counts struct {
	new, old, newUrgent uint32
}

// A change is the reason a mailbox is dirty; its id stands in every log line
// of the steps that it leads to.
type change struct {
	id       changeID
	received time.Time
	events   uint32 // how many AMI messages it stands for
	why      why
}

// why is the reason of a change.
type why uint8

const (
	whyEvent      why = iota // MessageWaiting
	whyResync                // an entry of VoicemailUsersList
	whyForced                // an operator
	whySubscribed            // a phone subscribed, or did again
	whyVanished              // Asterisk no longer lists the mailbox
)

func (w why) String() string {
	return [...]string{"event", "resync", "forced", "subscribed", "vanished"}[w]
}

// mailbox is one user's voicemail, in one mailbox or more, and phones.
type mailbox struct {
	aor watchers.AoR

	// Guarded by Bridge.mu.
	boxes   []box
	want    counts // what they hold together
	known   bool   // Asterisk has said what they hold
	heard   bool   // a phone has subscribed, of which the loop does not know yet
	queue   queue
	version uint64 // counts how often Asterisk did
	change  change
	since   time.Time // since when it may not be converged; zero: it is
	demands []*demand // of operators, to be served with the next look

	// The loop's own.
	dialogs    []*dialog
	retryAt    time.Time // when the loop looks at it again by itself; zero: never
	retryQ     queue     // and how urgent that is
	retryIndex int32     // in the loop's heap
	vouched    uint32    // dialogs of which the ledger says that they show want, and that were not looked up
	failedAt   uint64    // loop.lookups when a lookup of it alone failed; 0: none did

	// Where boxes and dialogs are, as most have one: there is much less for Go to find then.
	firstBox    [1]box
	firstDialog [1]*dialog
}

// queue says in which queue a mailbox waits.
type queue uint8

const (
	none  queue = iota
	paced       // a resync's: its NOTIFYs keep to Options.Rate
	fresh       // just happened: goes ahead of a resync
)

// desired is the state of every mailbox and the order in which the dirty ones
// are taken. A mailbox stands in a queue once, so that memory is bounded by
// mailboxes and never by events.
type desired struct {
	mailboxes map[watchers.AoR]*mailbox
	round     uint32 // of the resync under way, or the last
	fresh     []*mailbox
	paced     []*mailbox // may hold some that have moved to fresh since
	listed    bool       // a resync has read its list
}

// mailboxFor returns the mailbox of an address, made when it is new.
func (d *desired) mailboxFor(aor watchers.AoR) *mailbox {
	m := d.mailboxes[aor]
	if m == nil {
		m = &mailbox{aor: aor}
		m.boxes, m.dialogs = m.firstBox[:0], m.firstDialog[:0]
		d.mailboxes[aor] = m
	}
	return m
}

// mark makes a mailbox dirty. A change that is waiting already is merged: it
// keeps its id, so that its first event's line is not orphaned.
func (d *desired) mark(m *mailbox, q queue, c change) {
	if m.since.IsZero() {
		m.since = time.Now()
	}
	if m.queue == none {
		m.change = c
	} else {
		m.change.events += c.events
		if q > m.queue {
			m.change.why = c.why
		}
	}
	if q <= m.queue {
		return
	}
	m.queue = q
	if q == fresh {
		d.fresh = append(d.fresh, m)
	} else {
		d.paced = append(d.paced, m)
	}
}

// vanished makes the mailboxes dirty that the resync before listed and this one
// did not: they have been removed, and Asterisk sends no event of that.
func (d *desired) vanished(next func() changeID) (names []string) {
	for _, m := range d.mailboxes {
		gone := m.drop(func(x *box) bool { return x.round != 0 && x.round != d.round })
		if gone != nil {
			d.mark(m, paced, change{id: next(), why: whyVanished, received: time.Now(), events: 1})
			names = append(names, gone...)
		}
	}
	return names
}

// work is a dirty mailbox as the loop took it.
type work struct {
	m       *mailbox
	id      string // of the change, as the log has it
	name    string // of the mailboxes, for the log
	want    counts
	known   bool
	version uint64
	change  change
	paced   bool
	demands []*demand
}

// take removes up to n dirty mailboxes: fresh ones, and only where there are
// none, up to pace of a resync's.
func (d *desired) take(n, pace int) (batch []work) {
	batch, d.fresh = takeFrom(batch, n, d.fresh, fresh)
	if len(batch) == 0 {
		batch, d.paced = takeFrom(batch, min(n, pace), d.paced, paced)
	}
	return batch
}

func takeFrom(batch []work, n int, from []*mailbox, q queue) ([]work, []*mailbox) {
	i := 0
	batch = slices.Grow(batch, min(n, len(from)))
	for ; i < len(from) && len(batch) < n; i++ {
		if m := from[i]; m.queue == q {
			m.queue = none
			batch = append(batch, work{m, "", m.names(), m.want, m.known, m.version, m.change, q == paced, m.demands})
			m.demands = nil
		}
		from[i] = nil
	}
	if i == len(from) {
		return batch, from[:0]
	}
	return batch, from[i:]
}
