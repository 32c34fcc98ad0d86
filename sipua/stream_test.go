package sipua

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestOneConnectionIsUsedAgain(t *testing.T) {
	l := &countingListener{Listener: listen(t, "127.0.0.1:0")}
	p := tcpPeer(t, l, func(_ int, req []byte) [][]byte {
		return [][]byte{[]byte("\r\n\r\n"), answer(req, "100 Trying", ""), answer(req, "200 OK", "")}
	})
	u := client(t, p.addr+";transport=tcp", Config{})
	var wg sync.WaitGroup
	for range 200 {
		wg.Add(1)
		u.Send(notify("sip:a@127.0.0.1", 3000), func(o Outcome) {
			defer wg.Done()
			if o.Class != Acknowledged || o.Sent != 1 {
				t.Errorf("%v, sent %d, %v", o.Class, o.Sent, o.Err)
			}
		})
	}
	wg.Wait()
	if l.count() != 1 {
		t.Errorf("%d connections", l.count())
	}
	if via := value(p.requests()[0], "Via"); !strings.HasPrefix(via, "SIP/2.0/TCP 127.0.0.1:") {
		t.Errorf("Via %q", via)
	}
}

type countingListener struct {
	net.Listener
	mu sync.Mutex
	n  int
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.mu.Lock()
		l.n++
		l.mu.Unlock()
	}
	return c, err
}

func (l *countingListener) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n
}

// A proxy that restarted has closed the connection: the request goes out once more, with another branch.
func TestLostConnectionIsReplacedOnce(t *testing.T) {
	start := time.Now()
	p := tcpPeer(t, listen(t, "127.0.0.1:0"), func(n int, req []byte) [][]byte {
		if n == 0 {
			return [][]byte{{}}
		}
		return [][]byte{answer(req, "200 OK", "")}
	})
	u := client(t, p.addr+";transport=tcp", Config{})
	want(t, do(t, u, notify("sip:a@127.0.0.1", 1)), Acknowledged, 200)
	got := p.requests()
	if len(got) != 2 || value(got[0], "Via") == value(got[1], "Via") {
		t.Errorf("%q", got)
	}
	if time.Since(start) > 30*time.Second {
		t.Error("it took Timer F")
	}
}

func TestConnectionThatIsAlwaysLostEndsAtOnce(t *testing.T) {
	for name, s := range map[string]script{
		"at once":       func(int, []byte) [][]byte { return [][]byte{{}} },
		"after garbage": func(int, []byte) [][]byte { return [][]byte{[]byte("SIP/2.0 200 OK\r\nContent-Length: -1\r\n\r\n")} },
		"endless line":  func(int, []byte) [][]byte { return [][]byte{make([]byte, 2*maxFields)} },
	} {
		p := tcpPeer(t, listen(t, "127.0.0.1:0"), s)
		u := client(t, p.addr+";transport=tcp", Config{Timers: Timers{T1: time.Hour}})
		o := do(t, u, notify("sip:a@127.0.0.1", 1))
		if o.Class != NoAnswer || o.Sent != 2 || o.Err == nil {
			t.Errorf("%s: %v, sent %d, %v", name, o.Class, o.Sent, o.Err)
		}
	}
	p := tcpPeer(t, listen(t, "127.0.0.1:0"), func(_ int, req []byte) [][]byte { return [][]byte{answer(req, "100 Trying", ""), {}} })
	u := client(t, p.addr+";transport=tcp", Config{Timers: Timers{T1: time.Hour}})
	if o := do(t, u, notify("sip:a@127.0.0.1", 1)); o.Class != NoAnswer || o.Sent != 1 {
		t.Errorf("after 100: %v, sent %d, %v", o.Class, o.Sent, o.Err)
	}
}

// Timer E is for UDP alone (17.1.2.2).
func TestNoRetransmissionOverTCP(t *testing.T) {
	p := tcpPeer(t, listen(t, "127.0.0.1:0"), silent)
	start := time.Now()
	o := do(t, client(t, p.addr+";transport=tcp", Config{Timers: quick}), notify("sip:a@127.0.0.1", 1))
	if want(t, o, NoAnswer, 0); o.Sent != 1 || len(p.requests()) != 1 || time.Since(start) < quick.f() {
		t.Errorf("sent %d times, over after %v", o.Sent, time.Since(start))
	}
}

