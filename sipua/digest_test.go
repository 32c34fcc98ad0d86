package sipua

import (
	"fmt"
	"strings"
	"testing"

	"github.com/icholy/digest"
)

// guard is a proxy that wants digest credentials, and remembers what it saw.
type guard struct {
	challenge string // with %d for the number of the nonce
	header    string // the credentials' field name
	password  string
	stale     int // so many good answers are called stale first
	nonce     int
}

func (g *guard) script(_ int, req []byte) [][]byte {
	status, name := "401 Unauthorized", "WWW-Authenticate"
	if g.header == "Proxy-Authorization" {
		status, name = "407 Proxy Authentication Required", "Proxy-Authenticate"
	}
	cred, err := digest.ParseCredentials(value(req, g.header))
	ok := err == nil && strings.Contains(cred.Nonce, fmt.Sprintf("nonce-%d-", g.nonce)) && g.right(cred, req)
	if ok && g.stale == 0 {
		return [][]byte{answer(req, "200 OK", "")}
	}
	challenge := fmt.Sprintf(g.challenge, g.nonce+1)
	if ok {
		g.stale--
		challenge += ", stale=TRUE"
	}
	g.nonce++
	return [][]byte{answer(req, status, name+": NTLM abc\r\n"+name+": "+challenge+"\r\n")}
}

func (g *guard) right(cred *digest.Credentials, req []byte) bool {
	ch := &digest.Challenge{Realm: cred.Realm, Nonce: cred.Nonce, Algorithm: cred.Algorithm, Opaque: cred.Opaque}
	if cred.QOP != "" {
		ch.QOP = []string{cred.QOP}
	}
	expect, err := digest.Digest(ch, digest.Options{Method: "NOTIFY", URI: cred.URI, Count: cred.Nc, Cnonce: cred.Cnonce,
		Username: "bridge", Password: g.password})
	return err == nil && expect.Response == cred.Response && strings.HasPrefix(string(req), "NOTIFY "+cred.URI+" ")
}

const md5Auth = `Digest realm="pbx", nonce="nonce-%d-x", opaque="o,\"q", qop="auth-int, auth", algorithm=MD5`

func TestDigest(t *testing.T) {
	for name, c := range map[string]struct {
		g        guard
		class    Class
		status   int
		requests int
	}{
		"MD5 auth":       {guard{challenge: md5Auth, header: "Proxy-Authorization", password: "secret"}, Acknowledged, 200, 2},
		"without qop":    {guard{challenge: `Digest realm="pbx",nonce="nonce-%d-x"`, header: "Authorization", password: "secret"}, Acknowledged, 200, 2},
		"SHA-256":        {guard{challenge: `Digest realm="pbx", nonce="nonce-%d-x", qop="auth", algorithm=SHA-256`, header: "Authorization", password: "secret"}, Acknowledged, 200, 2},
		"stale once":     {guard{challenge: md5Auth, header: "Proxy-Authorization", password: "secret", stale: 1}, Acknowledged, 200, 3},
		"always stale":   {guard{challenge: md5Auth, header: "Proxy-Authorization", password: "secret", stale: 99}, Refused, 407, 3},
		"wrong password": {guard{challenge: md5Auth, header: "Authorization", password: "other"}, Refused, 401, 2},
		"unknown scheme": {guard{challenge: `Digest realm="pbx", nonce="nonce-%d-x", algorithm=AKAv1`, header: "Authorization"}, Refused, 401, 1},
		"malformed":      {guard{challenge: `Digest realm="pbx, nonce=%d`, header: "Authorization"}, Refused, 401, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := udpPeer(t, "127.0.0.1:0", c.g.script)
			u := client(t, p.addr, Config{Username: "bridge", Password: "secret"})
			o := do(t, u, notify("sip:a@127.0.0.1", 1))
			want(t, o, c.class, c.status)
			got := p.requests()
			if len(got) != c.requests || o.CSeq != uint32(7+c.requests-1) || o.Sent != c.requests {
				t.Fatalf("%d requests, last CSeq %d, sent %d", len(got), o.CSeq, o.Sent)
			}
			for i, req := range got {
				if cseqOf(req) != fmt.Sprint(7+i) || i > 0 && value(req, "Via") == value(got[i-1], "Via") {
					t.Errorf("request %d: %q", i, req)
				}
			}
			if c.class == Refused && (o.Err == nil || strings.Contains(o.Err.Error(), "secret")) {
				t.Error(o.Err)
			}
		})
	}
}

