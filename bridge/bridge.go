// Package bridge is the reconciler between Asterisk's mailboxes and the
// phones' message-summary subscriptions.
//
// It keeps two things: what each mailbox holds (what Asterisk said last) and,
// for each dialog, what its phone last acknowledged with a 2xx. Whatever
// happens only marks a mailbox dirty; one loop looks the dirty ones' dialogs
// up, sends each dialog what it does not show yet, and records the outcome. So
// bursts coalesce, the latest state wins, and every fault heals the same way.
//
// A lamp change goes through these files in this order: session.go (AMI),
// desired.go (what Asterisk said), loop.go (dirty mailboxes to dialogs),
// notify.go (a dialog to a NOTIFY), outcome.go (what the phone answered).
package bridge

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"zonkeymwi/ami"
	"zonkeymwi/sipmsg"
	"zonkeymwi/sipua"
	"zonkeymwi/watchers"
)

// Dialogs is what the bridge asks of the database; a watchers.Store is one.
type Dialogs interface {
	Dialogs(ctx context.Context, users []watchers.AoR) (map[watchers.AoR][]watchers.Dialog, error)
	NextCSeq(ctx context.Context, dialogs []watchers.Dialog) (map[watchers.Key]uint32, error)
	Flavour(ctx context.Context) (watchers.Flavour, error)
	Changed(ctx context.Context, since watchers.Mark) (users []watchers.AoR, next watchers.Mark, err error)
	Listen(ctx context.Context, ready func(), changed func(watchers.AoR)) error
}

// Sender is what the bridge asks of SIP; a *sipua.UA is one. done is called
// once for each request.
type Sender interface {
	Send(r sipua.Request, done func(sipua.Outcome))
}

// CSeqMode says where a NOTIFY's CSeq comes from; the proxy's own NOTIFYs take
// theirs from the same number space (docs/guarantees.md).
type CSeqMode string

// The modes of sip.cseq.
const (
	CSeqClock    CSeqMode = "clock"    // max(unix time, last + 1); the proxy's local-request route does the same
	CSeqDatabase CSeqMode = "database" // counted up in the row; Kamailio with subs_db_mode 3 only
	CSeqAhead    CSeqMode = "ahead"    // from the row's local_cseq, climbing on a 500
)

// Options are what a bridge works with. All but AMI, Dialogs, Sender and
// Template may be left empty.
type Options struct {
	Live
	AMI     ami.Config
	Dialogs Dialogs
	Sender  Sender
	Ledger  Ledger // nil: what phones acknowledged is forgotten with a restart
	CSeq    CSeqMode
	Publish bool // to the presence server (RFC 3903), not to each phone; Dialogs is not needed then

	Listen bool // hear of new subscriptions from the database, where its trigger is installed

	Drain time.Duration // how long a stop may take for what is under way; 0: 5 s
	Log   *zap.Logger
	Meter Meter
}

// Live are the options that Reload changes while the bridge runs.
type Live struct {
	Template    *sipmsg.Template // of a PUBLISH where Options.Publish says so
	Unsolicited *sipmsg.Template // of a NOTIFY to whatever the user has registered; nil: none is sent

	// Domain gives the SIP domain of a voicemail context ("" where the mailbox
	// names none), or false where there is none.
	Domain func(context string) (string, bool)
	Shares Shares // mailboxes that light other users' lamps too

	AoR          bool          // Request-URI is the watcher's address of record, not its contact
	SocketInfo   bool          // send to the socket that took the subscription, not to the proxy
	UserAgent    string        // of the NOTIFY
	ContactUser  string        // of the Contact, where the row has none
	VMExten      string        // user of Message-Account: the extension that plays the messages
	Expires      time.Duration // life of a publication, and how often an unsolicited NOTIFY is repeated; 0: 1 h
	Rate         int           // NOTIFYs a second that a resync may send; 0: 500
	PollInterval time.Duration // how often the database is asked for new subscriptions; 0: 5 s
	UserEvent    string        // the AMI UserEvent that asks for a resend; "": none does
}

const (
	defaultRate  = 500
	defaultDrain = 5 * time.Second

	maxBatch      = 500             // mailboxes a lookup
	maxInFlight   = 8192            // transactions at once, some 3 KB each; many may wait for phones that are off
	pacedInFlight = maxInFlight / 2 // so that fresh events find room
)

