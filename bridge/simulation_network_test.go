package bridge

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"zonkeymwi/sipua"
)

// simNet is the network and the proxy, as they are now.
type simNet struct {
	dead   bool // the proxy answers nothing
	full   bool // it answers 503
	loss   int  // per cent, of requests and of answers, with all their repetitions
	odd    int  // per cent of other refusals
	slow   time.Duration
	twice  int  // per cent of NOTIFYs that come twice
	asks   bool // it challenges
	sends  uint64
	strays int // per cent that come after their transaction's end
}

// simNotify is a NOTIFY under way.
type simNotify struct {
	life    *simLife
	d       *simDialog
	cseq    uint32
	counts  string
	version int
	stamp   stamp
	taken   bool
	done    func(sipua.Outcome)
}

const (
	transactionTime = 32 * time.Second
	proxyTime       = 30 * time.Second // after which it answers 408 for a silent phone
)

func (n *simNet) way(r *rand.Rand) time.Duration {
	way := time.Duration(100+r.IntN(int(5*time.Millisecond/time.Microsecond))) * time.Microsecond
	if n.slow > 0 {
		way += time.Duration(r.Int64N(int64(n.slow)))
	}
	return way
}

func (n *simNet) loses(r *rand.Rand) bool { return r.IntN(100) < n.loss }

// Send is the bridge's way out.
func (l *simLife) Send(r sipua.Request, done func(sipua.Outcome)) {
	s := l.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if !l.steps() {
		return
	}
	s.net.sends++
	rnd := s.roll("send", s.net.sends)
	cseq := r.CSeq
	challenged := s.net.asks && rnd.IntN(2) == 0
	if challenged {
		cseq++ // the second attempt is what the phone sees
	}
	msg, err := r.Render(nil, sipua.Attempt{Transport: "UDP", SentBy: "192.0.2.10:5070", Branch: "z9hG4bKsim", CSeq: cseq})
	if err != nil {
		s.fail("a NOTIFY could not be rendered: %v", err)
		return
	}
	n := s.parse(string(msg))
	if n == nil {
		return
	}
	n.life, n.done = l, done
	n.d.climbed = n.d.climbed || challenged && s.plan.mode == CSeqDatabase
	s.checkSent(n, r.CSeq)
	s.tell("life %d sends %v %s (version %d), CSeq %d", l.n, n.d, n.counts, n.version, n.cseq)
	s.carry(n, rnd)
	if n.cseq != cseq {
		s.fail("%v: CSeq %d was rendered for %d", n.d, n.cseq, cseq)
	}
}

// parse finds the dialog and the counts of a NOTIFY.
func (s *simulation) parse(msg string) *simNotify {
	value := func(header string) string {
		_, v, _ := strings.Cut(msg, "\r\n"+header+": ")
		v, _, _ = strings.Cut(v, "\r\n")
		return v
	}
	n := new(simNotify)
	number, _, _ := strings.Cut(value("CSeq"), " ")
	cseq, _ := strconv.ParseUint(number, 10, 31)
	n.cseq = uint32(cseq)
	var new, old, urgent int
	if _, err := fmt.Sscanf(value("Voice-Message"), "%d/%d (%d/0)", &new, &old, &urgent); err != nil || urgent != 0 && urgent != urgentOf(new) {
		s.fail("%d of %d messages urgent, which Asterisk never said:\n%s", urgent, new, msg)
	}
	n.counts = fmt.Sprintf("%d/%d", new, old)
	if n.d = s.dialogOf(value("Call-ID")); n.d == nil || cseq == 0 {
		s.fail("strange NOTIFY:\n%s", msg)
		return nil
	}
	if !strings.HasSuffix(value("From"), ";tag="+n.d.key.ToTag) || !strings.HasSuffix(value("To"), ";tag="+n.d.key.FromTag) {
		s.fail("%v: the tags of another dialog:\n%s", n.d, msg)
	}
	return n
}

func (s *simulation) dialogOf(callID string) *simDialog {
	i, err := strconv.Atoi(strings.TrimPrefix(callID, "d"))
	if err != nil || i >= len(s.dialogs) {
		return nil
	}
	return s.dialogs[i]
}

// carry decides what becomes of a NOTIFY.
func (s *simulation) carry(n *simNotify, r *rand.Rand) {
	net := &s.net
	there, back := net.way(r), net.way(r)
	if r.IntN(100) < net.strays {
		there += time.Duration(r.Int64N(int64(50 * time.Second)))
	}
	switch {
	case net.dead, net.loses(r) && r.IntN(3) == 0: // nothing comes back, be it that something got there
		s.end1(n, transactionTime, sipua.Outcome{Class: sipua.NoAnswer, Err: errors.New("no answer")})
		if net.dead || r.IntN(2) == 0 {
			return
		}
		s.arrive(n, there, func(int) {})
		return
	case net.full && r.IntN(2) == 0:
		s.end1(n, back, sipua.Outcome{Class: sipua.TryLater, Status: 503, RetryAfter: time.Duration(r.IntN(90)) * time.Second})
		return
	case r.IntN(100) < net.odd:
		o := sipua.Outcome{Class: sipua.Refused, Status: 603}
		if r.IntN(3) == 0 { // a proxy that has lost its mind: the bridge must believe it
			o = outcomeOf(481)
		}
		s.end1(n, back, o)
		return
	case net.loses(r): // between proxy and phone
		s.end1(n, proxyTime, sipua.Outcome{Class: sipua.NoAnswer, Status: 408})
		return
	}
	lost := net.loses(r)
	s.arrive(n, there, func(status int) {
		switch {
		case status == 0, lost: // a phone that is off, an answer that is lost
			s.end1(n, max(0, proxyTime-there), sipua.Outcome{Class: sipua.NoAnswer, Status: 408})
		case there+back > transactionTime:
			s.end1(n, max(0, transactionTime-there), sipua.Outcome{Class: sipua.NoAnswer, Err: errors.New("no answer")})
		default:
			s.end1(n, back, outcomeOf(status))
		}
	})
	if r.IntN(100) < net.twice {
		s.arrive(n, there+time.Duration(r.Int64N(int64(time.Minute))), func(int) {})
	}
}

func outcomeOf(status int) sipua.Outcome {
	class := map[int]sipua.Class{200: sipua.Acknowledged, 481: sipua.DialogGone, 500: sipua.CSeqTooLow}[status]
	return sipua.Outcome{Class: class, Status: status}
}

// arrive has a phone answer a NOTIFY; 0 where it does not.
func (s *simulation) arrive(n *simNotify, after time.Duration, then func(status int)) {
	time.AfterFunc(after, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch {
		case n.d.off:
			then(0)
		case s.isGhost(n):
			then(0)
		default:
			then(s.accept(n.d, n))
		}
	})
}

// isGhost tells whether a NOTIFY of a killed bridge must not come any more, as
// the number of its successor's may have been lower (plan.ghosts).
func (s *simulation) isGhost(n *simNotify) bool {
	return n.life != s.life && (!s.plan.ghosts || n.d.climbed)
}

// end1 ends a transaction, once, unless the bridge is dead.
func (s *simulation) end1(n *simNotify, after time.Duration, o sipua.Outcome) {
	done := n.done
	if done == nil {
		return
	}
	n.done = nil
	o.CSeq = n.cseq
	time.AfterFunc(after, func() {
		ok := false
		s.lock(func() {
			if ok = n.life.steps(); ok {
				s.noteOutcome(n, &o)
			}
		})
		if ok {
			done(o)
		}
	})
}
