package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/icholy/digest"
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
func (p *Phone) Register(ctx context.Context) error { return p.bind(ctx, "3600") }

// Unregister removes the phone's own contact from the registrar, RFC 3261 10.2.2. Its subscription stays.
func (p *Phone) Unregister(ctx context.Context) error { return p.bind(ctx, "0") }

func (p *Phone) bind(ctx context.Context, expires string) error {
	p.bank.mu.Lock()
	if p.register.callID == "" {
		p.register.callID = p.newCallID()
	}
	callID := p.register.callID
	p.bank.mu.Unlock()
	aor := "<sip:" + p.cfg.User + "@" + p.cfg.Domain + ">"
	_, err := p.send(ctx, "REGISTER", "sip:"+p.cfg.Domain, p.proxy, &p.register.cseq,
		"From: "+aor+";tag="+randomHex(8), "To: "+aor, "Call-ID: "+callID, "Contact: "+p.contact(), "Expires: "+expires)
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
	event, to := "Event: message-summary", "To: <"+d.remoteURI+">"
	if p.cfg.EventID != "" {
		event += ";id=" + p.cfg.EventID
	}
	if d.remoteTag != "" {
		to += ";tag=" + d.remoteTag
	}
	uri, routeLines, next := d.route(p.proxy)
	p.bank.mu.Unlock()
	m, err := p.send(ctx, "SUBSCRIBE", uri, next, &d.localCSeq, append(routeLines,
		"From: <sip:"+p.cfg.User+"@"+p.cfg.Domain+">;tag="+d.localTag, to, "Call-ID: "+d.callID, "Contact: "+p.contact(), event,
		"Accept: application/simple-message-summary", "Expires: "+strconv.Itoa(expires))...)
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

// send sends a request, and once again with credentials where they are asked for, each with the next CSeq (RFC 3261 22.2).
// It waits for the final answer; one that is not 2xx is a *StatusError.
func (p *Phone) send(ctx context.Context, method, uri string, to netip.AddrPort, cseq *uint32, lines ...string) (*message, error) {
	m, err := p.try(ctx, method, uri, to, cseq, lines)
	if err == nil && p.cfg.Password != "" && (m.status() == 401 || m.status() == 407) {
		var credentials string
		if credentials, err = p.credentials(m, method, uri); err == nil {
			m, err = p.try(ctx, method, uri, to, cseq, append(lines, credentials))
		}
	}
	if err != nil {
		return nil, err
	}
	if m.status()/100 != 2 {
		return nil, fmt.Errorf("phone %s: %w", p.cfg.User, &StatusError{method, m.status()})
	}
	return m, nil
}

// try is one transaction; cseq is guarded by bank.mu.
func (p *Phone) try(ctx context.Context, method, uri string, to netip.AddrPort, cseq *uint32, lines []string) (*message, error) {
	p.bank.mu.Lock()
	*cseq++
	number := fmt.Sprintf("CSeq: %d %s", *cseq, method)
	p.bank.mu.Unlock()
	branch := "z9hG4bK" + randomHex(12)
	head := []string{"Via: SIP/2.0/UDP " + p.said() + ";rport;branch=" + branch, "Max-Forwards: 70"}
	for _, line := range lines {
		if head = append(head, line); strings.HasPrefix(line, "Call-ID: ") {
			head = append(head, number)
		}
	}
	head = append(head, "User-Agent: "+p.cfg.UserAgent, "Content-Length: 0")
	return p.bank.request(ctx, method, branch, render(method+" "+uri+" SIP/2.0", head, nil), to, p.cfg.T1)
}

// credentials answers a challenge, RFC 3261 22.
func (p *Phone) credentials(m *message, method, uri string) (line string, err error) {
	asked, answer := "WWW-Authenticate", "Authorization"
	if m.status() == 407 {
		asked, answer = "Proxy-Authenticate", "Proxy-Authorization"
	}
	challenge, err := digest.ParseChallenge(m.value(asked))
	if err != nil {
		return "", fmt.Errorf("phone %s: %s %q: %w", p.cfg.User, asked, m.value(asked), err)
	}
	c, err := digest.Digest(challenge, digest.Options{Method: method, URI: uri, Username: p.cfg.User, Password: p.cfg.Password, Count: 1})
	if err != nil {
		return "", fmt.Errorf("phone %s: %s %q: %w", p.cfg.User, asked, m.value(asked), err)
	}
	return answer + ": " + c.String(), nil
}

// said is the phone's "ip:port" as it believes it to be.
func (p *Phone) said() string { return cmp.Or(p.cfg.Inside, p.Addr()) }

func (p *Phone) contact() string { return "<sip:" + p.cfg.User + "@" + p.said() + ">" }

func (p *Phone) newCallID() string {
	return randomHex(16) + "@" + p.bank.socket.addr().Addr().String()
}
