package sim

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Bank is many phones on one UDP socket, so that thousands cost one goroutine. Two phones of one user want a bank each:
// in one they would share a Contact, and a registrar would take them for the same phone.
type Bank struct {
	socket *socket

	mu       sync.Mutex
	byCallID map[string]*Phone // every dialog that a phone knows
	byUser   map[string]*Phone // for NOTIFYs of no known dialog: the phone that answers 481
	pending  map[string]chan *message
	answered recent[sent]

	changed changes
}

// sent is the answer a request got; an empty one is silence.
type sent struct {
	raw   []byte
	phone *Phone
	note  Notify
}

// NewBank opens a socket on bindIP, "" for 127.0.0.1, and port, 0 for any.
func NewBank(bindIP string, port int) (*Bank, error) {
	if bindIP == "" {
		bindIP = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(bindIP)
	if err != nil {
		return nil, fmt.Errorf("phones: %w", err)
	}
	b := &Bank{byCallID: map[string]*Phone{}, byUser: map[string]*Phone{}, pending: map[string]chan *message{}}
	b.socket, err = listen(netip.AddrPortFrom(ip, uint16(port)).String(), b.receive)
	return b, err
}

// Addr is where the phones listen, "ip:port".
func (b *Bank) Addr() string { return b.socket.addr().String() }

// SetFaults makes the phones' network bad, or good again.
func (b *Bank) SetFaults(f Faults) { b.socket.setFaults(f) }

// Close takes the phones off the network. Their dialogs stay in the proxy, as when power fails.
func (b *Bank) Close() { b.socket.close() }

func (b *Bank) receive(m *message) {
	switch {
	case !m.isRequest():
		b.deliver(m)
	case m.bad != nil:
		b.refuseMalformed(m)
	case m.method() == "NOTIFY":
		b.notified(m)
	case m.method() == "OPTIONS":
		b.socket.send(m.answer(200, "OK", randomHex(8)), m.answerTo())
	case m.method() != "ACK":
		b.socket.send(m.answer(405, "Method Not Allowed", randomHex(8), "Allow: NOTIFY, OPTIONS"), m.answerTo())
	}
}

// deliver hands a response to the request that waits for it: same branch, same method, one Via (RFC 3261 17.1.3, 8.1.3.3).
func (b *Bank) deliver(m *message) {
	if m.bad != nil || len(m.values("Via")) != 1 {
		return
	}
	b.mu.Lock()
	ch := b.pending[m.branch()+" "+string(m.sip.CSeq().MethodName)]
	b.mu.Unlock()
	if ch != nil && m.status() >= 200 {
		select {
		case ch <- m:
		default: // a repetition
		}
	}
}

// request is a non-INVITE client transaction: timer E from t1 doubling to 4 s, timer F of 64*t1 (RFC 3261 17.1.2).
func (b *Bank) request(ctx context.Context, method, branch string, raw []byte, to netip.AddrPort, t1 time.Duration) (*message, error) {
	key, ch := branch+" "+method, make(chan *message, 1)
	b.mu.Lock()
	b.pending[key] = ch
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		delete(b.pending, key)
		b.mu.Unlock()
	}()
	ctx, cancel := context.WithTimeout(ctx, 64*t1)
	defer cancel()
	for wait := t1; ; wait = min(2*wait, 4*time.Second) {
		b.socket.send(raw, to)
		retry := time.NewTimer(wait)
		select {
		case m := <-ch:
			retry.Stop()
			return m, nil
		case <-ctx.Done():
			retry.Stop()
			return nil, fmt.Errorf("phone: no answer to %s from %s: %w", method, to, ctx.Err())
		case <-retry.C:
		}
	}
}

// find is the phone a NOTIFY is for: that of the dialog, else that of the user in the Request-URI, else nil.
func (b *Bank) find(m *message) *Phone {
	if p := b.byCallID[m.value("Call-ID")]; p != nil {
		return p
	}
	var u sip.Uri
	if sip.ParseUri(m.requestURI(), &u) != nil {
		return nil
	}
	return b.byUser[u.User]
}

// refuseMalformed answers what can be answered, and lets the phone's record say why.
func (b *Bank) refuseMalformed(m *message) {
	note := Notify{Time: time.Now(), Status: 400, Reason: m.bad.Error(), Body: string(m.body), Raw: m.raw}
	if strings.HasPrefix(m.start, "NOTIFY ") {
		b.mu.Lock()
		p := b.find(m)
		if p != nil {
			p.record(note)
		}
		b.mu.Unlock()
		p.tell(note)
	}
	if m.value("Via") != "" {
		b.socket.send(m.answer(400, "Bad Request", ""), m.answerTo())
	}
}
