package bridge

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"zonkeymwi/ami"
	"zonkeymwi/sipmsg"
	"zonkeymwi/sipua"
)

// presence is a presence server (RFC 3903) in memory, inside a synctest bubble:
// it shows of a user's publications the newest, as Kamailio and OpenSIPS do.
type presence struct {
	t   *testing.T
	rnd *rand.Rand // the story's

	mu     sync.Mutex
	net    *rand.Rand
	live   map[string][]publicationAt // by Request-URI, the newest last
	etags  int
	sent   []string // "uri counts If-Match status"
	least  int      // the least Expires in seconds that it takes; 0: any
	most   int      // the most that it grants; 0: any
	loss   int      // per cent of requests, and of answers
	prefix string   // of its ETags
	status int      // that it answers without looking; 0: none
}

type publicationAt struct {
	etag, counts string
	until        time.Time
}

var publishTemplate = func() *sipmsg.Template {
	t, err := sipmsg.Parse(sipmsg.Publish, "publish.tmpl", sipmsg.Builtin(sipmsg.Publish))
	if err != nil {
		panic(err)
	}
	return t
}()

// publisher starts a bridge that publishes to p, until stop is called; kill
// leaves what it has not written unwritten.
func (p *presence) publisher(ledger Ledger) (b *Bridge, stop func()) {
	core, _ := observer.New(zapcore.DebugLevel)
	b, err := New(Options{Publish: true, Sender: p, Ledger: ledger, Log: zap.New(core), Live: Live{Template: publishTemplate, VMExten: "*97"}})
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(p.t.Context())
	var run sync.WaitGroup
	run.Go(func() { b.Run(ctx) })
	return b, func() { cancel(); run.Wait() }
}

// Send takes the way there, what the server does, and the way back.
func (p *presence) Send(r sipua.Request, done func(sipua.Outcome)) {
	msg, err := r.Render(nil, sipua.Attempt{Transport: "UDP", SentBy: "192.0.2.10:5070", Branch: "z9hG4bKtest", CSeq: r.CSeq})
	if err != nil {
		done(sipua.Outcome{Class: sipua.Refused, CSeq: r.CSeq, Err: err})
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	lost, silent := p.net.IntN(100) < p.loss, p.net.IntN(100) < p.loss
	time.AfterFunc(time.Duration(1+p.net.IntN(20))*time.Millisecond, func() {
		o := sipua.Outcome{Class: sipua.NoAnswer, CSeq: r.CSeq}
		if !lost {
			if answer := p.take(string(msg)); !silent {
				o = answer
				o.CSeq = r.CSeq
			}
		}
		if o.Class == sipua.NoAnswer {
			time.Sleep(32 * time.Second)
		}
		done(o)
	})
}

// take is RFC 3903 6, the steps of the server.
func (p *presence) take(msg string) sipua.Outcome {
	p.mu.Lock()
	defer p.mu.Unlock()
	value := func(header string) string {
		_, v, _ := strings.Cut(msg, "\r\n"+header+": ")
		v, _, _ = strings.Cut(v, "\r\n")
		return v
	}
	uri := strings.Fields(msg)[1]
	counts, _, _ := strings.Cut(value("Voice-Message"), " ")
	expires, _ := strconv.Atoi(value("Expires"))
	match := value("SIP-If-Match")
	answer := func(class sipua.Class, status int, header string) sipua.Outcome {
		p.sent = append(p.sent, strings.TrimSpace(fmt.Sprintf("%s %s %s", counts, match, strconv.Itoa(status))))
		return sipua.Outcome{Class: class, Status: status, Response: []byte(fmt.Sprintf("SIP/2.0 %d X\r\n%s\r\n\r\n", status, header))}
	}
	p.expire(uri)
	all := p.live[uri]
	at := -1
	for i := range all {
		if all[i].etag == match {
			at = i
		}
	}
	switch {
	case !strings.HasPrefix(msg, "PUBLISH ") || value("Event") != "message-summary" || counts == "" || expires == 0:
		p.t.Errorf("strange PUBLISH:\n%s", msg)
		return answer(sipua.Refused, 400, "X: y")
	case p.status != 0:
		return answer(sipua.Refused, p.status, "X: y")
	case expires < p.least:
		return answer(sipua.Refused, 423, fmt.Sprint("Min-Expires: ", p.least))
	case match != "" && at < 0:
		return answer(sipua.Refused, 412, "X: y")
	case at >= 0:
		all = append(all[:at], all[at+1:]...)
	}
	if p.most > 0 {
		expires = min(expires, p.most)
	}
	p.etags++
	etag := fmt.Sprint(p.prefix, "e", p.etags)
	p.live[uri] = append(all, publicationAt{etag, counts, time.Now().Add(time.Duration(expires) * time.Second)})
	return answer(sipua.Acknowledged, 200, fmt.Sprintf("SIP-ETag: %s\r\nExpires: %d", etag, expires))
}

func (p *presence) expire(uri string) {
	var left []publicationAt
	for _, x := range p.live[uri] {
		if x.until.After(time.Now()) {
			left = append(left, x)
		}
	}
	p.live[uri] = left
}

// shows is what phones see of a user, and how many publications there are.
func (p *presence) shows(uri string) (counts string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expire(uri)
	all := p.live[uri]
	if len(all) == 0 {
		return "", 0
	}
	return all[len(all)-1].counts, len(all)
}

// said are the requests since it was last called, with their answers.
func (p *presence) said() (sent []string) {
	synctest.Wait()
	p.lock(func() { sent, p.sent = p.sent, nil })
	return sent
}

func (p *presence) lock(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

func inPresence(t *testing.T, seed uint64, test func(p *presence)) {
	synctest.Test(t, func(t *testing.T) {
		test(&presence{t: t, rnd: rand.New(rand.NewPCG(seed, 0)), net: rand.New(rand.NewPCG(seed, 1)), live: map[string][]publicationAt{}})
	})
}

func holds(b *Bridge, user string, n, old int) {
	b.mailbox(ami.Mailbox{Name: user + "@example.com", New: n, Old: old})
}