func TestConnectionRefused(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	l.Close()
	u := client(t, l.Addr().String()+";transport=tcp", Config{Timers: Timers{T1: time.Hour}})
	o := do(t, u, notify("sip:a@127.0.0.1", 1))
	if want(t, o, NoAnswer, 0); !strings.Contains(o.Err.Error(), "tcp:"+l.Addr().String()+": cannot connect") {
		t.Error(o.Err)
	}
}

// A peer that takes nothing more off its connection fills a bounded queue, no more.
func TestPeerThatDoesNotRead(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	defer l.Close()
	u := client(t, l.Addr().String()+";transport=tcp", Config{Timers: Timers{T1: time.Hour}})
	const n = 400
	full := make(chan Outcome, n)
	for range n {
		u.Send(notify("sip:a@127.0.0.1", 60_000), func(o Outcome) { full <- o })
	}
	if o := <-full; o.Class != NoAnswer || !strings.Contains(o.Err.Error(), "does not take") {
		t.Error(o.Class, o.Err)
	}
}

// authority is a CA and a certificate of its for a name.
func authority(t *testing.T, name string) (*x509.CertPool, tls.Certificate) {
	t.Helper()
	make := func(template, parent *x509.Certificate, signer *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if signer == nil {
			signer = key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
		if err != nil {
			t.Fatal(err)
		}
		return der, key
	}
	from, to := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, NotBefore: from, NotAfter: to,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, caKey := make(ca, ca, nil)
	root, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: from, NotAfter: to, DNSNames: []string{name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if ip := net.ParseIP(name); ip != nil {
		leaf.DNSNames, leaf.IPAddresses = nil, []net.IP{ip}
	}
	der, key := make(leaf, root, caKey)
	pool := x509.NewCertPool()
	pool.AddCert(root)
	return pool, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func tlsPeer(t *testing.T, cert tls.Certificate, s script) *peer {
	return tcpPeer(t, tls.NewListener(listen(t, "127.0.0.1:0"), &tls.Config{Certificates: []tls.Certificate{cert}}), s)
}

func TestTLS(t *testing.T) {
	pool, cert := authority(t, "127.0.0.1")
	p := tlsPeer(t, cert, always("200 OK"))
	u := client(t, p.addr+";transport=tls", Config{TLS: &tls.Config{RootCAs: pool}})
	o := do(t, u, notify("sip:a@127.0.0.1", 2000))
	if want(t, o, Acknowledged, 200); o.Target != "tls:"+p.addr {
		t.Error(o.Target)
	}
	if via := value(p.requests()[0], "Via"); !strings.HasPrefix(via, "SIP/2.0/TLS 127.0.0.1:") {
		t.Errorf("Via %q", via)
	}
	for name, config := range map[string]*tls.Config{
		"wrong name":   {RootCAs: pool, ServerName: "sip.example.com"},
		"unknown CA":   {RootCAs: x509.NewCertPool()},
		"system roots": nil,
	} {
		u := client(t, p.addr+";transport=tls", Config{TLS: config})
		o := do(t, u, notify("sip:a@127.0.0.1", 1))
		if o.Class != NoAnswer || !strings.Contains(o.Err.Error(), "certificate") {
			t.Errorf("%s: %v %v", name, o.Class, o.Err)
		}
	}
	if n := len(p.requests()); n != 1 {
		t.Errorf("%d requests came through", n)
	}
}

// A peer that takes everything and says nothing may have vanished: the next request has a connection of its own.
func TestSilentConnectionIsNotUsedAgain(t *testing.T) {
	l := &countingListener{Listener: listen(t, "127.0.0.1:0")}
	p := tcpPeer(t, l, func(int, []byte) [][]byte { return nil })
	u := client(t, p.addr+";transport=tcp", Config{Timers: Timers{T1: 5 * time.Millisecond}})
	for range 2 {
		if o := u.Do(t.Context(), notify("sip:a@127.0.0.1", 100)); o.Class != NoAnswer {
			t.Errorf("%v", o)
		}
	}
	if l.count() != 2 {
		t.Errorf("%d connections, want 2", l.count())
	}
}
