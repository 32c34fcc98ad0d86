package sim

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// desk is a phone whose proxy the test plays, in a dialog, with a NOTIFY to vary.
type desk struct {
	*Phone
	proxy  wire
	dialog map[string]string // ids of the dialog
}

const answeredBy = "SIP/2.0 %d %s\r\nVia: %s\r\nFrom: %s\r\nTo: %s;tag=srv\r\nCall-ID: %s\r\nCSeq: %s\r\n%sContact: <sip:%s>\r\nContent-Length: 0\r\n\r\n"

// newDesk subscribes a phone; extra header lines go into the 200.
func newDesk(t *testing.T, cfg PhoneConfig, extra string) *desk {
	t.Helper()
	proxy := newWire(t, "127.0.0.1")
	cfg.User, cfg.Domain, cfg.Proxy = "1001", "pbx.test", proxy.addr()
	p, err := NewPhone(cfg)
	must(t, err)
	t.Cleanup(p.Close)
	d := &desk{Phone: p, proxy: proxy}
	must(t, d.during(func() error { return p.Subscribe(soon(t), 600) }, extra))
	return d
}

// during answers the one request that do sends, and returns what do does.
func (d *desk) during(do func() error, extra string) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	raw, from := d.proxy.recv()
	m := parse([]byte(raw), d.bank.socket.addr())
	d.dialog = map[string]string{"callid": m.callID(), "from": m.fromTag()}
	to := m.value("To")
	to, _, _ = strings.Cut(to, ";tag=")
	d.proxy.send(fmt.Sprintf(answeredBy, 200, "OK", m.value("Via"), m.value("From"), to, m.value("Call-ID"), m.value("CSeq"), extra, d.proxy.addr()), from)
	return <-done
}

// notify renders a good NOTIFY.
func (d *desk) notify(branch string, cseq uint32, body string) string {
	ct := "Content-Type: application/simple-message-summary\r\n"
	if body == "" {
		ct = ""
	}
	return fmt.Sprintf("NOTIFY sip:1001@%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;rport;branch=z9hG4bK%s\r\nMax-Forwards: 70\r\n"+
		"From: <sip:1001@pbx.test>;tag=srv\r\nTo: <sip:1001@pbx.test>;tag=%s\r\nCall-ID: %s\r\nCSeq: %d NOTIFY\r\n"+
		"Contact: <sip:%s>\r\nEvent: message-summary\r\nSubscription-State: active;expires=600\r\n%sContent-Length: %d\r\n\r\n%s",
		d.Addr(), d.proxy.addr(), branch, d.dialog["from"], d.dialog["callid"], cseq, d.proxy.addr(), ct, len(body), body)
}

func (d *desk) ask(raw string) int {
	d.proxy.t.Helper()
	d.proxy.send(raw, d.Addr())
	answer, _ := d.proxy.recv()
	var status int
	_, _ = fmt.Sscanf(answer, "SIP/2.0 %d", &status)
	return status
}

const waiting = "Messages-Waiting: yes\r\nMessage-Account: sip:*97@pbx.test\r\nVoice-Message: 2/1 (0/0)\r\n"

