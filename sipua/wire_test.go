package sipua

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestNotifyOverUDP(t *testing.T) {
	p := udpPeer(t, "127.0.0.1:0", func(_ int, req []byte) [][]byte {
		return [][]byte{answer(req, "202 Accepted", "SIP-ETag: dx200xyz\r\nx-folded: one\r\n\ttwo\r\n")}
	})
	u := client(t, p.addr, Config{})
	o := do(t, u, notify("sip:a@127.0.0.1", 100))
	want(t, o, Acknowledged, 202)
	if o.Header("sip-etag") != "dx200xyz" || o.Header("X-Folded") != "one two" || o.Header("v") != "" || o.Header("none") != "" {
		t.Errorf("headers of %q", o.Response)
	}
	if o.Reason != "Accepted" || o.CSeq != 7 || o.Target != "udp:"+p.addr || o.Sent < 1 {
		t.Errorf("%+v", o)
	}
	req := p.requests()[0]
	via := value(req, "Via")
	if !strings.HasPrefix(via, "SIP/2.0/UDP "+u.LocalAddr().String()+";rport;branch=z9hG4bK") {
		t.Errorf("Via %q", via)
	}
	if exact, _ := notify("sip:a@127.0.0.1", 100).Render(nil, Attempt{"UDP", u.LocalAddr().String(), via[len(via)-23:], 7, ""}); !bytes.Equal(exact, req) {
		t.Errorf("sent %q, rendered %q", req, exact)
	}
}

func TestClasses(t *testing.T) {
	for _, c := range []struct {
		status, more string
		class        Class
		after        time.Duration
	}{
		{"200 OK", "", Acknowledged, 0},
		{"299 Fine", "Retry-After: 5\r\n", Acknowledged, 0},
		{"302 Moved", "", Refused, 0},
		{"403 Forbidden", "", Refused, 0},
		{"404 Not Found", "", DialogGone, 0},
		{"404 Not Found", "Retry-After: 5\r\n", TryLater, 5 * time.Second},
		{"408 Timeout", "", NoAnswer, 0},
		{"410 Gone", "", DialogGone, 0},
		{"416 Scheme", "", DialogGone, 0},
		{"480 Unavailable", "", TryLater, 0},
		{"481 No Dialog", "Retry-After: 5\r\n", DialogGone, 5 * time.Second},
		{"482 Loop", "", DialogGone, 0},
		{"485 Ambiguous", "", DialogGone, 0},
		{"486 Busy", "retry-after:  18000;duration=3600\r\n", TryLater, time.Hour},
		{"489 Bad Event", "", DialogGone, 0},
		{"500 CSeq", "", CSeqTooLow, 0},
		{"500 CSeq", "Retry-After: 10 (soon)\r\n", TryLater, 10 * time.Second},
		{"501 No", "", DialogGone, 0},
		{"503 Busy", "", TryLater, 0},
		{"503 Busy", "Retry-After: 99999999999999999999\r\n", TryLater, time.Hour},
		{"503 Busy", "Retry-After: -1\r\n", TryLater, 0},
		{"603 Decline", "", Refused, 0},
		{"604 Nowhere", "", DialogGone, 0},
	} {
		p := udpPeer(t, "127.0.0.1:0", func(_ int, req []byte) [][]byte { return [][]byte{answer(req, c.status, c.more)} })
		o := do(t, client(t, p.addr, Config{}), notify("sip:a@127.0.0.1", 1))
		if want := c.status[:3]; fmt.Sprint(o.Status) != want || o.Class != c.class {
			t.Errorf("%s %s: %d %v", c.status, c.more, o.Status, o.Class)
		}
		if c.class != Acknowledged && o.RetryAfter != c.after {
			t.Errorf("%s %s: retry after %v", c.status, c.more, o.RetryAfter)
		}
	}
}

func TestClassNames(t *testing.T) {
	for c, name := range map[Class]string{NoAnswer: "no_answer", Acknowledged: "acknowledged", DialogGone: "dialog_gone",
		CSeqTooLow: "cseq_too_low", TryLater: "try_later", Refused: "refused"} {
		if c.String() != name {
			t.Errorf("%d is %s", c, c)
		}
	}
}

func TestNamedTargetInsteadOfTheProxy(t *testing.T) {
	proxy := udpPeer(t, "127.0.0.1:0", always("200 OK"))
	other := udpPeer(t, "127.0.0.1:0", always("481 Gone"))
	tcp := tcpPeer(t, listen(t, "127.0.0.1:0"), always("486 Busy"))
	u := client(t, proxy.addr, Config{})
	for target, status := range map[string]int{"udp:" + other.addr: 481, other.addr: 481, "": 200, "TCP:" + tcp.addr: 486} {
		r := notify("sip:a@127.0.0.1", 1)
		r.Target = target
		if o := do(t, u, r); o.Status != status {
			t.Errorf("target %q: %d %v", target, o.Status, o.Err)
		}
	}
}

func TestIPv6(t *testing.T) {
	if c, err := net.ListenPacket("udp", "[::1]:0"); err != nil {
		t.Skip("no IPv6 on this machine: ", err)
	} else {
		c.Close()
	}
	p := udpPeer(t, "[::1]:0", always("200 OK"))
	u := client(t, p.addr, Config{BindIP: "::1"})
	want(t, do(t, u, notify("sip:a@[::1]", 1)), Acknowledged, 200)
	if via := value(p.requests()[0], "Via"); !strings.HasPrefix(via, "SIP/2.0/UDP [::1]:") {
		t.Errorf("Via %q", via)
	}
}

