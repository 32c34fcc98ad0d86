package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// setup is a proxy, a subscribed and registered phone, and a bare socket to notify from.
type setup struct {
	t      *testing.T
	proxy  *Proxy
	phone  *Phone
	bridge wire
}

func newSetup(t *testing.T, cfg ProxyConfig) *setup {
	t.Helper()
	s := &setup{t: t, proxy: testProxy(t, cfg), bridge: newWire(t, "127.0.0.1")}
	s.phone = s.newPhone()
	must(t, s.phone.Subscribe(soon(t), 600))
	must(t, s.phone.WaitNotifies(soon(t), 1))
	return s
}

func (s *setup) newPhone() *Phone {
	s.t.Helper()
	p, err := NewPhone(PhoneConfig{User: "1001", Domain: "pbx.test", Proxy: s.proxy.Addr(), T1: 20 * time.Millisecond})
	must(s.t, err)
	s.t.Cleanup(p.Close)
	must(s.t, p.Register(soon(s.t)))
	return p
}

// notify renders a NOTIFY from the row of the database alone, as a bridge must.
func (s *setup) notify(branch string, cseq uint32, extra string) string {
	s.t.Helper()
	var user, domain, toUser, toDomain, callID, fromTag, toTag, contact, local string
	must(s.t, s.proxy.DB().QueryRow(`SELECT watcher_username, watcher_domain, to_user, to_domain, callid, from_tag, to_tag, contact, local_contact
		FROM active_watchers WHERE presentity_uri = 'sip:1001@pbx.test' AND event = 'message-summary' AND status = 1 ORDER BY id DESC LIMIT 1`).
		Scan(&user, &domain, &toUser, &toDomain, &callID, &fromTag, &toTag, &contact, &local))
	return fmt.Sprintf("NOTIFY %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;rport;branch=z9hG4bK%s\r\nMax-Forwards: 70\r\n%s"+
		"From: <sip:%s@%s>;tag=%s\r\nTo: <sip:%s@%s>;tag=%s\r\nCall-ID: %s\r\nCSeq: %d NOTIFY\r\nContact: <%s>\r\n"+
		"Event: message-summary\r\nSubscription-State: active;expires=600\r\nContent-Type: application/simple-message-summary\r\n"+
		"Content-Length: %d\r\n\r\n%s", contact, s.bridge.addr(), branch, extra, toUser, toDomain, toTag, user, domain, fromTag,
		callID, cseq, local, len(waiting), waiting)
}

func (s *setup) ask(raw string) string {
	s.t.Helper()
	s.bridge.send(raw, s.proxy.Addr())
	answer, _ := s.bridge.recv()
	line, _, _ := strings.Cut(answer, "\r\n")
	if strings.Count(answer, "Via: ") != 1 {
		s.t.Fatalf("not one Via:\n%s", answer)
	}
	return line
}

func later() uint32 { return uint32(time.Now().Unix()) + 1 }

func TestRowLeadsToLamp(t *testing.T) {
	for _, flavour := range []string{"kamailio", "opensips"} {
		t.Run(flavour, func(t *testing.T) {
			s := newSetup(t, ProxyConfig{Flavour: flavour, CSeq: "database"})
			var cseq uint32
			must(t, s.proxy.DB().QueryRow(`UPDATE active_watchers SET local_cseq = local_cseq + 1 RETURNING local_cseq + 1`).Scan(&cseq))
			if got := s.ask(s.notify("a", cseq, "")); got != "SIP/2.0 200 OK" {
				t.Fatal(got)
			}
			must(t, s.phone.WaitLamp(soon(t), Lamp{true, true, 2, 1}))
			if got := s.ask(s.notify("a", cseq, "")); got != "SIP/2.0 200 OK" { // a repetition
				t.Fatal(got)
			}
			if n := len(s.phone.Notifies()); n != 2 {
				t.Fatalf("the repetition reached the phone: %d NOTIFYs", n)
			}
			must(t, s.phone.Unsubscribe(soon(t)))
			must(t, s.phone.WaitNotifies(soon(t), 3))
			var rows int
			must(t, s.proxy.DB().QueryRow(`SELECT COUNT(*) FROM active_watchers`).Scan(&rows))
			if rows != 0 {
				t.Fatal("the row stayed after unsubscribing")
			}
			if err := s.phone.Refresh(soon(t)); err != ErrNoDialog {
				t.Fatal("the dialog outlived its last NOTIFY:", err)
			}
		})
	}
}

func TestProxyAnswersAsTold(t *testing.T) {
	s := newSetup(t, ProxyConfig{})
	s.proxy.Answer(1, 503, "Retry-After: 7")
	for range 2 {
		s.bridge.send(s.notify("a", later(), ""), s.proxy.Addr())
		if answer, _ := s.bridge.recv(); !strings.HasPrefix(answer, "SIP/2.0 503 Service Unavailable\r\n") || !strings.Contains(answer, "\r\nRetry-After: 7\r\n") {
			t.Fatal(answer)
		}
	}
	s.proxy.Answer(1, 0)
	s.bridge.send(s.notify("b", later(), ""), s.proxy.Addr())
	s.bridge.send(s.notify("b", later(), ""), s.proxy.Addr())
	if got := s.ask(s.notify("c", later(), "")); got != "SIP/2.0 200 OK" {
		t.Fatal(got)
	}
}

func TestProxyTimesOut(t *testing.T) {
	s := newSetup(t, ProxyConfig{FRTimer: 30 * time.Millisecond})
	s.phone.Answer(1, 0)
	if got := s.ask(s.notify("a", later(), "")); got != "SIP/2.0 408 Request Timeout" {
		t.Fatal(got)
	}
}

