//go:build linux

package bench

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
	"time"

	"zonkeymwi/e2e"
	"zonkeymwi/sipua"
)

// compareKamailio has Kamailio's presence tell the phones: a PUBLISH for each
// change, to as many watchers.
func compareKamailio(t *testing.T, w *world) {
	const what = "Kamailio's presence by PUBLISH"
	measured := false
	t.Cleanup(func() {
		if !measured {
			w.report.lack(what, "no Kamailio here; make setup")
		}
	})
	db := &database{w.pg, "kamailio"}
	must(t, w.pg.CreateDB(db.name))
	k := e2e.StartKamailio(t, e2e.KamailioConfig{DB: db.url(), Domain: domain, Memory: 1024, ClockCSeq: true})
	k.Stop() // it reads its table at the start
	db.fill(t, users, 1, k.Addr(), w.phones.addr())
	db.exec(t, "UPDATE active_watchers SET record_route = ''") // the phones are its neighbours
	k.Start()

	ua := newSender(t, k.Addr())
	publish := func(box int) { ua.send("PUBLISH", box, publication(box)) }
	o := other{what: what, at: paced}
	for run := range 3 {
		o.rate = append(o.rate, saturateWith(t, w.phones, window, users, 2*time.Second, publish))
		ua.under.Wait()
		took := atRate(t, w.phones, paced, 2*paced, users, (run+1)*20_000, publish)
		o.p50, o.p99 = append(o.p50, took.median()), append(o.p99, took.quantile(0.99))
	}
	ua.under.Wait()
	w.report.compare(o)
	measured = true
}

// sender sends requests that must be taken.
type sender struct {
	t     testing.TB
	ua    *sipua.UA
	under sync.WaitGroup // requests under way
}

func newSender(t testing.TB, proxy string) *sender {
	t.Helper()
	p, err := sipua.ParseProxy(proxy + ";transport=udp")
	must(t, err)
	ua, err := sipua.New(sipua.Config{Proxy: p, BindIP: "127.0.0.1"})
	must(t, err)
	t.Cleanup(func() { ua.Close() })
	return &sender{t: t, ua: ua}
}

// send sends a request whose text lacks but the values of an attempt.
func (s *sender) send(method string, box int, text func(a sipua.Attempt) string) {
	s.under.Add(1)
	s.ua.Send(sipua.Request{Method: method, URI: boxURI(box), CSeq: 1,
		Render: func(dst []byte, a sipua.Attempt) ([]byte, error) { return append(dst, text(a)...), nil }},
		func(o sipua.Outcome) {
			defer s.under.Done()
			if o.Class != sipua.Acknowledged {
				s.t.Errorf("%s for mailbox %d: %v %d %v", method, firstBox+box, o.Class, o.Status, o.Err)
			}
		})
}

func publication(box int) func(sipua.Attempt) string {
	uri := boxURI(box)
	body := "Messages-Waiting: yes\r\nMessage-Account: sip:*97@" + domain + "\r\nVoice-Message: 1/0 (0/0)\r\n"
	return func(a sipua.Attempt) string {
		return "PUBLISH " + uri + " SIP/2.0\r\nVia: SIP/2.0/" + a.Transport + " " + a.SentBy + ";rport;branch=" + a.Branch +
			"\r\nMax-Forwards: 70\r\nFrom: <" + uri + ">;tag=bench\r\nTo: <" + uri + ">\r\nCall-ID: " + a.Branch +
			"\r\nCSeq: 1 PUBLISH\r\nEvent: message-summary\r\nExpires: 3600\r\nContent-Type: application/simple-message-summary\r\n" +
			fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
	}
}

func TestPublication(t *testing.T) {
	text := publication(5)(sipua.Attempt{Transport: "UDP", SentBy: "127.0.0.1:5060", Branch: "z9hG4bKx"})
	head, body, _ := bytes.Cut([]byte(text), []byte("\r\n\r\n"))
	if want := fmt.Sprintf("Content-Length: %d", len(body)); !bytes.HasSuffix(head, []byte(want)) {
		t.Errorf("%s\nwant %s", head, want)
	}
}
