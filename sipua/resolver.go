package sipua

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	keepDNS    = 30 * time.Second // an older answer still serves while it is asked for again, and for as long as that fails
	dnsTimeout = 10 * time.Second
	maxTargets = 16
)

// choice is one SRV record, or a host by itself, with its addresses.
type choice struct {
	rank             int // of the service: NAPTR's order, or ours
	priority, weight uint16
	targets          []target
}

// resolver finds the proxy's targets (RFC 3263 4.1, 4.2). The system's resolver answers SRV and addresses, so that the hosts
// file and the search list hold; it tells no TTL, so an answer is kept for keepDNS.
type resolver struct {
	proxy  Proxy
	bind   netip.Addr // only addresses of its family, if it is valid
	net    *net.Resolver
	server string // instead of resolv.conf's

	mu      sync.Mutex
	found   []choice
	until   time.Time
	busy    bool
	waiting []func([]target, error)
}

func newResolver(cfg Config, bind netip.Addr) *resolver {
	r := &resolver{proxy: cfg.Proxy, bind: bind, net: net.DefaultResolver, server: cfg.DNS}
	if cfg.DNS != "" {
		r.net = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, cfg.DNS)
		}}
	}
	if ip, err := netip.ParseAddr(r.proxy.Host); err == nil {
		r.found = []choice{{targets: []target{r.target(r.transport(), ip, uint16(r.proxy.Port))}}}
		r.until = time.Now().AddDate(1000, 0, 0)
	}
	return r
}

// transport is what is used where neither the configuration nor DNS says more.
func (r *resolver) transport() string {
	if r.proxy.Transport == "" {
		return "UDP"
	}
	return r.proxy.Transport
}

func (r *resolver) target(transport string, ip netip.Addr, port uint16) target {
	if port == 0 {
		port = defaultPort(transport)
	}
	return newTarget(transport, netip.AddrPortFrom(ip, port), r.proxy.Host)
}

// targets calls then with the targets in the order to try them: at once if they are known, or else when DNS has answered.
func (r *resolver) targets(u *UA, then func([]target, error)) {
	r.mu.Lock()
	found := r.found
	if found == nil {
		r.waiting = append(r.waiting, then)
	}
	if !r.busy && (found == nil || time.Now().After(r.until)) {
		r.busy = true
		u.tasks.Go(func() { r.refresh(u.ctx) })
	}
	r.mu.Unlock()
	if found != nil {
		then(order(found), nil)
	}
}

func (r *resolver) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	found, err := r.lookup(ctx)
	r.mu.Lock()
	if err == nil {
		r.found = found
	}
	waiting := r.waiting
	r.waiting, r.busy, r.until = nil, false, time.Now().Add(keepDNS)
	r.mu.Unlock()
	for _, then := range waiting {
		if err != nil {
			then(nil, fmt.Errorf("SIP proxy %q cannot be found in DNS: %w", r.proxy.Host, err))
			continue
		}
		then(order(found), nil)
	}
}

// lookup follows RFC 3263: a port means addresses only; a transport means its SRV records; otherwise NAPTR says which SRV
// records there are, or all are asked for. Without any SRV record, the name's own addresses serve.
func (r *resolver) lookup(ctx context.Context) ([]choice, error) {
	if r.proxy.Port != 0 {
		return r.host(ctx, r.transport(), r.proxy.Host, uint16(r.proxy.Port))
	}
	var found []choice
	declared := false
	for rank, s := range r.services(ctx) {
		_, records, _ := r.net.LookupSRV(ctx, "", "", s.name) // what it has, even beside an error
		for _, rec := range records[:min(len(records), maxTargets)] {
			declared = true
			hosts, err := r.host(ctx, s.transport, rec.Target, rec.Port)
			if err == nil && rec.Target != "." {
				found = append(found, choice{rank, rec.Priority, rec.Weight, hosts[0].targets})
			}
		}
	}
	switch {
	case len(found) > 0:
		return found, nil
	case declared:
		return nil, errors.New("its SRV records name no host with an address")
	default:
		return r.host(ctx, r.transport(), r.proxy.Host, 0)
	}
}

func (r *resolver) services(ctx context.Context) []service {
	if r.proxy.Transport != "" {
		return []service{wellKnown(r.proxy.Transport, r.proxy.Host)}
	}
	if s := r.naptr(ctx, r.proxy.Host); len(s) > 0 {
		return s
	}
	return []service{wellKnown("UDP", r.proxy.Host), wellKnown("TCP", r.proxy.Host), wellKnown("TLS", r.proxy.Host)}
}

// host is one choice: A and AAAA, in RFC 6724's order.
func (r *resolver) host(ctx context.Context, transport, name string, port uint16) ([]choice, error) {
	network := "ip"
	switch {
	case r.bind.Is4():
		network = "ip4"
	case r.bind.Is6():
		network = "ip6"
	}
	ips, err := r.net.LookupNetIP(ctx, network, name)
	if err != nil {
		return nil, err
	}
	c := choice{}
	for _, ip := range ips {
		c.targets = append(c.targets, r.target(transport, ip, port))
	}
	return []choice{c}, nil
}

// order is RFC 2782's, drawn anew each time: by priority, and by chance according to weight among equals.
func order(all []choice) []target {
	if len(all) == 1 {
		return all[0].targets[:min(len(all[0].targets), maxTargets)]
	}
	left := slices.Clone(all)
	slices.SortStableFunc(left, func(a, b choice) int {
		if a.rank != b.rank {
			return a.rank - b.rank
		}
		return int(a.priority) - int(b.priority)
	})
	var out []target
	for len(left) > 0 && len(out) < maxTargets {
		i := draw(left)
		out = append(out, left[i].targets...)
		left = slices.Delete(left, i, i+1)
	}
	return out[:min(len(out), maxTargets)]
}

// draw picks among those that rank with the first.
func draw(left []choice) int {
	n, sum := 0, 0
	for n < len(left) && left[n].rank == left[0].rank && left[n].priority == left[0].priority {
		sum += int(left[n].weight)
		n++
	}
	if sum == 0 {
		return rand.IntN(n)
	}
	at := rand.IntN(sum)
	for i := range n {
		if at -= int(left[i].weight); at < 0 {
			return i
		}
	}
	return 0
}
