package sim

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// StatusError is a final answer other than 2xx.
type StatusError struct {
	Method string
	Status int
}

func (e *StatusError) Error() string { return fmt.Sprintf("%s was answered %d", e.Method, e.Status) }

// ErrNoDialog is returned by Refresh and Unsubscribe of a phone that is not subscribed.
var ErrNoDialog = errors.New("phone is not subscribed")

// Register registers the phone for an hour.
func (p *Phone) Register(ctx context.Context) error {
	p.bank.mu.Lock()
	if p.register.callID == "" {
		p.register.callID = p.newCallID()
	}
	p.register.cseq++
	r := p.register
	p.bank.mu.Unlock()
	aor := "<sip:" + p.cfg.User + "@" + p.cfg.Domain + ">"
	_, err := p.send(ctx, "REGISTER", "sip:"+p.cfg.Domain, p.proxy, nil,
		"From: "+aor+";tag="+randomHex(8), "To: "+aor, "Call-ID: "+r.callID, fmt.Sprintf("CSeq: %d REGISTER", r.cseq),
		"Contact: "+p.contact(), "Expires: 3600")
	return err
}

// Subscribe begins a new subscription for message-summary, whatever went before. A NOTIFY may come before the answer
// (RFC 6665 4.1.2.4); it is taken.
func (p *Phone) Subscribe(ctx context.Context, expires int) error {
	uri := "sip:" + p.cfg.SubscribeTo + "@" + p.cfg.Domain
	d := &dialog{callID: p.newCallID(), localTag: randomHex(10), remoteURI: uri, target: uri, expires: expires}
	p.bank.mu.Lock()
	p.forget()
	p.dialog = d
	p.bank.byCallID[d.callID] = p
	p.bank.mu.Unlock()
	return p.subscribe(ctx, d, expires)
}

// Refresh renews the subscription within its dialog.
func (p *Phone) Refresh(ctx context.Context) error {
	d, err := p.current()
	if err != nil {
		return err
	}
	return p.subscribe(ctx, d, d.expires)
}

// Unsubscribe ends the subscription; the server's last NOTIFY then ends the dialog.
func (p *Phone) Unsubscribe(ctx context.Context) error {
	d, err := p.current()
	if err != nil {
		return err
	}
	return p.subscribe(ctx, d, 0)
}

func (p *Phone) current() (*dialog, error) {
	p.bank.mu.Lock()
	defer p.bank.mu.Unlock()
	if p.dialog == nil {
		return nil, ErrNoDialog
	}
	return p.dialog, nil
}

func (p *Phone) subscribe(ctx context.Context, d *dialog, expires int) error {
	p.bank.mu.Lock()
	d.localCSeq++
	cseq, event, to := d.localCSeq, "Event: message-summary", "To: <"+d.remoteURI+">"
	if p.cfg.EventID != "" {
		event += ";id=" + p.cfg.EventID
	}
	if d.remoteTag != "" {
		to += ";tag=" + d.remoteTag
	}
	uri, routeLines, next := d.route(p.proxy)
	p.bank.mu.Unlock()
	m, err := p.send(ctx, "SUBSCRIBE", uri, next, routeLines,
		"From: <sip:"+p.cfg.User+"@"+p.cfg.Domain+">;tag="+d.localTag, to, "Call-ID: "+d.callID,
		fmt.Sprintf("CSeq: %d SUBSCRIBE", cseq), "Contact: "+p.contact(), event,
		"Accept: application/simple-message-summary", "Expires: "+strconv.Itoa(expires))
	p.bank.mu.Lock()
	defer p.bank.mu.Unlock()
	if err != nil {
		p.abandon(d, err)
		return err
	}
	d.confirm(m)
	return nil
}

// abandon forgets a dialog that never came to be, or that the server has not.
func (p *Phone) abandon(d *dialog, err error) {
	var status *StatusError
	gone := errors.As(err, &status) && status.Status == 481
	if p.dialog == d && (d.remoteTag == "" || gone) {
		p.forget()
	}
}

// confirm takes from a 2xx what the dialog lacks, RFC 3261 12.1.2: the route set once, reversed, and the target each time.
func (d *dialog) confirm(m *message) {
	if d.remoteTag == "" {
		d.remoteTag = m.toTag()
		d.routes = routes(m.values("Record-Route"))
		slices.Reverse(d.routes)
	}
	if c := m.value("Contact"); c != "" {
		d.target = uriIn(c)
	}
}

// route is RFC 3261 12.2.1.1: Request-URI, Route lines and where to send. A name that is no IP address goes to proxy.
func (d *dialog) route(proxy netip.AddrPort) (uri string, lines []string, next netip.AddrPort) {
	uri, set := d.target, slices.Clone(d.routes)
	hop := uri
	if len(set) > 0 {
		hop = uriIn(set[0])
		if !strings.Contains(hop, ";lr") { // a strict router
			uri, set = hop, append(set[1:], "<"+uri+">")
		}
	}
	for _, r := range set {
		lines = append(lines, "Route: "+r)
	}
	next, err := hostPort(hop)
	if err != nil {
		next = proxy
	}
	return uri, lines, next
}

// send renders a request, sends it and waits for a final answer; one that is not 2xx is a *StatusError.
func (p *Phone) send(ctx context.Context, method, uri string, to netip.AddrPort, routeLines []string, lines ...string) (*message, error) {
	branch := "z9hG4bK" + randomHex(12)
	head := append([]string{"Via: SIP/2.0/UDP " + p.Addr() + ";rport;branch=" + branch, "Max-Forwards: 70"}, routeLines...)
	lines = append(append(head, lines...), "User-Agent: "+p.cfg.UserAgent, "Content-Length: 0")
	m, err := p.bank.request(ctx, method, branch, render(method+" "+uri+" SIP/2.0", lines, nil), to, p.cfg.T1)
	if err != nil {
		return nil, err
	}
	if m.status()/100 != 2 {
		return nil, fmt.Errorf("phone %s: %w", p.cfg.User, &StatusError{method, m.status()})
	}
	return m, nil
}

func (p *Phone) contact() string { return "<sip:" + p.cfg.User + "@" + p.Addr() + ">" }

func (p *Phone) newCallID() string {
	return randomHex(16) + "@" + p.bank.socket.addr().Addr().String()
}
