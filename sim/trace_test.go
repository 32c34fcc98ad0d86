package sim

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// datagram is one entry of a trace: what an actor sent or received, in order of time.
type datagram struct {
	actor string // "phone-1001", "bridge" or "stranger", never the proxy itself
	sent  bool
	raw   string
}

// readTrace reads `#### TIME ACTOR SEND|RECV PEER LENGTH`, LENGTH bytes and a newline, again and again; NOTEs have no bytes.
func readTrace(t *testing.T, file string) []datagram {
	t.Helper()
	b, err := os.ReadFile("testdata/sip/" + file)
	must(t, err)
	var out []datagram
	for len(b) > 0 {
		head, rest, _ := bytes.Cut(b, []byte("\n"))
		var at, actor, what, peer string
		var n int
		if k, _ := fmt.Sscanf(string(head), "#### %s %s %s %s %d", &at, &actor, &what, &peer, &n); k == 5 && actor != "NOTE" {
			out = append(out, datagram{actor, what == "SEND", string(rest[:n])})
			rest = rest[n+1:]
		}
		b = rest
	}
	return out
}

// replay plays some actors of a trace against live sockets. Tags, branches, Call-IDs and addresses of the trace are
// translated to those that live.
type replay struct {
	t     *testing.T
	pairs []string // trace, live, trace, live, ...
}

var ids = regexp.MustCompile(`(?:tag=|branch=|Call-ID: )([^;>,\s]+)`)

// learn pairs the ids of a trace's datagram with those of the live one.
func (r *replay) learn(trace, live string) {
	a, b := ids.FindAllStringSubmatch(trace, -1), ids.FindAllStringSubmatch(live, -1)
	for i := range min(len(a), len(b)) {
		r.pairs = append(r.pairs, a[i][1], b[i][1])
	}
}

func (r *replay) translate(raw string) string { return strings.NewReplacer(r.pairs...).Replace(raw) }

// check compares a live datagram with the trace's in everything but ids, addresses, clock and product names.
func (r *replay) check(live, trace string) {
	r.t.Helper()
	r.learn(trace, live)
	compare(r.t, plainSIP(live), plainSIP(trace))
}

var volatileSIP = []struct{ re, with string }{
	{`(tag=|branch=|Call-ID: )[^;>,\s]+`, "${1}ID"},
	{`[0-9a-z.]+ / To-tag [0-9a-f-]+`, "ID / To-tag ID"},
	{`Call-ID \S+`, "Call-ID ID"},
	{`127\.0\.\d+\.\d+(:\d+)?`, "ADDR"},
	{`rport=\d+`, "rport=P"},
	{`CSeq: \d{10}`, "CSeq: CLOCK"},
	{`(CSeq: .*\r\n)(Call-ID: ID\r\n)`, "$2$1"}, // Kamailio has them so where no route rewrote CSeq
	{`(User-Agent|Server): .*?\r`, "$1: X\r"},
}

func plainSIP(s string) string {
	for _, v := range volatileSIP {
		s = regexp.MustCompile(v.re).ReplaceAllString(s, v.with)
	}
	return s
}

// wire is a bare UDP socket of a test.
type wire struct {
	t    *testing.T
	conn *net.UDPConn
}

func newWire(t *testing.T, ip string) wire {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip)})
	if err != nil {
		t.Skipf("this system has no address %s: %v", ip, err)
	}
	t.Cleanup(func() { conn.Close() })
	must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	return wire{t, conn}
}

func (w wire) addr() string { return w.conn.LocalAddr().String() }

func (w wire) send(raw, to string) {
	w.t.Helper()
	_, err := w.conn.WriteToUDPAddrPort([]byte(raw), netip.MustParseAddrPort(to))
	must(w.t, err)
}

func (w wire) recv() (raw, from string) {
	w.t.Helper()
	buf := make([]byte, 65535)
	n, src, err := w.conn.ReadFromUDPAddrPort(buf)
	must(w.t, err)
	return string(buf[:n]), src.String()
}

