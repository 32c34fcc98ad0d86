package sipua

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/icholy/digest"
)

// auth is how a call stands with a target that asks who it is (RFC 3261 22).
type auth struct {
	line      string            // for the next attempt: "Proxy-Authorization: Digest ..."
	challenge *digest.Challenge // that line answers, or nil
	count     int               // nc of line
	replies   int               // challenges answered so far
}

// authorize answers a 401 or 407: the first one, and one more that says stale. The next attempt has the next CSeq (22.2).
func (c *call) authorize(t *transaction, r *response) error {
	a := &c.auth
	user := c.ua.cfg.Username
	if user == "" {
		return fmt.Errorf("%s wants credentials, and there is no SIP username", t.to.name)
	}
	challenge, err := findChallenge(r)
	if err != nil {
		return fmt.Errorf("%s: %w", t.to.name, err)
	}
	c.ua.nonces.drop(t.to, a.challenge)
	if a.replies > 1 || a.replies == 1 && !challenge.Stale {
		return fmt.Errorf("%s does not accept the credentials of SIP username %q for realm %q: check the password", t.to.name, user, challenge.Realm)
	}
	a.replies++
	a.challenge, a.count = challenge, 1
	header := "Authorization"
	if r.status == 407 {
		header = "Proxy-Authorization"
	}
	if err := c.sign(header, t.msg); err != nil {
		return fmt.Errorf("%s: %w", t.to.name, err)
	}
	c.cseq++
	return nil
}

// sign writes the line that answers the challenge. msg has the body, which only qop=auth-int looks at.
func (c *call) sign(header string, msg []byte) error {
	cred, err := digest.Digest(c.auth.challenge, digest.Options{
		Method: c.req.Method, URI: c.req.URI, Count: c.auth.count,
		Username: c.ua.cfg.Username, Password: c.ua.cfg.Password,
		GetBody: func() (io.ReadCloser, error) {
			_, body, _ := bytes.Cut(msg, []byte("\r\n\r\n"))
			return io.NopCloser(bytes.NewReader(body)), nil
		},
	})
	if err != nil {
		return err
	}
	c.auth.line = header + ": " + cred.String()
	return nil
}

// findChallenge is the first one that can be answered: the server's order is its preference (RFC 8760 2.4).
func findChallenge(r *response) (*digest.Challenge, error) {
	name := "WWW-Authenticate"
	if r.status == 407 {
		name = "Proxy-Authenticate"
	}
	err := errors.New("a challenge without " + name)
	for v := range r.all(name) {
		ch, parseErr := digest.ParseChallenge(v)
		if parseErr != nil {
			err = parseErr
			continue
		}
		for i := range ch.QOP {
			ch.QOP[i] = strings.TrimSpace(ch.QOP[i])
		}
		if digest.CanDigest(ch) {
			return ch, nil
		}
		err = fmt.Errorf("no such digest algorithm or qop: %q, %q", ch.Algorithm, ch.QOP)
	}
	return nil, err
}

// preempt answers, before it is asked again, the challenge that a proxy put to an earlier request and whose answer it
// accepted. Only a proxy's (407): a phone's (401) says nothing about the next phone.
func (c *call) preempt(to target) {
	if c.auth.line != "" || c.ua.cfg.Username == "" {
		return
	}
	if c.auth.challenge, c.auth.count = c.ua.nonces.use(to); c.auth.challenge == nil {
		return
	}
	if err := c.sign("Proxy-Authorization", nil); err != nil {
		c.auth = auth{}
	}
}

// nonces are the proxies' challenges that have been answered well.
type nonces struct {
	mu   sync.Mutex
	kept map[target]*nonce
}

type nonce struct {
	challenge *digest.Challenge
	count     int // the last nc used
}

const maxNonces = 64

func (n *nonces) keep(to target, a *auth) {
	if !strings.HasPrefix(a.line, "Proxy-") || len(a.challenge.QOP) > 0 && !a.challenge.SupportsQOP("auth") {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if k := n.kept[to]; k != nil && k.challenge == a.challenge {
		return
	}
	if n.kept == nil || len(n.kept) >= maxNonces {
		n.kept = make(map[target]*nonce)
	}
	n.kept[to] = &nonce{a.challenge, a.count}
}

func (n *nonces) use(to target) (*digest.Challenge, int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	k := n.kept[to]
	if k == nil {
		return nil, 0
	}
	k.count++
	return k.challenge, k.count
}

// drop forgets a challenge that no longer holds.
func (n *nonces) drop(to target, ch *digest.Challenge) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if k := n.kept[to]; k != nil && k.challenge == ch {
		delete(n.kept, to)
	}
}
