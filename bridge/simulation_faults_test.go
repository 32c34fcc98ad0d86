package bridge

import (
	"context"
	"time"
)

// step has something happen.
func (s *simulation) step() {
	s.attend()
	r := s.rnd
	m := s.boxes[r.IntN(len(s.boxes))]
	switch what := r.IntN(100); {
	case what < 38:
		s.lock(func() { s.toggle(m) })
	case what < 58:
		s.lock(func() { s.subscription(m) })
	case what < 74:
		s.lock(s.weather)
	case what < 84:
		s.lock(s.database)
	case what < 90:
		s.line()
	case what < 93:
		s.force(m)
	case what < 98:
		s.kill(r.IntN(12))
	default:
		s.stop()
	}
}

// toggle changes a mailbox, or two at once.
func (s *simulation) toggle(m *simBox) {
	switch s.rnd.IntN(20) {
	case 0:
		s.change(m, false)
	case 1:
		if m.removed = !m.removed; m.removed {
			m.new, m.old, m.hidden = 0, 0, true
			m.version++
			s.tell("%s is removed", m.aor.User)
			return
		}
	}
	s.change(m, true)
}

// subscription has a phone do something, or its row.
func (s *simulation) subscription(m *simBox) {
	r := s.rnd
	if len(s.dialogs) < 4*len(s.boxes) && r.IntN(6) == 0 {
		s.subscribe(m)
		return
	}
	d := s.dialogs[r.IntN(len(s.dialogs))]
	row := s.store.rows[d.key]
	switch r.IntN(12) {
	case 0: // a phone that has rebooted leaves its row
		s.tell("%v: the phone reboots", d)
		d.known = false
		if len(s.dialogs) < 6*len(s.boxes) {
			s.subscribe(d.box)
		}
	case 1, 2:
		d.off = !d.off
		s.tell("%v: the phone is off: %v", d, d.off)
	case 3, 4: // a row goes, and another day it is back
		if row != nil {
			d.lost = row
			delete(s.store.rows, d.key)
			s.tell("%v: its row goes", d)
		} else if d.lost != nil && d.known && d.late == 0 {
			s.put(d, d.lost.Dialog)
			d.lost = nil
			s.tell("%v: its row is back", d)
		}
	case 5: // the phone's last breath
		if row != nil && r.IntN(2) == 0 {
			delete(s.store.rows, d.key)
			d.known, d.lost = false, nil
			s.tell("%v: unsubscribed", d)
		}
	case 6:
		if row != nil {
			changed := row.Dialog
			changed.Status = 1 + r.IntN(4)
			s.put(d, changed)
			s.tell("%v: status %d", d, changed.Status)
		}
	case 7: // it is about to expire
		if row != nil && d.late == 0 {
			changed := row.Dialog
			changed.Expires = time.Now().Unix() + int64(r.IntN(10))
			changed.RemoteCSeq++
			d.remote++
			s.put(d, changed)
			s.tell("%v: ends at %d", d, changed.Expires)
		}
	default:
		if d.known && !d.off && d.lost == nil {
			s.tell("%v: the phone subscribes again", d)
			s.refresh(d)
			if r.IntN(4) == 0 {
				s.change(d.box, true) // at the very same time
			}
		}
	}
}

// weather changes the network or the proxy.
func (s *simulation) weather() {
	r := s.rnd
	if r.IntN(3) == 0 {
		s.net = simNet{sends: s.net.sends}
	}
	n := &s.net
	switch r.IntN(9) {
	case 0:
		n.dead = !n.dead
	case 1:
		n.full = !n.full
	case 2:
		n.loss = r.IntN(60)
	case 3:
		n.slow = time.Duration(r.Int64N(int64(5 * time.Second)))
	case 4:
		n.twice = r.IntN(100)
	case 5:
		n.odd = r.IntN(30)
	case 6:
		n.asks = !n.asks
	case 7:
		n.strays = r.IntN(40)
	case 8:
		if s.plan.skew {
			s.clock = time.Duration(r.Int64N(int64(20*time.Minute))) - 10*time.Minute
		}
	}
	s.tell("network: %+v, the proxy's clock %v", *n, s.clock)
}

