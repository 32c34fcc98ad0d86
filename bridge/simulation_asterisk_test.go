package bridge

import (
	"fmt"
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
func (m *simBox) name() string   { return m.aor.User + "@" + m.aor.Domain }

// simAsterisk is the connection to it; nil while there is none.
type simAsterisk struct{ link *simLink }

// simLink is one AMI connection: what Asterisk writes comes in that order.
type simLink struct {
	s     *simulation
	life  *simLife
	cut   chan struct{}
	queue []func()
	ready chan struct{} // holds one token when the queue has something
	short bool          // the next list misses an entry
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
	h := heard{m.version, m.counts()}
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
	l.b.mu.Lock()
	l.b.desired.listed = box.Listed && l.n%2 == 0 // every other life asks the ledger for all, after each entry
	l.b.mu.Unlock()
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
	k := &simLink{s: s, life: s.life, cut: make(chan struct{}), ready: make(chan struct{}, 1)}
	s.asterisk.link = k
	s.tell("AMI is connected")
	s.life.run.Go(k.read)
	s.life.run.Go(k.stay)
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

// read is AMI's reader.
func (k *simLink) read() {
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

// stay does what Bridge.stay and Bridge.resync do with an *ami.Session, which
// cannot be had in a bubble.
func (k *simLink) stay() {
	for failures := 0; ; {
		wait := resyncEvery
		if k.resync() {
			failures = 0
		} else {
			wait = min(lastResyncGap, time.Second<<min(failures, 8))
			failures++
		}
		select {
		case <-time.After(wait):
		case <-k.life.b.relist:
		case <-k.cut:
			return
		}
	}
}

func (k *simLink) resync() bool {
	s, b := k.s, k.life.b
	select {
	case <-k.cut: // the bridge has one session at a time: no round may begin in an old one
		return false
	default:
	}
	b.mu.Lock()
	b.desired.round++
	b.mu.Unlock()
	complete, absent, ok := k.list()
	if !ok || !complete {
		return false
	}
	if !k.readUnlisted() {
		return false
	}
	s.lock(func() {
		s.totals.resyncs++
		for m, version := range absent {
			if told := k.life.told[m]; len(told) > 0 && !m.realtime {
				k.life.told[m] = append(told, heard{version, "0/0"})
			}
		}
	})
	b.mu.Lock()
	gone := b.desired.vanished(b.ids.next)
	b.mu.Unlock()
	if len(gone) > 0 {
		b.poke()
	}
	s.lock(func() { s.tell("every mailbox was read, %d are gone", len(gone)) })
	return true
}

// list has Asterisk write every mailbox, one after the other, and returns when
// its end was read: whether it was complete, and which mailboxes it had no more.
func (k *simLink) list() (complete bool, absent map[*simBox]int, ok bool) {
	s := k.s
	absent = map[*simBox]int{}
	r := s.roll("list", uint64(k.life.n), uint64(time.Now().UnixNano()))
	complete = true
	for _, m := range s.boxes {
		s.lock(func() {
			switch {
			case m.removed:
				absent[m] = m.version
			case m.realtime:
			case k.short && r.IntN(2) == 0:
				complete, k.short = false, false
			default:
				m.hidden = false
				s.write(s.said(m, true))
			}
		})
		time.Sleep(time.Duration(r.Int64N(int64(50 * time.Millisecond))))
	}
	end := make(chan struct{})
	s.lock(func() { ok = s.asterisk.link == k && s.write(func() { close(end) }) })
	if !ok {
		return false, nil, false
	}
	select {
	case <-end:
		return complete, absent, true
	case <-k.cut:
		return false, nil, false
	}
}

// readUnlisted does what Bridge.readUnlisted and agent.read do.
func (k *simLink) readUnlisted() bool {
	s, b := k.s, k.life.b
	for _, m := range s.boxes {
		b.mu.Lock()
		box := b.desired.mailboxes[m.aor]
		var before uint64
		if box != nil {
			before = box.version
		}
		asks := false
		if box != nil {
			x := box.box(m.name())
			asks = x != nil && x.round == 0
		}
		b.mu.Unlock()
		if !asks {
			continue
		}
		var holds counts
		var h heard
		s.lock(func() {
			holds, h = counts{new: clamp(m.new), old: clamp(m.old)}, heard{m.version, m.counts()}
			m.hidden = false
		})
		time.Sleep(time.Duration(s.roll("count", uint64(m.n), uint64(time.Now().UnixNano())).Int64N(int64(20 * time.Millisecond))))
		select {
		case <-k.cut:
			return false
		default:
		}
		s.lock(func() { k.life.told[m] = append(k.life.told[m], h) })
		b.mu.Lock()
		if box.version == before && !box.settled(m.name(), holds) {
			box.hold(m.name(), holds)
			b.desired.mark(box, paced, change{id: b.ids.next(), why: whyResync, received: time.Now()})
		}
		b.mu.Unlock()
		b.poke()
	}
	return true
}