// Bound to every address, the Via names the one that the target sees.
func TestSentByOfAWildcardSocket(t *testing.T) {
	p := udpPeer(t, "127.0.0.1:0", always("200 OK"))
	for _, bind := range []string{"0.0.0.0", "::"} {
		u := client(t, p.addr, Config{BindIP: bind})
		want(t, do(t, u, notify("sip:a@127.0.0.1", 1)), Acknowledged, 200)
	}
	for _, req := range p.requests() {
		if via := value(req, "Via"); !strings.HasPrefix(via, "SIP/2.0/UDP 127.0.0.1:") {
			t.Errorf("Via %q", via)
		}
	}
}

// RFC 3261 18.1.1: more than 1300 bytes go by TCP to the same address, by UDP only where there is no TCP.
func TestLongRequests(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	tcp := tcpPeer(t, l, always("202 Accepted"))
	udp := udpPeer(t, tcp.addr, always("200 OK"))
	u := client(t, udp.addr, Config{})
	o := do(t, u, notify("sip:a@127.0.0.1", 2000))
	want(t, o, Acknowledged, 202)
	if via := value(tcp.requests()[0], "Via"); !strings.HasPrefix(via, "SIP/2.0/TCP ") || o.Target != "tcp:"+tcp.addr {
		t.Errorf("Via %q, target %s", via, o.Target)
	}
	want(t, do(t, u, notify("sip:a@127.0.0.1", 500)), Acknowledged, 200)

	alone := udpPeer(t, "127.0.0.1:0", always("200 OK"))
	u = client(t, alone.addr, Config{})
	o = do(t, u, notify("sip:a@127.0.0.1", 2000))
	want(t, o, Acknowledged, 200)
	if to, err := parseTarget("tcp:"+alone.addr, ""); err != nil || !u.avoided.now(to) {
		t.Error("the next long request would try TCP again")
	}
	if via := value(alone.requests()[0], "Via"); !strings.HasPrefix(via, "SIP/2.0/UDP ") || o.Target != "udp:"+alone.addr {
		t.Errorf("Via %q, target %s", via, o.Target)
	}
}

func TestNewNamesTheKeyAtFault(t *testing.T) {
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.LocalAddr().(*net.UDPAddr).Port
	proxy := Proxy{Host: "127.0.0.1"}
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "proxy"},
		{Config{Proxy: proxy, BindIP: "example.com"}, `bindip "example.com" is not an IP address`},
		{Config{Proxy: proxy, BindIP: "127.0.0.1", BindPort: port}, fmt.Sprintf(`bindip "127.0.0.1", bindport %d: `, port)},
		{Config{Proxy: proxy, BindPort: 70000}, "bindport 70000"},
	} {
		if _, err := New(c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

func TestThousandsAtOnce(t *testing.T) {
	const senders, each = 8, 500
	p := udpPeer(t, "127.0.0.1:0", func(n int, req []byte) [][]byte {
		status := "200 OK"
		if n%10 == 0 {
			return nil // its retransmission is answered
		}
		return [][]byte{answer(req, "100 Trying", ""), answer(req, status, ""), answer(req, "481 Late", "")}
	})
	tcp := tcpPeer(t, listen(t, "127.0.0.1:0"), always("200 OK"))
	u := client(t, p.addr, Config{Timers: Timers{T1: 200 * time.Millisecond, T2: time.Second}})
	var wg sync.WaitGroup
	var acknowledged, calls atomic.Int64
	for s := range senders {
		wg.Go(func() {
			for i := range each {
				r := notify(fmt.Sprintf("sip:%d.%d@127.0.0.1", s, i), 50)
				if i%5 == 0 {
					r.Target = "tcp:" + tcp.addr
				}
				wg.Add(1)
				u.Send(r, func(o Outcome) {
					defer wg.Done()
					calls.Add(1)
					if o.Class == Acknowledged {
						acknowledged.Add(1)
					}
				})
			}
		})
	}
	wg.Wait()
	if calls.Load() != senders*each || acknowledged.Load() != senders*each {
		t.Errorf("%d outcomes, %d acknowledged, of %d", calls.Load(), acknowledged.Load(), senders*each)
	}
	if err := lookBusy(u); err != nil {
		t.Error(err)
	}
}

// Close races with answers, timers and senders; each request still ends once.
func TestCloseInTheMiddle(t *testing.T) {
	p := udpPeer(t, "127.0.0.1:0", func(n int, req []byte) [][]byte {
		if n%2 == 0 {
			return nil
		}
		return [][]byte{answer(req, "200 OK", "")}
	})
	tcp := tcpPeer(t, listen(t, "127.0.0.1:0"), func(n int, req []byte) [][]byte { return [][]byte{{}} })
	u := client(t, p.addr, Config{Timers: Timers{T1: time.Millisecond, T2: time.Millisecond}})
	const senders, each = 4, 300
	var ends [senders * each]atomic.Int64
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := range each {
				r := notify("sip:a@127.0.0.1", 50)
				if i%3 == 0 {
					r.Target = "tcp:" + tcp.addr
				}
				u.Send(r, func(Outcome) { ends[s*each+i].Add(1) })
				if s == 0 && i == each/2 {
					wg.Go(func() { u.Close() })
				}
			}
		})
	}
	wg.Wait()
	for i := range ends {
		if n := ends[i].Load(); n != 1 {
			t.Errorf("request %d ended %d times", i, n)
		}
	}
}