// database changes how the database is.
func (s *simulation) database() {
	r, st := s.rnd, &s.store
	switch r.IntN(6) {
	case 0:
		st.failing = !st.failing
	case 1:
		st.hanging = !st.hanging
	case 2:
		st.slow = time.Duration(r.Int64N(int64(2 * time.Second)))
	case 3:
		if s.life != nil {
			s.life.deafen()
		}
	default:
		st.failing, st.hanging, st.slow = false, false, 0
	}
	s.tell("database: failing %v, hanging %v, slow %v", st.failing, st.hanging, st.slow)
}

// line changes the connection to Asterisk.
func (s *simulation) line() {
	switch {
	case s.asterisk.link == nil:
		s.connect()
	case s.rnd.IntN(3) == 0:
		s.lock(func() { s.asterisk.link.short = true })
		s.disconnect("a list will be short")
		s.connect()
		s.lock(func() {
			if s.asterisk.link != nil {
				s.asterisk.link.short = true
			}
		})
	default:
		s.disconnect("the cable")
	}
}

// force is an operator's wish, who does not wait for long.
func (s *simulation) force(m *simBox) {
	l := s.life
	if l == nil || l.isDead() {
		return
	}
	s.lock(func() {
		s.tell("an operator has %s told again", m.aor.User)
		for _, d := range s.dialogs {
			if d.box == m {
				l.flight(d).forced = time.Now().Add(2 * time.Minute)
			}
		}
	})
	l.run.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Second)
		defer cancel()
		_, _ = l.b.Notify(ctx, m.aor.User, m.aor.Domain, nil)
	})
}

// heal ends every fault. Asterisk says all that the bridge could not hear.
func (s *simulation) heal() {
	s.attend()
	for s.life == nil || s.life.isDead() {
		time.Sleep(time.Second)
		s.attend()
	}
	hidden := false
	s.lock(func() {
		s.tell("every fault is over")
		s.life.fuse = 0
		s.net = simNet{sends: s.net.sends}
		s.store.failing, s.store.hanging, s.store.slow = false, false, 0
		for _, d := range s.dialogs {
			d.off = false
		}
		for _, m := range s.boxes {
			hidden = hidden || m.hidden
			if m.realtime && !m.removed && s.asterisk.link != nil {
				s.write(s.said(m, false))
			}
		}
	})
	if hidden || s.asterisk.link == nil {
		s.disconnect("to read what changed in silence")
		s.connect()
		s.lock(func() {
			for _, m := range s.boxes {
				if m.realtime && !m.removed {
					s.write(s.said(m, false))
				}
			}
		})
	}
}

// lastAct has mailboxes change to and fro and phones subscribe again, after the
// list was read for the last time, so that no list mends what goes wrong here:
// over a slow network that loses some, or over a good one just before the
// clock's next second.
func (s *simulation) lastAct() {
	r := s.rnd
	time.Sleep(5 * time.Second) // for the list
	if r.IntN(2) == 0 {
		s.lock(func() {
			s.net.slow, s.net.loss, s.net.odd = 3*time.Second, r.IntN(30), r.IntN(60)
			s.net.dead, s.store.failing = r.IntN(2) == 0, r.IntN(4) == 0
		})
	}
	for range r.IntN(20) {
		time.Sleep(time.Duration(r.Int64N(int64(3 * time.Second))))
		s.lock(func() {
			for range 1 + r.IntN(3) {
				s.change(s.boxes[r.IntN(len(s.boxes))], true)
			}
			if d := s.dialogs[r.IntN(len(s.dialogs))]; r.IntN(2) == 0 && s.subscribed(d) {
				s.refresh(d)
			}
		})
	}
	if s.net.dead {
		time.Sleep(time.Duration(r.Int64N(int64(time.Minute)))) // some transactions end before it is back
	}
	s.lock(func() { s.net, s.store.failing = simNet{sends: s.net.sends}, false })
	now := time.Now()
	time.Sleep(now.Truncate(time.Second).Add(2*time.Second - time.Duration(r.Int64N(int64(20*time.Millisecond)))).Sub(now))
	s.lock(func() {
		for _, d := range s.dialogs {
			if r.IntN(4) == 0 && s.subscribed(d) {
				s.tell("%v: the phone subscribes again, the last", d)
				s.refresh(d)
				if r.IntN(2) == 0 {
					s.change(d.box, true)
				}
			}
		}
	})
}

// subscribed tells whether a phone and the proxy know of each other.
func (s *simulation) subscribed(d *simDialog) bool {
	return d.known && s.store.rows[d.key] != nil && d.late == 0
}