// Bridge reconciles. It is made by New and run once.
type Bridge struct {
	o       Options
	live    atomic.Pointer[Live]
	debug   atomic.Bool
	log     *zap.Logger
	ids     *idSource
	started time.Time

	wake    chan struct{} // holds one token when the loop has something to do
	ended   chan struct{} // closed when the loop has ended
	relist  chan struct{} // holds one token when the session is to resync
	resends chan request  // what UserEvents asked for

	mu      sync.Mutex // guards what AMI's reader and the transactions write
	desired desired
	posted  []func() // what the loop is to do
	ami     AMIStatus
	agent   *agent          // of the present session; nil: none
	ignored map[string]bool // mailboxes that were complained of

	ledger       ledger
	publications publications
	loop         loop // the loop goroutine's own
}

// New makes a bridge. It fails when an option that must be given is missing.
func New(o Options) (*Bridge, error) {
	if o.Dialogs == nil && !o.Publish || o.Sender == nil || o.Template == nil {
		return nil, fmt.Errorf("bridge: Dialogs, Sender and Template must be given")
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Meter == nil {
		o.Meter = noMeter{}
	}
	if o.CSeq == "" || o.Publish {
		o.CSeq = CSeqClock
	}
	if o.Drain <= 0 {
		o.Drain = defaultDrain
	}
	b := &Bridge{o: o, log: o.Log, ids: newIDSource(), started: time.Now(), wake: make(chan struct{}, 1),
		ended: make(chan struct{}), relist: make(chan struct{}, 1), resends: make(chan request, maxResends)}
	b.publications.ledger = o.Ledger
	b.ledger = ledger{to: o.Ledger, log: o.Log, pending: make(map[watchers.Key]watchers.Acked)}
	b.live.Store(o.Live.withDefaults())
	b.ami = AMIStatus{Address: o.AMI.Address, Since: b.started}
	b.loop.most, b.loop.lookups, b.loop.share, b.loop.surveyLeast = maxBatch, 1, 1, surveyLeast
	b.desired.mailboxes = make(map[watchers.AoR]*mailbox)
	return b, nil
}

func (l Live) withDefaults() *Live {
	if l.Domain == nil {
		l.Domain = func(context string) (string, bool) { return context, context != "" }
	}
	if l.Rate <= 0 {
		l.Rate = defaultRate
	}
	if l.Expires <= 0 {
		l.Expires = time.Hour
	}
	if l.PollInterval <= 0 {
		l.PollInterval = defaultPoll
	}
	return &l
}

// Reload takes other settings over, from the next NOTIFY on. As a mailbox may
// belong to another domain now, every mailbox is read again.
func (b *Bridge) Reload(l Live) {
	b.live.Store(l.withDefaults())
	select {
	case b.relist <- struct{}{}:
	default:
	}
}

// Debug has every NOTIFY logged whole, but for credentials, or no longer.
func (b *Bridge) Debug(on bool) { b.debug.Store(on) }

// Run works until ctx ends, then lets what is under way finish, for at most
// Options.Drain, and returns.
func (b *Bridge) Run(ctx context.Context) {
	var tasks sync.WaitGroup
	tasks.Go(func() { b.runSessions(ctx) })
	if !b.o.Publish {
		tasks.Go(func() { b.runWatch(ctx) })
	}
	looping, loopEnds := context.WithCancel(context.WithoutCancel(ctx))
	tasks.Go(func() { b.ledger.run(looping) })
	b.runLoop(ctx)
	loopEnds() // the ledger takes the last acknowledgements along
	tasks.Wait()
}

// poke wakes the loop. It never blocks.
func (b *Bridge) poke() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// post has the loop run f. It never blocks.
func (b *Bridge) post(f func()) {
	b.mu.Lock()
	b.posted = append(b.posted, f)
	b.mu.Unlock()
	b.poke()
}

// ErrStopped is the answer to what is asked of a bridge that has stopped.
var ErrStopped = errors.New("the bridge has stopped")

// ask has the loop run f and waits until it has.
func (b *Bridge) ask(ctx context.Context, f func()) error {
	done := make(chan struct{})
	b.post(func() {
		f()
		close(done)
	})
	select {
	case <-done:
		return nil
	case <-b.ended:
		return ErrStopped
	case <-ctx.Done():
		return fmt.Errorf("the bridge does not answer: %w", context.Cause(ctx))
	}
}

type noMeter struct{}

func (noMeter) Received()                      {}
func (noMeter) LookedUp(time.Duration, bool)   {}
func (noMeter) Notified(string, time.Duration) {}
func (noMeter) Acknowledged(time.Duration)     {}
func (noMeter) CSeqConflict()                  {}
