package sipua

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// ErrClosed is the error of a request that Close ended.
var ErrClosed = errors.New("the SIP user agent is closed")

// Config says where a UA sends, from where, and as whom. Only Proxy is required.
type Config struct {
	Proxy              Proxy
	BindIP             string // "" is every local address: the Via then names the one that the route to the target leaves from
	BindPort           int    // 0 is a free port
	Username, Password string // for digest challenges (RFC 3261 22); no Username: a challenge is Refused
	TLS                *tls.Config
	Timers             Timers
	DNS                string     // "ip:port" of the DNS server to ask instead of resolv.conf's
	Conn               PacketConn // used instead of a UDP socket on BindIP and BindPort
}

// Timers are RFC 3261's base timers; zero is the RFC's value. T4 is missing because Timer K needs no state here.
type Timers struct {
	T1 time.Duration // round trip estimate, 500 ms; Timer F is 64*T1
	T2 time.Duration // longest retransmission interval, 4 s
}

func (t Timers) f() time.Duration       { return 64 * t.T1 }
func (t Timers) connect() time.Duration { return 20 * t.T1 }

// UA is a user agent client. It is safe for use by many goroutines.
type UA struct {
	cfg     Config
	udp     PacketConn
	origin  origin
	proxy   *resolver
	shards  [shardCount]shard
	streams streams
	avoided avoided
	nonces  nonces
	scratch sync.Pool // *[]byte, empty, that requests are rendered in

	ctx    context.Context // ends at Close
	cancel context.CancelFunc
	closed atomic.Bool
	active atomic.Int64   // requests not yet done, and one for the UA being open
	idle   chan struct{}  // closed when active reaches 0
	once   sync.Once      // closes idle
	tasks  sync.WaitGroup // goroutines; started only while active > 0
}

// New opens the UDP socket and starts reading it. A proxy's name is not looked up before the first request.
func New(cfg Config) (*UA, error) {
	if cfg.Proxy.Host == "" {
		return nil, errors.New("SIP proxy is not set")
	}
	if cfg.Timers.T1 <= 0 {
		cfg.Timers.T1 = 500 * time.Millisecond
	}
	if cfg.Timers.T2 <= 0 {
		cfg.Timers.T2 = 4 * time.Second
	}
	bind, err := parseBindIP(cfg.BindIP)
	if err != nil {
		return nil, err
	}
	conn := cfg.Conn
	if conn == nil {
		if conn, err = listenUDP(bind, cfg.BindPort); err != nil {
			return nil, err
		}
	}
	u := &UA{cfg: cfg, udp: conn, idle: make(chan struct{})}
	u.ctx, u.cancel = context.WithCancel(context.Background())
	u.active.Store(1)
	u.scratch.New = func() any {
		b := make([]byte, 0, 2048) // a longer message costs an allocation
		return &b
	}
	u.origin.init(conn.LocalAddr())
	u.proxy = newResolver(cfg, bind)
	u.avoided.probe = cfg.Timers.f()
	u.streams.ua = u
	for i := range u.shards {
		u.shards[i].live = make(map[uint64]*transaction)
	}
	u.tasks.Go(u.readUDP)
	return u, nil
}

func parseBindIP(s string) (netip.Addr, error) {
	if s == "" {
		return netip.Addr{}, nil
	}
	ip, err := netip.ParseAddr(s)
	if err != nil {
		return ip, fmt.Errorf("bindip %q is not an IP address", s)
	}
	if ip.IsUnspecified() {
		return netip.Addr{}, nil
	}
	return ip.Unmap(), nil
}

// LocalAddr is the UDP socket's address.
func (u *UA) LocalAddr() net.Addr { return u.udp.LocalAddr() }

// Send sends a request. It does not wait for the network. done is called exactly once, on any goroutine, perhaps before
// Send returns; it must not block, and must not call Close. It may call Send.
func (u *UA) Send(r Request, done func(Outcome)) {
	u.active.Add(1)
	c := &call{ua: u, req: r, done: done, cseq: r.CSeq}
	switch {
	case u.closed.Load():
		c.fail(ErrClosed)
	case r.Target != "":
		to, err := parseTarget(r.Target, u.cfg.Proxy.Host)
		if err != nil {
			c.refuse(err)
			return
		}
		c.start([]target{to}, nil)
	default:
		u.proxy.targets(u, c.start)
	}
}

// Do sends a request and waits for its outcome, or until ctx ends: that is NoAnswer with ctx's error, while the
// transaction goes on unheard.
func (u *UA) Do(ctx context.Context, r Request) Outcome {
	ch := make(chan Outcome, 1)
	u.Send(r, func(o Outcome) { ch <- o })
	select {
	case o := <-ch:
		return o
	case <-ctx.Done():
		return Outcome{Class: NoAnswer, CSeq: r.CSeq, Target: r.Target, Err: context.Cause(ctx)}
	}
}

// Close ends every request under way as NoAnswer with ErrClosed, and returns when each one's done has been called and no
// goroutine is left.
func (u *UA) Close() error {
	if u.closed.Swap(true) {
		<-u.idle
		u.tasks.Wait()
		return nil
	}
	u.cancel()
	err := u.udp.Close()
	u.streams.close()
	for i := range u.shards {
		for _, t := range u.shards[i].close() {
			t.call.lost(t, ErrClosed)
		}
	}
	u.release()
	<-u.idle
	u.tasks.Wait()
	return err
}

// release gives back what a request, or the open UA, counted in active.
func (u *UA) release() {
	if u.active.Add(-1) == 0 {
		u.once.Do(func() { close(u.idle) })
	}
}

// newKey is what makes a branch: 64 bits that nobody outside can guess (math/rand/v2 is ChaCha8 seeded by the system).
func newKey() uint64 { return rand.Uint64() }