// TestPhoneIsStrict varies a good NOTIFY, one fault at a time.
func TestPhoneIsStrict(t *testing.T) {
	for _, tc := range []struct {
		name, old, new string
		want           int
	}{
		{"good", "", "", 200},
		{"no Max-Forwards", "Max-Forwards: 70\r\n", "", 400},
		{"other Call-ID", "Call-ID: ", "Call-ID: x", 481},
		{"other To tag", "1001@pbx.test>;tag=", "1001@pbx.test>;tag=x", 481},
		{"tags swapped", "tag=srv", "tag=other", 481},
		{"no From tag", ";tag=srv", "", 400},
		{"no branch cookie", "z9hG4bK", "", 400},
		{"CSeq of another method", " NOTIFY\r\n", " INFO\r\n", 400},
		{"CSeq not higher", "CSeq: 11 ", "CSeq: 10 ", 500},
		{"CSeq at 2^31", "CSeq: 11 ", "CSeq: 2147483648 ", 400},
		{"other event", "message-summary\r\n", "presence\r\n", 489},
		{"id of another subscription", "message-summary\r\n", "message-summary;id=7\r\n", 481},
		{"no Subscription-State", "Subscription-State: active;expires=600\r\n", "", 400},
		{"unknown state", ": active;", ": on;", 400},
		{"bad expires", "=600", "=soon", 400},
		{"two states", "Subscription-State: ", "Subscription-State: active\r\nSubscription-State: ", 400},
		{"no Contact", "Contact: ", "X-Contact: ", 400},
		{"no Content-Type", "Content-Type: ", "X-Type: ", 415},
		{"other Content-Type", "simple-message", "simpler-message", 415},
		{"no Content-Length", "Content-Length: ", "X-Length: ", 400},
		{"Content-Length too small", "Content-Length: 8", "Content-Length: 7", 400},
		{"Content-Length too big", "Content-Length: 8", "Content-Length: 9", 400},
		{"body says perhaps", "Waiting: yes", "Waiting: may", 400},
		{"body without last CRLF", "(0/0)\r\n", "(0/0)\r\r", 400},
		{"counts not numbers", "2/1", "a/b", 400},
		{"header injected", "Event: ", "To: <sip:x@y>\r\nEvent: ", 400},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDesk(t, PhoneConfig{}, "")
			if got := d.ask(d.notify("a", 10, "")); got != 200 {
				t.Fatal("the first NOTIFY was answered", got)
			}
			raw := strings.Replace(d.notify("b", 11, waiting), tc.old, tc.new, 1)
			if tc.old != "" && !strings.Contains(d.notify("b", 11, waiting), tc.old) {
				t.Fatalf("%q is not in the NOTIFY", tc.old)
			}
			if got := d.ask(raw); got != tc.want {
				t.Fatalf("answered %d, want %d; %s\n%s", got, tc.want, d.lastNote(), raw)
			}
			lamp := Lamp{}
			if tc.want == 200 {
				lamp = Lamp{Known: true, On: true, New: 2, Old: 1}
			}
			last := d.Notifies()[len(d.Notifies())-1]
			if d.Lamp() != lamp || last.Status != tc.want || (last.Reason == "") != (tc.want == 200) || string(last.Raw) != raw {
				t.Fatalf("lamp %+v, last %+v", d.Lamp(), last)
			}
		})
	}
}

func TestPhoneAbsorbsRepetitions(t *testing.T) {
	calls := 0
	d := newDesk(t, PhoneConfig{OnNotify: func(Notify) { calls++ }}, "")
	for range 3 {
		if got := d.ask(d.notify("same", 5, waiting)); got != 200 {
			t.Fatal(got)
		}
	}
	notes := d.Notifies()
	if len(notes) != 3 || notes[0].Repeat || !notes[2].Repeat || notes[2].Status != 200 {
		t.Fatalf("%+v", notes)
	}
	d.Close() // ends the reader, so that calls may be read
	if calls != 1 {
		t.Fatalf("OnNotify was called %d times", calls)
	}
}

func TestPhoneAnswersAsTold(t *testing.T) {
	d := newDesk(t, PhoneConfig{}, "")
	d.Answer(1, 503)
	if got := d.ask(d.notify("a", 1, waiting)); got != 503 || d.Lamp().Known {
		t.Fatal(got, d.Lamp())
	}
	d.Answer(1, 0)
	d.proxy.send(d.notify("b", 2, waiting), d.Addr())
	d.proxy.send(d.notify("b", 2, waiting), d.Addr())
	must(t, d.WaitNotifies(soon(t), 2))
	if got := d.ask(d.notify("c", 3, waiting)); got != 200 { // nothing of b came before this
		t.Fatal(got)
	}
	must(t, d.WaitLamp(soon(t), Lamp{Known: true, On: true, New: 2, Old: 1}))
}

func TestPhoneReboot(t *testing.T) {
	d := newDesk(t, PhoneConfig{}, "")
	old := d.notify("b", 2, waiting)
	if got := d.ask(d.notify("a", 1, waiting)); got != 200 {
		t.Fatal(got)
	}
	callID := d.dialog["callid"]
	d.Reboot()
	if d.Lamp() != (Lamp{}) {
		t.Fatal("the lamp outlived a reboot")
	}
	if err := d.Refresh(soon(t)); !errors.Is(err, ErrNoDialog) {
		t.Fatal(err)
	}
	must(t, d.during(func() error { return d.Subscribe(soon(t), 600) }, ""))
	if d.dialog["callid"] == callID {
		t.Fatal("same Call-ID after a reboot")
	}
	if got := d.ask(old); got != 481 {
		t.Fatal("a NOTIFY in the old dialog was answered", got)
	}
}

