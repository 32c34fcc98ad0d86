package bridge

import (
	"context"
	"sync"
	"time"
)

// simLife is one life of the bridge. It sees the world through this: when it has
// been killed, nothing that it still does has any effect.
type simLife struct {
	s      *simulation
	n      int // of its kind, from 1
	b      *Bridge
	cancel context.CancelFunc
	run    sync.WaitGroup

	// Guarded by simulation.mu.
	dead    bool
	fuse    int // steps until it is killed; 0: it is not
	seen    uint64
	session chan struct{}       // closed when the last AMI session was over; nil: there was none
	told    map[*simBox][]heard // what Asterisk said of a mailbox
	flies   map[*simDialog]*flight
	hears   chan struct{} // closed when the database's tidings are lost; nil: it does not listen
	news    []*simBox     // of which it is told
	stir    chan struct{}
}

// heard is a state of a mailbox as a life of the bridge heard it.
type heard struct {
	version int
	counts  string
	nothing bool // what Asterisk answers of a mailbox that there is not
}

// flight is what a life did to a dialog.
type flight struct {
	served   simRow // as the database last showed it
	shown    bool   // it has
	flying   bool
	cseq     uint32
	sentAt   time.Time
	once     *stamp    // the state of the row in which the phone said 481 once
	deadIn   *stamp    // the state of the row in which the phone said that the dialog is gone
	notUntil time.Time // a Retry-After
	forced   time.Time // until when an operator's wish may be served, which does not wait for it
	lows     int       // 500s in a row

	unwritten uint32 // CSeq that the ledger could not be told
}

func (l *simLife) flight(d *simDialog) *flight {
	f := l.flies[d]
	if f == nil {
		f = new(flight)
		l.flies[d] = f
	}
	return f
}

// steps counts a step of the bridge that has an effect, and tells whether it
// still has: this may be the one at which it is killed.
func (l *simLife) steps() bool {
	if l.fuse > 0 {
		if l.fuse--; l.fuse == 0 {
			l.die()
		}
	}
	return !l.dead
}

// die ends the bridge's power over the world, as kill -9 does.
func (l *simLife) die() {
	if !l.dead {
		l.dead = true
		l.s.totals.kills++
		l.s.tell("life %d is killed", l.n)
	}
}

// start begins a new life.
func (s *simulation) start() {
	s.lives++
	l := &simLife{s: s, n: s.lives, told: map[*simBox][]heard{}, flies: map[*simDialog]*flight{}, stir: make(chan struct{}, 1)}
	o := Options{Dialogs: l, Sender: l, CSeq: s.plan.mode, Listen: s.plan.listen, Live: Live{Template: testTemplate, Rate: 50}, Drain: 2 * time.Second}
	if s.plan.ledger {
		o.Ledger = l
	}
	var err error
	if l.b, err = New(o); err != nil {
		panic(err)
	}
	l.b.loop.surveyLeast = 1
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	s.lock(func() { s.life = l; s.tell("life %d begins", l.n) })
	l.run.Go(func() { l.b.Run(ctx) })
	s.connect()
}

// kill ends a life at once, or at one of its next steps.
func (s *simulation) kill(after int) {
	s.lock(func() {
		if s.life == nil || s.life.dead {
			return
		}
		if s.life.fuse = after; after == 0 {
			s.life.die()
		}
	})
}

// stop ends a life as an operator does.
func (s *simulation) stop() {
	if s.life == nil || s.life.dead {
		return
	}
	s.lock(func() { s.totals.stops++; s.tell("life %d is stopped", s.life.n) })
	s.bury()
}

// bury waits for what is left of a life, and says when the next begins.
func (s *simulation) bury() {
	l := s.life
	s.disconnect("the bridge is gone")
	l.cancel()
	l.run.Wait()
	s.lock(func() {
		l.dead = true
		s.life = nil
		for d, f := range l.flies {
			if f.unwritten > 0 && f.unwritten+1 >= f.cseq && s.store.ledger[d.key].CSeq < f.unwritten {
				d.claimed = true
			}
		}
		s.restartAt = time.Now().Add(2*time.Second + time.Duration(s.rnd.Int64N(int64(30*time.Second))))
	})
}

// attend buries and begins lives when it is time.
func (s *simulation) attend() {
	if s.life != nil && s.life.isDead() {
		s.bury()
	}
	if s.life == nil && !time.Now().Before(s.restartAt) {
		s.start()
	}
}

func (l *simLife) isDead() bool {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	return l.dead
}

// end is the end of the story.
func (s *simulation) end() {
	if s.life != nil {
		s.bury()
	}
}
