package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"zonkeymwi/ami"
	"zonkeymwi/watchers"
)

// simBox is a mailbox. Its version counts its states.
type simBox struct {
	n        int
	aor      watchers.AoR
	realtime bool // never listed
	removed  bool
	new, old int
	version  int
	hidden   bool // has changed without an event since it was last listed or told
}

func (m *simBox) counts() string { return fmt.Sprintf("%d/%d", m.new, m.old) }
func (m *simBox) messages() ami.Counts {
	urgent := urgentOf(m.new)
	return ami.Counts{New: m.new - urgent, Old: m.old, Urgent: urgent}
}

// urgentOf is how many of the new messages are urgent.
func urgentOf(new int) int { return (new + 1) / 2 }

func (m *simBox) name() string { return m.aor.User + "@" + m.aor.Domain }

// simAsterisk is the connection to it; nil while there is none.
type simAsterisk struct{ link *simLink }

// simLink is one AMI connection: what Asterisk writes comes in that order.
type simLink struct {
	s      *simulation
	life   *simLife
	before chan struct{} // closed when the session before it was over; nil: there was none
	over   chan struct{}
	cut    chan struct{}
	read   chan struct{} // closed when what was read before the cut has been taken
	queue  []func()
	ready  chan struct{} // holds one token when the queue has something
	short  bool          // the next list misses an entry
}

func (s *simulation) addBox(n int) {
	m := &simBox{n: n, aor: watchers.AoR{User: fmt.Sprint(200 + n), Domain: "example.com"}, realtime: s.rnd.IntN(8) == 0}
	s.boxes = append(s.boxes, m)
}

// change gives a mailbox another state; loud is with an event.
func (s *simulation) change(m *simBox, loud bool) {
	if m.removed {
		return
	}
	m.version++
	if a := s.plan.aspects; a > 0 {
		m.new, m.old = s.rnd.IntN(a+1), 0
	} else {
		m.new, m.old = m.version, s.rnd.IntN(3)
	}
	s.tell("%s holds %s (version %d), event %v", m.aor.User, m.counts(), m.version, loud)
	if !loud || !s.write(s.said(m, false)) {
		m.hidden = true
	}
}

// said is Asterisk's message about a mailbox as it is now.
func (s *simulation) said(m *simBox, listed bool) func() {
	box := ami.Mailbox{Name: m.name(), New: m.new, Old: m.old, Listed: listed}
	h := heard{version: m.version, counts: m.counts()}
	l := s.life
	return func() {
		s.lock(func() { l.told[m] = append(l.told[m], h) })
		l.hear(m, box)
	}
}

// write sends something over AMI, and tells whether there was a connection.
func (s *simulation) write(f func()) bool {
	k := s.asterisk.link
	if k == nil || s.life == nil || s.life.dead {
		return false
	}
	k.queue = append(k.queue, f)
	select {
	case k.ready <- struct{}{}:
	default:
	}
	return true
}

// hear has the bridge take a message, and checks that it took it and no time.
func (l *simLife) hear(m *simBox, box ami.Mailbox) {
	start := time.Now()
	if box.Listed && l.n%2 == 0 { // every other life asks the ledger for all, after each entry
		l.b.mu.Lock()
		l.b.desired.listed = true
		l.b.mu.Unlock()
	}
	l.b.mailbox(box)
	l.b.mu.Lock()
	took := l.b.desired.mailboxes[m.aor]
	ok := took != nil && took.known && took.want.new == clamp(box.New) && took.want.old == clamp(box.Old)
	l.b.mu.Unlock()
	l.s.lock(func() {
		if waited := time.Since(start); waited > 0 {
			l.s.fail("AMI's reader waited %v for the bridge", waited)
		}
		if !ok {
			l.s.fail("an event of %s was dropped", m.aor.User)
		}
	})
}

// connect makes an AMI connection, over which the bridge reads every mailbox.
func (s *simulation) connect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life == nil || s.life.dead || s.asterisk.link != nil {
		return
	}
	k := &simLink{s: s, life: s.life, before: s.life.session, cut: make(chan struct{}), read: make(chan struct{}), ready: make(chan struct{}, 1), over: make(chan struct{})}
	s.asterisk.link, s.life.session = k, k.over
	s.tell("AMI is connected")
	s.life.run.Go(k.serve)
}

