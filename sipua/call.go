package sipua

import (
	"bytes"
	"errors"
	"fmt"
	"time"
)

// maxUDP is the longest request that goes by UDP (RFC 3261 18.1.1).
const maxUDP = 1300

// call is one request on its way to its one Outcome, through as many transactions as that takes, one at a time. Nothing
// here needs a lock: only the transaction that just ended acts on it.
type call struct {
	ua      *UA
	req     Request
	done    func(Outcome)
	targets []target
	at      int // the current one
	cseq    uint32
	msg     []byte // as it was sent last
	sent    int    // by the transactions that ended

	// At the current target.
	auth        auth
	reconnected bool // a connection was lost once
	byUDP       bool // too long, but TCP could not be had
}

// start begins with the best target. Those that failed lately come last.
func (c *call) start(targets []target, err error) {
	if err != nil {
		c.fail(err)
		return
	}
	if len(targets) > 1 {
		targets = c.ua.avoided.last(targets)
	}
	c.targets = targets
	c.attempt()
}

// attempt sends to the current target, in a new transaction.
func (c *call) attempt() {
	u := c.ua
	t := &transaction{call: c, key: newKey(), to: c.targets[c.at]}
	c.preempt(t.to)
	msg, err := c.render(t)
	if err == nil && len(msg) > maxUDP && t.to.transport == "UDP" && !c.byUDP {
		if tcp := t.to.overTCP(); !u.avoided.now(tcp) {
			t.to, t.grown = tcp, true
			msg, err = c.render(t)
		}
	}
	if err != nil {
		c.refuse(err)
		return
	}
	t.msg, c.msg = msg, msg
	if t.to.transport != "UDP" {
		if t.conn, err = u.streams.to(t.to); err != nil {
			c.lost(t, err)
			return
		}
	}
	if err := u.begin(t); err != nil {
		c.lost(t, err)
		return
	}
	u.transmit(t)
}

// render makes the bytes for a transaction, in a buffer of just their size.
func (c *call) render(t *transaction) ([]byte, error) {
	if c.req.Render == nil {
		return nil, errors.New("a SIP request without Render")
	}
	sentBy, err := c.ua.origin.sentBy(t.to.addr)
	if err != nil {
		sentBy = c.ua.LocalAddr().String() // sending fails too, and says it better
	}
	a := Attempt{t.to.transport, sentBy, branch(t.key), c.cseq, c.auth.line}
	buf := c.ua.scratch.Get().(*[]byte)
	defer c.ua.scratch.Put(buf)
	b, err := c.req.Render(*buf, a)
	if err != nil {
		return nil, err
	}
	if !bytes.Contains(b, []byte(a.Branch)) {
		return nil, fmt.Errorf("the rendered %s has not the branch it was given: its Via must say %q", c.req.Method, ";branch="+a.Branch)
	}
	return bytes.Clone(b), nil
}

// lost is told of a transaction that ended without a final response (17.1.4): once more over a new connection, by UDP if
// it was TCP for its length alone, to the next target (RFC 3263 4.3), or no more.
func (c *call) lost(t *transaction, err error) {
	c.sent += t.sent
	if c.ua.closed.Load() {
		err = ErrClosed // whatever that made the transport say
	}
	if t.conn != nil && errors.Is(err, ErrTimeout) {
		t.conn.suspect()
	}
	var connect *connectError
	noConn := errors.As(err, &connect)
	switch {
	case errors.Is(err, ErrClosed):
		c.finish(Outcome{Class: NoAnswer, Target: t.to.name, Err: err})
	case errors.Is(err, errBroken) && !t.proceeding && !c.reconnected:
		c.reconnected = true
		c.attempt()
	case noConn && t.grown:
		c.ua.avoided.add(t.to, 0)
		c.byUDP = true
		c.attempt()
	case c.next(0):
		c.attempt()
	default:
		c.finish(Outcome{Class: NoAnswer, Target: t.to.name, Err: fmt.Errorf("%s: %w", t.to.name, err)})
	}
}

// answered is told of a final response.
func (c *call) answered(t *transaction, r response) {
	c.sent += t.sent
	var retryAfter time.Duration
	if r.status >= 300 {
		retryAfter = parseRetryAfter(r.get("Retry-After"))
	}
	var err error
	switch r.status {
	case 401, 407:
		if err = c.authorize(t, &r); err == nil {
			c.attempt()
			return
		}
	case 503:
		if c.next(retryAfter) {
			c.attempt()
			return
		}
	default:
		c.accepted(t.to)
	}
	c.finish(Outcome{
		Class: classify(r.status, retryAfter), Status: r.status, Reason: reasonText(r.reason), RetryAfter: retryAfter,
		Target: t.to.name, Err: err, Response: bytes.Clone(r.raw),
	})
}

// accepted notes that a target works, and so do the credentials it was shown.
func (c *call) accepted(to target) {
	if c.auth.challenge != nil {
		c.ua.nonces.keep(to, &c.auth)
	}
	if len(c.targets) > 1 {
		c.ua.avoided.remove(c.targets[c.at])
	}
}

// next moves on from a target that failed, if there is another one.
func (c *call) next(avoid time.Duration) bool {
	if len(c.targets) == 1 {
		return false
	}
	c.ua.avoided.add(c.targets[c.at], avoid)
	if c.at+1 == len(c.targets) {
		return false
	}
	c.at++
	c.auth, c.reconnected, c.byUDP = auth{}, false, false
	return true
}

// fail ends a request that could not be sent.
func (c *call) fail(err error) {
	if c.ua.closed.Load() {
		err = ErrClosed
	}
	c.finish(Outcome{Class: NoAnswer, Target: c.req.Target, Err: err})
}

// refuse ends a request that is itself at fault.
func (c *call) refuse(err error) { c.finish(Outcome{Class: Refused, Target: c.req.Target, Err: err}) }

func (c *call) finish(o Outcome) {
	o.CSeq, o.Sent, o.Request = c.cseq, c.sent, c.msg
	c.done(o)
	c.ua.release()
}