func testProxy(t *testing.T, cfg ProxyConfig) *Proxy {
	t.Helper()
	if cfg.Path == "" {
		cfg.Path = filepath.Join(t.TempDir(), "proxy.db")
	}
	p, err := StartProxy(cfg)
	must(t, err)
	t.Cleanup(func() { must(t, p.Close()) })
	return p
}

// TestProxyLikeKamailio replays the phone's and the bridge's side of traces made with a real Kamailio.
func TestProxyLikeKamailio(t *testing.T) {
	for _, tc := range []struct{ file, cseq string }{
		{"cseq_ts-kamailio-dbmode1.trace", "clock"}, {"relay-kamailio-dbmode1.head.trace", "memory"}} {
		t.Run(tc.file, func(t *testing.T) {
			p := testProxy(t, ProxyConfig{Trusted: "127.0.0.1", CSeq: tc.cseq})
			actors := map[string]wire{"phone-1001": newWire(t, "127.0.0.1"), "bridge": newWire(t, "127.0.0.1"), "stranger": newWire(t, "127.0.0.2")}
			r := &replay{t: t, pairs: []string{"127.0.2.41:5062", actors["phone-1001"].addr(), "127.0.2.20:5060", p.Addr(),
				"127.0.2.20;", p.Addr() + ";", "127.0.2.10:5070", actors["bridge"].addr(), "127.0.2.11:5070", actors["stranger"].addr()}}
			for _, d := range readTrace(t, tc.file) {
				if d.sent {
					actors[d.actor].send(r.translate(d.raw), p.Addr())
					continue
				}
				live, _ := actors[d.actor].recv()
				r.check(live, d.raw)
			}
		})
	}
}

// TestPhoneLikeTraces has the phone live through the traces, the test playing the proxy.
func TestPhoneLikeTraces(t *testing.T) {
	for _, file := range []string{"cseq_ts-kamailio-dbmode1.trace", "relay-kamailio-dbmode1.head.trace", "cseq_ts-opensips-fb1.trace"} {
		t.Run(file, func(t *testing.T) {
			proxy := newWire(t, "127.0.0.1")
			p, err := NewPhone(PhoneConfig{User: "1001", Domain: "pbx.test", Proxy: proxy.addr(), UserAgent: "sipsim/1.0"})
			must(t, err)
			defer p.Close()
			r := &replay{t: t, pairs: []string{"127.0.2.41:5062", p.Addr(), "127.0.2.20:5060", proxy.addr(), "127.0.2.20;", proxy.addr() + ";",
				"127.0.2.61:5062", p.Addr(), "127.0.2.30:5060", proxy.addr(), "127.0.2.30;", proxy.addr() + ";", "127.0.2.30>", proxy.addr() + ">"}}
			done := make(chan error, 1)
			for _, d := range readTrace(t, file) {
				switch {
				case d.actor != "phone-1001":
				case d.sent:
					p.act(soon(t), d.raw, done)
					live, _ := proxy.recv()
					r.check(live, d.raw)
				default:
					if strings.Contains(file, "relay") && strings.Contains(d.raw, "CSeq: 107 ") {
						p.Answer(1, 481)
					}
					proxy.send(r.translate(d.raw), p.Addr())
					if strings.HasPrefix(d.raw, "SIP/2.0") {
						must(t, <-done)
					}
				}
			}
		})
	}
}

// act has the phone begin what the trace's phone began; answers come by themselves.
func (p *Phone) act(ctx context.Context, raw string, done chan error) {
	var do func(context.Context) error
	switch {
	case strings.HasPrefix(raw, "REGISTER"):
		do = p.Register
	case strings.HasPrefix(raw, "SUBSCRIBE") && !strings.Contains(raw, "To: <sip:1001@pbx.test>;tag="):
		do = func(ctx context.Context) error { return p.Subscribe(ctx, 600) }
	case strings.HasPrefix(raw, "SUBSCRIBE") && strings.Contains(raw, "Expires: 0\r"):
		do = p.Unsubscribe
	case strings.HasPrefix(raw, "SUBSCRIBE"):
		do = p.Refresh
	default:
		return
	}
	go func() { done <- do(ctx) }()
}