// TestPhoneRoutes: RFC 3261 12.1.2 and 12.2.1.1, loose and strict.
func TestPhoneRoutes(t *testing.T) {
	for _, lr := range []string{";lr", ""} {
		t.Run("route"+lr, func(t *testing.T) {
			edge := newWire(t, "127.0.0.1")
			first := "<sip:" + edge.addr() + lr + ">"
			d := newDesk(t, PhoneConfig{}, "Record-Route: <sip:far.test;lr>, "+first+"\r\n")
			go func() { _ = d.Refresh(soon(t)) }()
			raw, _ := edge.recv()
			want := []string{"SUBSCRIBE sip:" + d.proxy.addr() + " SIP/2.0\r\n", "Route: " + first + "\r\nRoute: <sip:far.test;lr>\r\n"}
			if lr == "" {
				want = []string{"SUBSCRIBE sip:" + edge.addr() + " SIP/2.0\r\n", "Route: <sip:far.test;lr>\r\nRoute: <sip:" + d.proxy.addr() + ">\r\n"}
			}
			for _, w := range append(want, ";tag=srv\r\n", "CSeq: 2 SUBSCRIBE\r\n") {
				if !strings.Contains(raw, w) {
					t.Fatalf("no %q in\n%s", w, raw)
				}
			}
		})
	}
}

// TestPhoneTakesEarlyNotify: RFC 6665 4.1.2.4, the NOTIFY may overtake the 200.
func TestPhoneTakesEarlyNotify(t *testing.T) {
	d := newDesk(t, PhoneConfig{}, "")
	done := make(chan error, 1)
	go func() { done <- d.Subscribe(soon(t), 600) }()
	raw, from := d.proxy.recv()
	m := parse([]byte(raw), d.bank.socket.addr())
	d.dialog = map[string]string{"callid": m.callID(), "from": m.fromTag()}
	if got := d.ask(d.notify("early", 1, waiting)); got != 200 {
		t.Fatal(got)
	}
	d.proxy.send(fmt.Sprintf(answeredBy, 200, "OK", m.value("Via"), m.value("From"), m.value("To"), m.value("Call-ID"), m.value("CSeq"), "", d.proxy.addr()), from)
	must(t, <-done)
	must(t, d.WaitLamp(soon(t), Lamp{true, true, 2, 1}))
}

func TestPhoneReportsRefusal(t *testing.T) {
	p := testProxy(t, ProxyConfig{})
	phone, err := NewPhone(PhoneConfig{User: "1001", Domain: "pbx.test", Proxy: p.Addr()})
	must(t, err)
	defer phone.Close()
	must(t, phone.Subscribe(soon(t), 60))
	_, err = p.DB().Exec(`DELETE FROM active_watchers`)
	must(t, err)
	var status *StatusError
	if err := phone.Refresh(soon(t)); !errors.As(err, &status) || status.Status != 481 {
		t.Fatal(err)
	}
	if err := phone.Refresh(soon(t)); !errors.Is(err, ErrNoDialog) {
		t.Fatal(err)
	}
}

// TestBankOfThousands: one socket, one goroutine, each phone its own dialog.
func TestBankOfThousands(t *testing.T) {
	p := testProxy(t, ProxyConfig{Path: filepath.Join(t.TempDir(), "many.db")})
	b, err := NewBank("", 0)
	must(t, err)
	defer b.Close()
	const n = 1000
	phones := make([]*Phone, n)
	errs := make(chan error, n)
	work := make(chan *Phone)
	for range 16 {
		go func() {
			for phone := range work {
				errs <- phone.Subscribe(soon(t), 600)
			}
		}()
	}
	for i := range phones {
		phones[i], err = b.Phone(PhoneConfig{User: fmt.Sprint(1000 + i), Domain: "pbx.test", Proxy: p.Addr()})
		must(t, err)
		work <- phones[i]
	}
	close(work)
	for range phones {
		must(t, <-errs)
	}
	for _, phone := range phones {
		must(t, phone.WaitNotifies(soon(t), 1))
		if got := phone.Notifies()[0]; got.Status != 200 || got.Body != "" || time.Since(got.Time) > time.Minute {
			t.Fatalf("%+v", got)
		}
	}
}