func TestProxyForksAndLooksUp(t *testing.T) {
	s := newSetup(t, ProxyConfig{})
	other := s.newPhone() // registered, not subscribed: it will say 481
	aor := func(raw string) string {
		_, rest, _ := strings.Cut(strings.TrimPrefix(raw, "NOTIFY "), " ")
		return "NOTIFY sip:1001@pbx.test " + rest
	}
	if got := s.ask(aor(s.notify("a", later(), ""))); got != "SIP/2.0 200 OK" {
		t.Fatal(got)
	}
	must(t, other.WaitNotifies(soon(t), 1))
	if got := other.Notifies()[0].Status; got != 481 {
		t.Fatal(got)
	}
	s.phone.Reboot()
	if got := s.ask(aor(s.notify("b", later()+1, ""))); got != "SIP/2.0 481 Subscription does not exist" {
		t.Fatal(got)
	}
	if got := s.ask(aor(s.notify("c", later()+2, "Route: <sip:"+s.proxy.Addr()+";lr>\r\n"))); got != "SIP/2.0 480 Temporarily Unavailable" {
		t.Fatal(got)
	}
}

func TestProxyFollowsRoute(t *testing.T) {
	s := newSetup(t, ProxyConfig{})
	edge := newWire(t, "127.0.0.1")
	s.bridge.send(s.notify("a", later(), "Route: <sip:"+s.proxy.Addr()+";lr>, <sip:"+edge.addr()+";lr>\r\n"), s.proxy.Addr())
	raw, _ := edge.recv()
	if !strings.Contains(raw, "\r\nRoute: <sip:"+edge.addr()+";lr>\r\n") || strings.Contains(raw, s.proxy.Addr()+";lr") || !strings.Contains(raw, "\r\nMax-Forwards: 69\r\n") {
		t.Fatal(raw)
	}
}

// TestOwnCSeq: who counts how, as seen on running servers.
func TestOwnCSeq(t *testing.T) {
	for _, tc := range []struct {
		flavour, cseq string
		own, row      []uint32 // after SUBSCRIBE, refresh, refresh
	}{
		{"kamailio", "memory", []uint32{2, 3, 4}, []uint32{0, 2, 3}},
		{"opensips", "memory", []uint32{1, 2, 3}, []uint32{1, 2, 3}},
		{"kamailio", "database", []uint32{2, 3, 4}, []uint32{1, 2, 3}},
	} {
		t.Run(tc.flavour+" "+tc.cseq, func(t *testing.T) {
			s := newSetup(t, ProxyConfig{Flavour: tc.flavour, CSeq: tc.cseq})
			for i := range tc.own {
				if i > 0 {
					must(t, s.phone.Refresh(soon(t)))
				}
				must(t, s.phone.WaitNotifies(soon(t), i+1))
				var row uint32
				must(t, s.proxy.DB().QueryRow(`SELECT local_cseq FROM active_watchers`).Scan(&row))
				if got := s.phone.Notifies()[i]; got.CSeq != tc.own[i] || row != tc.row[i] || got.Status != 200 {
					t.Fatalf("SUBSCRIBE %d: CSeq %d, local_cseq %d, answered %d", i, got.CSeq, row, got.Status)
				}
			}
		})
	}
}

// TestDatabaseCSeqHonoursUpdate: an outside step of local_cseq is not lost.
func TestDatabaseCSeqHonoursUpdate(t *testing.T) {
	s := newSetup(t, ProxyConfig{CSeq: "database"})
	_, err := s.proxy.DB().Exec(`UPDATE active_watchers SET local_cseq = local_cseq + 1`)
	must(t, err)
	must(t, s.phone.Refresh(soon(t)))
	must(t, s.phone.WaitNotifies(soon(t), 2))
	if got := s.phone.Notifies()[1].CSeq; got != 4 {
		t.Fatal(got)
	}
}

// TestBadNetwork: loss, duplicates and delay on every datagram; repetition gets each request through, each once.
func TestBadNetwork(t *testing.T) {
	p := testProxy(t, ProxyConfig{Faults: Faults{Seed: 1, Loss: 0.3, Duplicate: 0.3, Delay: 5 * time.Millisecond}})
	phone, err := NewPhone(PhoneConfig{User: "1001", Domain: "pbx.test", Proxy: p.Addr(), T1: 20 * time.Millisecond})
	must(t, err)
	defer phone.Close()
	for range 5 {
		must(t, phone.Register(soon(t)))
		must(t, phone.Subscribe(soon(t), 600))
	}
	p.SetFaults(Faults{})
	var rows int
	must(t, p.DB().QueryRow(`SELECT COUNT(*) FROM active_watchers`).Scan(&rows))
	if rows != 5 {
		t.Fatalf("%d rows of 5 subscriptions", rows)
	}
}

// TestFaultsAreSeeded: the same seed loses the same datagrams.
func TestFaultsAreSeeded(t *testing.T) {
	pattern := func() string {
		var s socket
		s.setFaults(Faults{Seed: 42, Loss: 0.2, Duplicate: 0.2})
		var out strings.Builder
		for range 64 {
			n := 0
			s.suffer(func() { n++ })
			fmt.Fprint(&out, n)
		}
		return out.String()
	}
	if a, b := pattern(), pattern(); a != b || !strings.Contains(a, "0") || !strings.Contains(a, "2") {
		t.Fatal(a, b)
	}
}

func TestStartProxyErrorsNameThePlace(t *testing.T) {
	if _, err := StartProxy(ProxyConfig{Path: "/nonexistent/x.db"}); err == nil || !strings.Contains(err.Error(), "/nonexistent/x.db") {
		t.Fatal(err)
	}
	if _, err := StartProxy(ProxyConfig{Addr: "nowhere", Path: t.TempDir() + "/x.db"}); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Fatal(err)
	}
}
