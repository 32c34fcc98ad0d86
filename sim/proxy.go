package sim

import (
	"database/sql"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// ProxyConfig describes the proxy. Only Path is needed.
type ProxyConfig struct {
	Addr    string // "" means 127.0.0.1:0
	Path    string // SQLite file with active_watchers, created where missing
	Flavour string // whose schema and counting: "kamailio" (default) or "opensips"
	CSeq    string // of its own NOTIFYs: "clock" (default), "memory" or "database"; see (*Proxy).ownCSeq
	Trusted string // the only IP address that may send NOTIFY, others get 403; "" means any
	FRTimer time.Duration
	Faults  Faults
}

// Proxy is a small SIP proxy with presence, on one UDP socket: it registers phones, keeps their message-summary
// subscriptions in SQLite, a row before each 200, sends its own NOTIFY without body at each SUBSCRIBE, and relays NOTIFYs
// to Request-URI or Route, statefully: repetitions are absorbed, and 408 comes after FRTimer (default 30 s). It does not
// repeat on its own: the sender's repetitions are passed on while no answer came, and its own NOTIFYs are sent once.
// Rows that expired stay until their dialog is used again, as in a server whose clean-up is slow.
type Proxy struct {
	cfg    ProxyConfig
	table  table
	socket *socket

	mu       sync.Mutex
	bindings map[string][]binding // by "user@host"
	memory   map[string]uint32    // last CSeq of the server by dialog; CSeq = "memory"
	answered recent[[]byte]       // requests that were answered here
	relayed  recent[*relay]       // by the client's transaction
	branches recent[branchOf]     // by the branch that was sent on
	forced   forcedAnswer
	closed   bool
}

// binding is a registered contact.
type binding struct {
	uri     string
	expires time.Time
}

type forcedAnswer struct {
	left, status int
	headers      []string
}

// StartProxy opens the table and the socket.
func StartProxy(cfg ProxyConfig) (*Proxy, error) {
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	if cfg.FRTimer == 0 {
		cfg.FRTimer = 30 * time.Second
	}
	schema := kamailioTable
	if cfg.Flavour == "opensips" {
		schema = opensipsTable
	}
	t, err := openTable(cfg.Path, schema)
	if err != nil {
		return nil, err
	}
	p := &Proxy{cfg: cfg, table: t, bindings: map[string][]binding{}, memory: map[string]uint32{}}
	// The handler needs the socket: nothing may be handled before it is there.
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.socket, err = listen(cfg.Addr, p.receive); err != nil {
		t.db.Close()
		return nil, err
	}
	p.socket.setFaults(cfg.Faults)
	return p, nil
}

// Addr is where the proxy listens, "ip:port".
func (p *Proxy) Addr() string { return p.socket.addr().String() }

// DB is the proxy's own handle on the table, for tests that meddle with rows.
func (p *Proxy) DB() *sql.DB { return p.table.db }

// SetFaults makes the proxy's network bad, or good again.
func (p *Proxy) SetFaults(f Faults) { p.socket.setFaults(f) }

// Answer makes the proxy answer the next n NOTIFYs itself, with status and these header lines, or not at all where status
// is 0; n < 0 means from now on, n = 0 ends it. Repetitions of one NOTIFY count once, and all get the same.
func (p *Proxy) Answer(n, status int, headers ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forced = forcedAnswer{n, status, headers}
}

// Close stops the proxy. The table stays.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	for _, generation := range []map[string]*relay{p.relayed.young, p.relayed.old} {
		for _, r := range generation {
			r.stop()
		}
	}
	p.mu.Unlock()
	p.socket.close()
	return p.table.db.Close()
}

func (p *Proxy) receive(m *message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed || m.bad != nil:
	case !m.isRequest():
		p.relayAnswer(m)
	case m.method() == "NOTIFY":
		p.relayNotify(m)
	default:
		p.serve(m)
	}
}

// serve answers requests to the proxy itself, repetitions as before.
func (p *Proxy) serve(m *message) {
	if raw, ok := p.answered.get(m.transaction()); ok {
		p.socket.send(raw, m.answerTo())
		return
	}
	switch m.method() {
	case "REGISTER":
		p.registered(m)
	case "SUBSCRIBE":
		p.subscribed(m)
	case "OPTIONS":
		p.answer(m, 200, "OK", "")
	case "ACK":
	default:
		p.answer(m, 405, "Method Not Allowed", "")
	}
}

// answer sends a response of the proxy's own and remembers it.
func (p *Proxy) answer(m *message, status int, reason, toTag string, extra ...string) {
	raw := m.answer(status, reason, toTag, append(extra, "Server: zonkeymwi-sim")...)
	p.answered.put(m.transaction(), raw)
	p.socket.send(raw, m.answerTo())
}

// registered is the registrar, RFC 3261 10.3: one binding a contact, Expires: 0 removes it.
func (p *Proxy) registered(m *message) {
	aor, contact := userAtHost(m.value("To")), uriIn(m.value("Contact"))
	life := seconds(m.value("Expires"), 3600)
	var kept []binding
	for _, b := range p.bindings[aor] {
		if b.uri != contact && time.Now().Before(b.expires) {
			kept = append(kept, b)
		}
	}
	if life > 0 && contact != "" {
		kept = append(kept, binding{contact, time.Now().Add(life)})
	}
	p.bindings[aor] = kept
	var list []string
	for _, b := range kept {
		// Rounded up: what was just registered has its whole time to live.
		list = append(list, fmt.Sprintf("<%s>;expires=%d", b.uri, int(time.Until(b.expires).Seconds()+0.999)))
	}
	if len(list) == 0 {
		p.answer(m, 200, "OK", randomHex(32))
		return
	}
	p.answer(m, 200, "OK", randomHex(32), "Contact: "+strings.Join(list, ", "))
}

// isUs tells whether an address in a URI or Route is the proxy's.
func (p *Proxy) isUs(addr netip.AddrPort) bool { return addr == p.socket.addr() }

// viaHost is the proxy's address as it stands in Via: without port 5060, as Kamailio writes it.
func (p *Proxy) viaHost() string {
	if a := p.socket.addr(); a.Port() == 5060 {
		return a.Addr().String()
	}
	return p.Addr()
}
