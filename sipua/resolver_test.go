package sipua

import (
	"context"
	"crypto/tls"
	"fmt"
	"math"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// names are the targets that a proxy resolves to, in one drawing.
func names(t *testing.T, z *zone, proxy, bind string) []string {
	t.Helper()
	p, err := ParseProxy(proxy)
	if err != nil {
		t.Fatal(err)
	}
	ip, err := parseBindIP(bind)
	if err != nil {
		t.Fatal(err)
	}
	found, err := newResolver(Config{Proxy: p, DNS: z.addr}, ip).lookup(context.Background())
	if err != nil {
		return []string{err.Error()}
	}
	var out []string
	for _, t := range order(found) {
		out = append(out, t.name)
	}
	return out
}

func TestResolve(t *testing.T) {
	z := startZone(t,
		"host.test. A 127.0.0.10", "host.test. A 127.0.0.11", "host.test. AAAA ::1",
		"a.test. A 127.0.0.1", "b.test. A 127.0.0.2", "c.test. AAAA ::1",
		// All three, TCP wanted first; order 20 and what is not SIP do not count.
		`naptr.test. NAPTR 10 50 "s" "SIP+D2U" "" udp.naptr.test.`,
		`naptr.test. NAPTR 10 20 "S" "sip+d2t" "" tcp.naptr.test.`,
		`naptr.test. NAPTR 10 60 "s" "SIPS+D2T" "" tls.naptr.test.`,
		`naptr.test. NAPTR 5 10 "s" "SIP+D2S" "" sctp.naptr.test.`,
		`naptr.test. NAPTR 10 10 "u" "E2U+sip" "!^.*$!sip:x@y!" .`,
		`naptr.test. NAPTR 20 10 "s" "SIP+D2U" "" late.naptr.test.`,
		"udp.naptr.test. SRV 1 1 5070 b.test.", "tcp.naptr.test. SRV 1 1 5071 a.test.", "tls.naptr.test. SRV 1 1 5072 a.test.",
		"late.naptr.test. SRV 1 1 5073 a.test.",
		// Without NAPTR.
		"_sip._tcp.srv.test. SRV 1 1 5081 a.test.", "_sip._udp.srv.test. SRV 20 1 5082 a.test.", "_sip._udp.srv.test. SRV 10 1 5083 b.test.",
		"_sips._tcp.srv.test. SRV 1 1 5084 a.test.", "_sip._udp.srv.test. SRV 15 1 5085 nowhere.test.",
		"srv.test. A 127.0.0.99",
		"_sip._udp.off.test. SRV 0 0 0 .", "off.test. A 127.0.0.1",
		"_sip._udp.both.test. SRV 1 1 5060 a.test.", "_sip._udp.both.test. SRV 2 1 5060 c.test.",
	)
	for _, c := range []struct {
		proxy, bind string
		want        []string
	}{
		{"naptr.test", "127.0.0.1", []string{"tcp:127.0.0.1:5071", "udp:127.0.0.2:5070", "tls:127.0.0.1:5072"}},
		{"srv.test", "127.0.0.1", []string{"udp:127.0.0.2:5083", "udp:127.0.0.1:5082", "tcp:127.0.0.1:5081", "tls:127.0.0.1:5084"}},
		{"srv.test;transport=tcp", "127.0.0.1", []string{"tcp:127.0.0.1:5081"}},
		{"srv.test;transport=tls", "127.0.0.1", []string{"tls:127.0.0.1:5084"}},
		{"srv.test:5099", "127.0.0.1", []string{"udp:127.0.0.99:5099"}},
		{"host.test;transport=tls", "::1", []string{"tls:[::1]:5061"}},
		{"both.test", "", []string{"udp:127.0.0.1:5060", "udp:[::1]:5060"}},
		{"both.test", "::1", []string{"udp:[::1]:5060"}},
		{"off.test", "127.0.0.1", []string{"its SRV records name no host with an address"}},
	} {
		if got := names(t, z, c.proxy, c.bind); !slices.Equal(got, c.want) {
			t.Errorf("%s from %q: %q", c.proxy, c.bind, got)
		}
	}
	if got := names(t, z, "host.test", ""); len(got) != 3 || !slices.Contains(got, "udp:[::1]:5060") || !slices.Contains(got, "udp:127.0.0.11:5060") {
		t.Errorf("A and AAAA: %q", got)
	}
	if got := names(t, z, "none.test", ""); len(got) != 1 || !strings.Contains(got[0], "none.test") {
		t.Errorf("no such name: %q", got)
	}
}

// RFC 2782: equal priorities share by weight, and nothing of weight 0 comes before the others.
func TestWeights(t *testing.T) {
	var all []choice
	for i, weight := range []uint16{10, 30, 60, 0} {
		all = append(all, choice{priority: 5, weight: weight, targets: []target{{name: fmt.Sprint(i)}}})
	}
	all = append(all, choice{priority: 9, weight: 9999, targets: []target{{name: "backup"}}})
	const n = 10_000
	first := make(map[string]int)
	for range n {
		got := order(all)
		first[got[0].name]++
		if len(got) != 5 || got[4].name != "backup" {
			t.Fatal(got)
		}
	}
	for name, share := range map[string]float64{"0": .1, "1": .3, "2": .6, "3": 0} {
		if got := float64(first[name]) / n; math.Abs(got-share) > .03 { // six standard deviations
			t.Errorf("record %s is first in %.3f of %d, not in %.1f", name, got, n, share)
		}
	}
	if got := order(slices.Repeat(all, 100)); len(got) != maxTargets {
		t.Errorf("%d targets", len(got))
	}
}

func srvTo(p *peer, priority int) string {
	_, port, _ := net.SplitHostPort(p.addr)
	return fmt.Sprintf("_sip._udp.pbx.test. SRV %d 1 %s a.test.", priority, port)
}

// RFC 3263 4.3: on time-out, transport error and 503 the next target gets it, with another branch and the same CSeq; and the
// one that failed is tried last from then on.
func TestFailover(t *testing.T) {
	for name, first := range map[string]script{"time-out": silent, "503": func(_ int, req []byte) [][]byte {
		return [][]byte{answer(req, "503 Busy", "Retry-After: 60\r\n")}
	}} {
		t.Run(name, func(t *testing.T) {
			bad, good := udpPeer(t, "127.0.0.1:0", first), udpPeer(t, "127.0.0.1:0", always("200 OK"))
			z := startZone(t, "a.test. A 127.0.0.1", srvTo(bad, 1), srvTo(good, 2))
			u := client(t, "pbx.test", Config{DNS: z.addr, Timers: quick})
			u.avoided.probe = time.Hour
			o := do(t, u, notify("sip:a@127.0.0.1", 1))
			want(t, o, Acknowledged, 200)
			failed, ok := bad.requests(), good.requests()
			if value(failed[0], "Via") == value(ok[0], "Via") || cseqOf(ok[0]) != "7" {
				t.Errorf("%q", ok[0])
			}
			if o.Sent != len(failed)+1 || o.Target != "udp:"+good.addr {
				t.Errorf("sent %d, %s", o.Sent, o.Target)
			}
			for range 5 {
				want(t, do(t, u, notify("sip:a@127.0.0.1", 1)), Acknowledged, 200)
			}
			if n := len(bad.requests()); n != len(failed) {
				t.Errorf("the failed one got %d more", n-len(failed))
			}
		})
	}
}

// Each target may put its own challenge.
func TestFailoverAfterAChallenge(t *testing.T) {
	bad := udpPeer(t, "127.0.0.1:0", func(n int, req []byte) [][]byte {
		if n == 0 {
			return [][]byte{answer(req, "407 Who", "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n")}
		}
		return [][]byte{answer(req, "503 Busy", "")}
	})
	g := guard{challenge: md5Auth, header: "Proxy-Authorization", password: "secret"}
	good := udpPeer(t, "127.0.0.1:0", g.script)
	z := startZone(t, "a.test. A 127.0.0.1", srvTo(bad, 1), srvTo(good, 2))
	o := do(t, client(t, "pbx.test", Config{DNS: z.addr, Username: "bridge", Password: "secret"}), notify("sip:a@127.0.0.1", 1))
	if want(t, o, Acknowledged, 200); o.CSeq != 9 || o.Sent != 4 {
		t.Errorf("CSeq %d, sent %d", o.CSeq, o.Sent)
	}
	if first := value(good.requests()[0], "Proxy-Authorization"); first != "" {
		t.Error("one proxy's credentials went to the other:", first)
	}
}

func TestFailoverFromRefusedConnection(t *testing.T) {
	closed := listen(t, "127.0.0.1:0")
	closed.Close()
	p := tcpPeer(t, listen(t, "127.0.0.1:0"), always("200 OK"))
	z := startZone(t, "a.test. A 127.0.0.1",
		fmt.Sprintf("_sip._tcp.pbx.test. SRV 1 1 %d a.test.", closed.Addr().(*net.TCPAddr).Port),
		strings.Replace(srvTo(p, 2), "_udp", "_tcp", 1))
	u := client(t, "pbx.test", Config{DNS: z.addr, Timers: Timers{T1: time.Hour}})
	want(t, do(t, u, notify("sip:a@127.0.0.1", 1)), Acknowledged, 200)
}

func TestEveryTargetSilent(t *testing.T) {
	a, b := udpPeer(t, "127.0.0.1:0", silent), udpPeer(t, "127.0.0.1:0", silent)
	z := startZone(t, "a.test. A 127.0.0.1", srvTo(a, 1), srvTo(b, 2))
	u := client(t, "pbx.test", Config{DNS: z.addr, Timers: quick})
	start := time.Now()
	want(t, do(t, u, notify("sip:a@127.0.0.1", 1)), NoAnswer, 0)
	if took := time.Since(start); took < 2*quick.f() {
		t.Errorf("both were given up after %v", took)
	}
	if len(a.requests()) < 2 || len(b.requests()) < 2 {
		t.Error("not both were tried")
	}
}

// One lookup serves the requests that wait for it, and a DNS server that went away spoils nothing.
func TestAnswersAreKept(t *testing.T) {
	p := udpPeer(t, "127.0.0.1:0", always("200 OK"))
	z := startZone(t, "a.test. A 127.0.0.1", srvTo(p, 1))
	u := client(t, "pbx.test", Config{DNS: z.addr})
	var wg sync.WaitGroup
	for range 100 {
		wg.Add(1)
		u.Send(notify("sip:a@127.0.0.1", 1), func(o Outcome) {
			defer wg.Done()
			if o.Class != Acknowledged {
				t.Error(o.Class, o.Err)
			}
		})
	}
	wg.Wait()
	z.mu.Lock()
	if z.asked > 20 {
		t.Errorf("%d queries for 100 requests", z.asked)
	}
	z.mu.Unlock()
	z.set(t)
	u.proxy.refresh(context.Background())
	want(t, do(t, u, notify("sip:a@127.0.0.1", 1)), Acknowledged, 200)
	moved := udpPeer(t, "127.0.0.1:0", always("202 Moved"))
	z.set(t, "a.test. A 127.0.0.1", srvTo(moved, 1))
	u.proxy.refresh(context.Background())
	want(t, do(t, u, notify("sip:a@127.0.0.1", 1)), Acknowledged, 202)
}

func TestUnknownNameIsNoAnswer(t *testing.T) {
	z := startZone(t)
	o := do(t, client(t, "pbx.test", Config{DNS: z.addr}), notify("sip:a@127.0.0.1", 1))
	if want(t, o, NoAnswer, 0); !strings.Contains(o.Err.Error(), `SIP proxy "pbx.test" cannot be found in DNS`) {
		t.Error(o.Err)
	}
}

// The certificate is for the domain that was asked for, whatever the SRV record's target is called (RFC 5922 4).
func TestTLSChecksTheDomainAskedFor(t *testing.T) {
	for domain, class := range map[string]Class{"pbx.test": Acknowledged, "a.test": NoAnswer} {
		pool, cert := authority(t, domain)
		p := tlsPeer(t, cert, always("200 OK"))
		z := startZone(t, "a.test. A 127.0.0.1", strings.Replace(srvTo(p, 1), "_sip._udp", "_sips._tcp", 1))
		u := client(t, "pbx.test;transport=tls", Config{DNS: z.addr, TLS: &tls.Config{RootCAs: pool}})
		if o := do(t, u, notify("sip:a@127.0.0.1", 1)); o.Class != class {
			t.Errorf("certificate for %s: %v %v", domain, o.Class, o.Err)
		}
	}
}
