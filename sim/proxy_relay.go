package sim

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// relay is one NOTIFY on its way: what the proxy sent on, and what it answered.
type relay struct {
	request *message
	forks   []*fork
	waiting int    // forks without final answer
	final   []byte // nil while none
	silent  bool   // by Answer
	timer   *time.Timer
}

type fork struct {
	raw      []byte
	to       netip.AddrPort
	answered bool
}

// relayNotify passes a NOTIFY on. A repetition gets the answer its first copy got, or is passed on again while there is
// none.
func (p *Proxy) relayNotify(m *message) {
	if r, ok := p.relayed.get(m.transaction()); ok {
		p.repeat(r)
		return
	}
	r := &relay{request: m}
	p.relayed.put(m.transaction(), r)
	if p.cfg.Trusted != "" && m.src.Addr().String() != p.cfg.Trusted {
		p.finish(r, 403, "Forbidden")
		return
	}
	if p.forced.left != 0 {
		p.forced.left = max(p.forced.left-1, -1)
		r.silent = p.forced.status == 0
		if !r.silent {
			p.finish(r, p.forced.status, reasonPhrase(p.forced.status), p.forced.headers...)
		}
		return
	}
	p.pass(r)
}

func (p *Proxy) repeat(r *relay) {
	switch {
	case r.silent:
	case r.final != nil:
		p.socket.send(r.final, r.request.answerTo())
	default:
		for _, f := range r.forks {
			p.socket.send(f.raw, f.to)
		}
	}
}

// finish answers a NOTIFY from here.
func (p *Proxy) finish(r *relay, status int, reason string, headers ...string) {
	r.stop()
	r.final = r.request.answer(status, reason, randomHex(32), append(headers, "Server: zonkeymwi-sim")...)
	p.socket.send(r.final, r.request.answerTo())
}

func (r *relay) stop() {
	if r.timer != nil {
		r.timer.Stop()
	}
}

// pass sends a NOTIFY on: RFC 3261 16.6, to each contact where the Request-URI is an address of record.
func (p *Proxy) pass(r *relay) {
	m := r.request
	hops, err := strconv.Atoi(m.value("Max-Forwards"))
	switch {
	case m.toTag() == "":
		p.finish(r, 481, "Call/Transaction Does Not Exist")
		return
	case err == nil && hops <= 0:
		p.finish(r, 483, "Too Many Hops")
		return
	}
	uris, hop := p.targets(m)
	if len(uris) == 0 {
		p.finish(r, 480, "Temporarily Unavailable")
		return
	}
	branch := "z9hG4bK" + randomHex(12) + "."
	for _, uri := range uris {
		next := hop
		if next == "" {
			next = uri
		}
		to, err := hostPort(next)
		if err != nil {
			continue
		}
		own := branch + strconv.Itoa(len(r.forks))
		r.forks = append(r.forks, &fork{raw: p.onward(m, uri, own), to: to})
		p.branches.put(own, branchOf{r, r.forks[len(r.forks)-1]})
	}
	if r.waiting = len(r.forks); r.waiting == 0 {
		p.finish(r, 478, "Unresolvable destination")
		return
	}
	r.timer = time.AfterFunc(p.cfg.FRTimer, func() { p.expire(r) })
	p.repeat(r)
}

// branchOf says which fork of which NOTIFY a branch of the proxy's own belongs to.
type branchOf struct {
	relay *relay
	fork  *fork
}

func (p *Proxy) expire(r *relay) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.final == nil && !p.closed {
		p.finish(r, 408, "Request Timeout")
	}
}

// targets are the Request-URIs to send to, and the Route entry to send through, "" for none.
func (p *Proxy) targets(m *message) (uris []string, hop string) {
	set := p.foreignRoutes(m)
	if len(set) > 0 {
		hop = uriIn(set[0])
	}
	if addr, err := hostPort(m.requestURI()); err == nil && !p.isUs(addr) {
		return []string{m.requestURI()}, hop
	}
	if m.value("Route") != "" { // as seen on Kamailio and OpenSIPS: no lookup for what was routed here
		return nil, ""
	}
	for _, b := range p.bindings[userAtHost(m.requestURI())] {
		if time.Now().Before(b.expires) {
			uris = append(uris, b.uri)
		}
	}
	return uris, hop
}

// foreignRoutes is the request's route set without the proxy's own entry on top.
func (p *Proxy) foreignRoutes(m *message) []string {
	set := routes(m.values("Route"))
	if len(set) > 0 {
		if addr, err := hostPort(uriIn(set[0])); err == nil && p.isUs(addr) {
			return set[1:]
		}
	}
	return set
}

// onward renders what is sent on: the request as it came, with a Via of the proxy's on top, the sender's address in the
// Via below, one hop less, and without the Route that brought it here.
func (p *Proxy) onward(m *message, uri, branch string) []byte {
	lines := []string{"Via: SIP/2.0/UDP " + p.viaHost() + ";branch=" + branch}
	stamped, routed := false, false
	for _, line := range m.lines {
		if via, ok := headerValue(line, "Via"); ok && !stamped {
			stamped = true
			line = "Via: " + strings.Replace(via, ";rport", fmt.Sprintf(";received=%s;rport=%d", m.src.Addr(), m.src.Port()), 1)
		}
		if v, ok := headerValue(line, "Max-Forwards"); ok {
			n, _ := strconv.Atoi(v)
			line = fmt.Sprintf("Max-Forwards: %d", n-1)
		}
		if _, ok := headerValue(line, "Route"); !ok {
			lines = append(lines, line)
		} else if !routed {
			routed = true
			for _, r := range p.foreignRoutes(m) {
				lines = append(lines, "Route: "+r)
			}
		}
	}
	return render("NOTIFY "+uri+" SIP/2.0", lines, m.body)
}

// relayAnswer passes a response back: the first 2xx at once, else the last of all forks, RFC 3261 16.7. Answers to the
// proxy's own NOTIFYs match nothing and end here.
func (p *Proxy) relayAnswer(m *message) {
	b, ok := p.branches.get(m.branch())
	r := b.relay
	if !ok || r.final != nil || b.fork.answered || m.status() < 200 {
		return
	}
	b.fork.answered = true
	r.waiting--
	if m.status()/100 != 2 && r.waiting > 0 {
		return
	}
	top := slices.IndexFunc(m.lines, func(line string) bool { _, ok := headerValue(line, "Via"); return ok })
	r.stop()
	r.final = render(m.start, slices.Delete(m.lines, top, top+1), m.body)
	p.socket.send(r.final, r.request.answerTo())
}
