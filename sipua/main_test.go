package sipua

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quick makes Timer F 1.28 s, for tests that wait for it.
var quick = Timers{T1: 20 * time.Millisecond, T2: 80 * time.Millisecond}

// notify is a NOTIFY as the bridge renders one, to uri with a body of size bytes.
func notify(uri string, size int) Request {
	body := strings.Repeat("x", size)
	return Request{Method: "NOTIFY", URI: uri, CSeq: 7, Render: func(dst []byte, a Attempt) ([]byte, error) {
		dst = append(dst, "NOTIFY "+uri+" SIP/2.0\r\nVia: SIP/2.0/"...)
		dst = append(dst, a.Transport+" "+a.SentBy+";rport;branch="+a.Branch+"\r\n"...)
		dst = append(dst, "Max-Forwards: 70\r\nFrom: <sip:202@example.com>;tag=srv\r\nTo: <sip:202@example.com>;tag=phone\r\n"...)
		dst = append(dst, "Call-ID: c1@example.com\r\nCSeq: "...)
		dst = strconv.AppendUint(dst, uint64(a.CSeq), 10)
		dst = append(dst, " NOTIFY\r\nContact: <sip:asterisk@example.com>\r\nEvent: message-summary\r\nSubscription-State: active;expires=600\r\n"...)
		if a.Authorization != "" {
			dst = append(dst, a.Authorization+"\r\n"...)
		}
		dst = append(dst, "Content-Type: application/simple-message-summary\r\nContent-Length: "...)
		dst = strconv.AppendInt(dst, int64(size), 10)
		dst = append(dst, "\r\n\r\n"...)
		return append(dst, body...), nil
	}}
}

// answer is a response to a request, with the fields of RFC 3261 8.2.6 and more lines, each with its CRLF.
func answer(req []byte, status, more string) []byte {
	b := []byte("SIP/2.0 " + status + "\r\n")
	for _, name := range []string{"Via", "From", "To", "Call-ID", "CSeq"} {
		b = append(b, name+": "+value(req, name)+"\r\n"...)
	}
	return append(b, more+"Content-Length: 0\r\n\r\n"...)
}

func value(msg []byte, name string) string {
	o := Outcome{Response: msg}
	return o.Header(name)
}

func cseqOf(msg []byte) string { return strings.TrimSuffix(value(msg, "CSeq"), " NOTIFY") }

// script answers the n-th datagram or message (from 0) of a peer; nil is silence.
type script func(n int, req []byte) [][]byte

func always(status string) script {
	return func(_ int, req []byte) [][]byte { return [][]byte{answer(req, status, "")} }
}

func silent(int, []byte) [][]byte { return nil }

// peer is a scripted SIP element on a real socket.
type peer struct {
	addr string
	mu   sync.Mutex
	got  [][]byte
}

// play records a request, and answers it from the script; one at a time.
func (p *peer) play(s script, b []byte) [][]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = append(p.got, bytes.Clone(b))
	return s(len(p.got)-1, b)
}

func (p *peer) requests() [][]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.got
}

func udpPeer(t testing.TB, addr string, s script) *peer {
	t.Helper()
	conn, err := net.ListenPacket("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.(*net.UDPConn).SetReadBuffer(socketBuffer)
	p := &peer{addr: conn.LocalAddr().String()}
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, 65536)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			for _, a := range p.play(s, buf[:n]) {
				_, _ = conn.WriteTo(a, from)
			}
		}
	})
	t.Cleanup(func() { conn.Close(); wg.Wait() })
	return p
}

// tcpPeer serves every connection with the same script; an answer of no bytes closes it.
func tcpPeer(t testing.TB, l net.Listener, s script) *peer {
	t.Helper()
	p := &peer{addr: l.Addr().String()}
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			context.AfterFunc(ctx, func() { conn.Close() })
			wg.Go(func() { p.serve(conn, s) })
		}
	})
	t.Cleanup(func() { cancel(); l.Close(); wg.Wait() })
	return p
}

func (p *peer) serve(conn net.Conn, s script) {
	defer conn.Close()
	f := newFramer(conn)
	for {
		req, err := f.next()
		if err != nil {
			return
		}
		for _, a := range p.play(s, req) {
			if len(a) == 0 {
				return
			}
			if _, err := conn.Write(a); err != nil {
				return
			}
		}
	}
}

func listen(t testing.TB, addr string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// client is a UA towards a proxy, on loopback where the config says nothing else.
func client(t testing.TB, proxy string, cfg Config) *UA {
	t.Helper()
	var err error
	if cfg.Proxy, err = ParseProxy(proxy); err != nil {
		t.Fatal(err)
	}
	if cfg.BindIP == "" {
		cfg.BindIP = "127.0.0.1"
	}
	u, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.Close() })
	return u
}

func do(t testing.TB, u *UA, r Request) Outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	o := u.Do(ctx, r)
	if ctx.Err() != nil {
		t.Fatalf("no outcome: %+v", o)
	}
	return o
}

// want checks class and status.
func want(t testing.TB, o Outcome, class Class, status int) {
	t.Helper()
	if o.Class != class || o.Status != status {
		t.Fatalf("got %v %d (%v), want %v %d", o.Class, o.Status, o.Err, class, status)
	}
}

func lookBusy(u *UA) error {
	n := 0
	for i := range u.shards {
		u.shards[i].mu.Lock()
		n += len(u.shards[i].live)
		u.shards[i].mu.Unlock()
	}
	if n > 0 {
		return fmt.Errorf("%d transactions are left", n)
	}
	return nil
}

// memConn is a network in memory: what is written goes to peer at once, what peer delivers comes in.
type memConn struct {
	peer   func(b []byte)
	in     chan []byte
	closed chan struct{}
	once   sync.Once
	mu     sync.Mutex // one call of peer at a time
}

func newMemConn() *memConn {
	return &memConn{in: make(chan []byte, 1024), closed: make(chan struct{})}
}

func (c *memConn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case m := <-c.in:
		return copy(b, m), netip.AddrPort{}, nil
	case <-c.closed:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (c *memConn) WriteToUDPAddrPort(b []byte, _ netip.AddrPort) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.peer(bytes.Clone(b))
	return len(b), nil
}

func (c *memConn) LocalAddr() net.Addr { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5060} }
func (c *memConn) Close() error        { c.once.Do(func() { close(c.closed) }); return nil }