func TestChallengeWithoutUsername(t *testing.T) {
	g := guard{challenge: md5Auth, header: "Authorization"}
	p := udpPeer(t, "127.0.0.1:0", g.script)
	o := do(t, client(t, p.addr, Config{}), notify("sip:a@127.0.0.1", 1))
	if want(t, o, Refused, 401); !strings.Contains(o.Err.Error(), "no SIP username") || len(p.requests()) != 1 {
		t.Error(o.Err)
	}
}

// A proxy's nonce serves for later requests too, counted, until the proxy says no.
func TestNonceIsUsedAgain(t *testing.T) {
	g := guard{challenge: md5Auth, header: "Proxy-Authorization", password: "secret"}
	p := udpPeer(t, "127.0.0.1:0", g.script)
	u := client(t, p.addr, Config{Username: "bridge", Password: "secret"})
	for i, requests := range []int{2, 1, 1, 2, 1} {
		if i == 3 {
			p.mu.Lock()
			g.nonce += 10 // the proxy restarted and knows its old nonces no more
			p.mu.Unlock()
		}
		before := len(p.requests())
		o := do(t, u, notify("sip:a@127.0.0.1", 1))
		want(t, o, Acknowledged, 200)
		if n := len(p.requests()) - before; n != requests {
			t.Errorf("request %d took %d", i, n)
		}
	}
	if nc := value(p.requests()[3], "Proxy-Authorization"); !strings.Contains(nc, "nc=00000003") {
		t.Error(nc)
	}
}

// A phone's nonce does not: the next phone has its own.
func TestPhonesNonceIsNotUsedAgain(t *testing.T) {
	g := guard{challenge: md5Auth, header: "Authorization", password: "secret"}
	p := udpPeer(t, "127.0.0.1:0", g.script)
	u := client(t, p.addr, Config{Username: "bridge", Password: "secret"})
	for range 2 {
		want(t, do(t, u, notify("sip:a@127.0.0.1", 1)), Acknowledged, 200)
	}
	got := p.requests()
	if len(got) != 4 || value(got[2], "Authorization") != "" || value(got[2], "Proxy-Authorization") != "" {
		t.Errorf("%d requests, the third %q", len(got), got[2])
	}
}

// qop=auth-int takes the body in.
func TestDigestWithBody(t *testing.T) {
	p := udpPeer(t, "127.0.0.1:0", func(n int, req []byte) [][]byte {
		if n == 0 {
			return [][]byte{answer(req, "401 Unauthorized", "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\"\r\n")}
		}
		return [][]byte{answer(req, "200 OK", "")}
	})
	u := client(t, p.addr, Config{Username: "bridge", Password: "secret"})
	want(t, do(t, u, notify("sip:a@127.0.0.1", 3)), Acknowledged, 200)
	cred, err := digest.ParseCredentials(value(p.requests()[1], "Authorization"))
	if err != nil || cred.QOP != "auth-int" {
		t.Fatal(err, cred)
	}
	c := &call{ua: u, req: Request{Method: "NOTIFY", URI: "sip:a@127.0.0.1"}, auth: auth{count: 1}}
	c.auth.challenge = &digest.Challenge{Realm: "r", Nonce: "n", QOP: []string{"auth-int"}}
	if err := c.sign("Authorization", []byte("x\r\n\r\nyyy")); err != nil || strings.Contains(c.auth.line, cred.Response) {
		t.Error("another body, the same digest:", err)
	}
}
