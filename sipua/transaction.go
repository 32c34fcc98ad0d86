package sipua

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// ErrTimeout is that of an Outcome without an answer.
var ErrTimeout = errors.New("no final response within Timer F (64*T1)")

const shardCount = 64 // locks that transactions are spread over, by key

// transaction is a non-INVITE client transaction (RFC 3261 17.1.2): a branch, sent to one target. It is in its shard's map
// while it lives; whoever takes it out has the right and the duty to say how it ended.
type transaction struct {
	call  *call
	key   uint64
	to    target
	conn  *stream // nil over UDP
	grown bool    // over TCP because it is too long for UDP
	msg   []byte  // never written to again, so that it may be sent without a lock

	// Under the shard's lock.
	timer      *time.Timer
	elapsed    time.Duration // since the first sending, at the timer's last expiry
	wait       time.Duration // until the timer expires: the nearer of E and F
	interval   time.Duration // Timer E's present value
	proceeding bool          // a provisional response came
	sent       int
}

type shard struct {
	mu     sync.Mutex
	live   map[uint64]*transaction
	closed bool
}

func (u *UA) shard(key uint64) *shard { return &u.shards[key%shardCount] }

// branch is the magic cookie and the key (RFC 3261 8.1.1.7).
func branch(key uint64) string {
	b := [23]byte{'z', '9', 'h', 'G', '4', 'b', 'K'}
	var k [8]byte
	for i := range k {
		k[i] = byte(key >> (56 - 8*i))
	}
	hex.Encode(b[7:], k[:])
	return string(b[:])
}

// branchKey is branch's inverse. Branches are compared without regard to case (7.3.1).
func branchKey(b []byte) (key uint64, ok bool) {
	if len(b) != 23 || !strings.EqualFold(string(b[:7]), "z9hG4bK") {
		return 0, false
	}
	var k [8]byte
	if _, err := hex.Decode(k[:], b[7:]); err != nil {
		return 0, false
	}
	for _, c := range k {
		key = key<<8 | uint64(c)
	}
	return key, true
}

// begin makes a transaction live and starts its timers. Only a closed UA refuses, or a key already in use.
func (u *UA) begin(t *transaction) error {
	f := u.cfg.Timers.f()
	s := u.shard(t.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if s.live[t.key] != nil {
		return fmt.Errorf("branch %s is in use", branch(t.key))
	}
	t.wait, t.interval, t.sent = f, f, 1
	if t.conn == nil {
		t.interval = u.cfg.Timers.T1
		t.wait = min(t.interval, f)
	}
	s.live[t.key] = t
	t.timer = time.AfterFunc(t.wait, t.tick)
	return nil
}

// take ends a live transaction. It is true for one caller only.
func (u *UA) take(t *transaction) bool {
	s := u.shard(t.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live[t.key] != t {
		return false
	}
	s.remove(t)
	return true
}

func (s *shard) remove(t *transaction) {
	delete(s.live, t.key)
	t.timer.Stop()
}

// close removes every transaction and lets no other begin.
func (s *shard) close() []*transaction {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	var all []*transaction
	for _, t := range s.live {
		s.remove(t)
		all = append(all, t)
	}
	return all
}

// tick is Timers E and F: the next retransmission, or the end.
func (t *transaction) tick() {
	u := t.call.ua
	s := u.shard(t.key)
	s.mu.Lock()
	if s.live[t.key] != t {
		s.mu.Unlock()
		return
	}
	t.elapsed += t.wait
	if t.elapsed >= u.cfg.Timers.f() {
		s.remove(t)
		s.mu.Unlock()
		t.call.lost(t, ErrTimeout)
		return
	}
	t.backOff(u.cfg.Timers)
	t.sent++
	t.timer.Reset(t.wait)
	s.mu.Unlock()
	u.transmit(t)
}

// backOff chooses the time to the next retransmission. A provisional response leaves a running Timer E as it is, and makes
// it T2 from its next expiry on (17.1.2.2).
func (t *transaction) backOff(timers Timers) {
	t.interval = min(2*t.interval, timers.T2)
	if t.proceeding {
		t.interval = timers.T2
	}
	t.wait = min(t.interval, timers.f()-t.elapsed)
}

// transmit hands the message to the transport; an error ends the transaction (17.1.4).
func (u *UA) transmit(t *transaction) {
	var err error
	if t.conn != nil {
		err = t.conn.send(t.msg)
	} else {
		_, err = u.udp.WriteToUDPAddrPort(t.msg, t.to.addr)
	}
	if err != nil && u.take(t) {
		t.call.lost(t, err)
	}
}

// receive takes one message off the wire. What matches no transaction by branch and CSeq method is dropped, and so is a
// response with more than one Via (8.1.3.3, 17.1.3).
func (u *UA) receive(b []byte) {
	r, ok := parseResponse(b)
	if !ok || r.vias != 1 {
		return
	}
	key, ok := branchKey(r.branch)
	if !ok {
		return
	}
	s := u.shard(key)
	s.mu.Lock()
	t := s.live[key]
	if t == nil || t.call.req.Method != string(r.method) {
		s.mu.Unlock()
		return
	}
	if r.status < 200 {
		t.proceeding = true
		s.mu.Unlock()
		return
	}
	s.remove(t)
	s.mu.Unlock()
	t.call.answered(t, r)
}

// loseAll ends the transactions of a connection that is gone.
func (u *UA) loseAll(conn *stream, err error) {
	var gone []*transaction
	for i := range u.shards {
		s := &u.shards[i]
		s.mu.Lock()
		for _, t := range s.live {
			if t.conn == conn {
				s.remove(t)
				gone = append(gone, t)
			}
		}
		s.mu.Unlock()
	}
	for _, t := range gone {
		t.call.lost(t, err)
	}
}