// disconnect loses the connection with what Asterisk has written and nobody has
// read.
func (s *simulation) disconnect(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.asterisk.link; k != nil {
		s.asterisk.link = nil
		k.queue = nil
		close(k.cut)
		for _, m := range s.boxes {
			m.hidden = true // for all that the bridge has heard
		}
		s.tell("AMI is lost: %s", why)
	}
}

// reader is AMI's.
func (k *simLink) reader() {
	defer close(k.read)
	r := k.s.roll("read", uint64(k.life.n), uint64(time.Now().UnixNano()))
	for {
		select {
		case <-k.cut:
			return
		case <-k.ready:
		}
		for {
			var f func()
			k.s.lock(func() {
				if len(k.queue) > 0 {
					f, k.queue = k.queue[0], k.queue[1:]
				}
			})
			if f == nil {
				break
			}
			f()
			time.Sleep(time.Duration(r.Int64N(int64(2 * time.Millisecond))))
		}
	}
}

// serve is a session, which begins when the one before it has ended.
func (k *simLink) serve() {
	defer close(k.over)
	if k.before != nil {
		<-k.before
	}
	k.life.run.Go(k.reader)
	defer k.life.b.employ(context.Background(), k)()
	_ = k.life.b.stay(context.Background(), k)
}

var errCut = errors.New("the connection is cut")

func (k *simLink) Done() <-chan struct{} { return k.read }
func (k *simLink) Err() error            { return errCut }

func (k *simLink) SendUserEvent(context.Context, string, ...ami.Header) error { return nil }

// wait is the time until Asterisk has answered, at most d.
func (k *simLink) wait(ctx context.Context, d time.Duration, what string, n uint64) error {
	r := k.s.roll(what, n, uint64(k.life.n), uint64(time.Now().UnixNano()))
	select {
	case <-time.After(time.Duration(r.Int64N(int64(d)))):
		return nil
	case <-k.cut:
		return errCut
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Mailboxes has Asterisk write every mailbox, one after the other, and returns
// when the list's end was read.
func (k *simLink) Mailboxes(ctx context.Context) (n int, err error) {
	s := k.s
	absent := map[*simBox]int{}
	r := s.roll("list", uint64(k.life.n), uint64(time.Now().UnixNano()))
	for _, m := range s.boxes {
		s.lock(func() {
			switch {
			case m.removed:
				absent[m] = m.version
			case m.realtime:
			case k.short && r.IntN(2) == 0:
				err, k.short = ami.ErrIncomplete, false
			default:
				m.hidden = false
				n++
				s.write(s.said(m, true))
			}
		})
		time.Sleep(time.Duration(r.Int64N(int64(50 * time.Millisecond))))
	}
	end := make(chan struct{})
	s.lock(func() {
		if s.asterisk.link == k {
			s.write(func() { close(end) })
		}
	})
	select {
	case <-end:
	case <-k.cut:
		return n, errCut
	}
	if err != nil {
		return n, err
	}
	s.lock(func() {
		s.totals.resyncs++
		for m, version := range absent {
			if !m.realtime && k.life.knows(m) {
				k.life.told[m] = append(k.life.told[m], heard{version: version, counts: "0/0"})
			}
		}
		s.tell("every mailbox was listed, %d are gone", len(absent))
	})
	return n, nil
}

// MailboxCount is answered with what the mailbox holds when it is asked for.
func (k *simLink) MailboxCount(ctx context.Context, name string) (c ami.Counts, err error) {
	m := k.s.boxOf(name)
	var h heard
	k.s.lock(func() {
		c, h = m.messages(), heard{m.version, m.counts(), m.counts() == "0/0"}
		m.hidden = false
	})
	if err := k.wait(ctx, 20*time.Millisecond, "count", uint64(m.n)); err != nil {
		return c, err
	}
	k.s.lock(func() { k.life.told[m] = append(k.life.told[m], h) })
	return c, nil
}

// MailboxCounts is answered in time, or not.
func (k *simLink) MailboxCounts(ctx context.Context, names []string) map[string]ami.Counts {
	found := make(map[string]ami.Counts)
	for _, name := range names {
		m := k.s.boxOf(name)
		var c ami.Counts
		k.s.lock(func() { c = m.messages() })
		if k.wait(ctx, urgentTime/2, "counts", uint64(m.n)) == nil {
			found[name] = c
		}
	}
	return found
}

func (s *simulation) boxOf(name string) *simBox {
	return s.boxes[slices.IndexFunc(s.boxes, func(m *simBox) bool { return m.name() == name })]
}
