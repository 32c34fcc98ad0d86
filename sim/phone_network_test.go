package sim

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// asked is a request of the phone as the test's proxy got it.
type asked struct {
	*message
	from string
}

// next receives a request and answers it with status; extra header lines go into the answer.
func (d *desk) next(status int, extra string) asked {
	d.proxy.t.Helper()
	raw, from := d.proxy.recv()
	m := parse([]byte(raw), d.bank.socket.addr())
	d.proxy.send(fmt.Sprintf(answeredBy, status, "Simulated", m.value("Via"), m.value("From"), m.value("To"),
		m.value("Call-ID"), m.value("CSeq"), extra, d.proxy.addr()), from)
	return asked{m, from}
}

// TestPhoneUnregisters: RFC 3261 10.2.2, the same Call-ID, the next CSeq, its own contact alone.
func TestPhoneUnregisters(t *testing.T) {
	d := newDesk(t, PhoneConfig{}, "")
	done := make(chan error, 2)
	go func() { done <- d.Register(soon(t)); done <- d.Unregister(soon(t)) }()
	first, second := d.next(200, ""), d.next(200, "")
	must(t, <-done)
	must(t, <-done)
	contact := "<sip:1001@" + d.Addr() + ">"
	if first.value("Expires") != "3600" || second.value("Expires") != "0" || second.value("Contact") != contact {
		t.Errorf("%q", second.lines)
	}
	if second.callID() != first.callID() || second.cseq() != first.cseq()+1 {
		t.Errorf("Call-ID %s, CSeq %d after %s, %d", second.callID(), second.cseq(), first.callID(), first.cseq())
	}
	must(t, d.during(func() error { return d.Refresh(soon(t)) }, "")) // the subscription is still there
}

// TestPhoneBehindNAT says where it takes itself to be, and is reached where it is.
func TestPhoneBehindNAT(t *testing.T) {
	d := newDesk(t, PhoneConfig{Inside: "127.0.0.66:9"}, "")
	go func() { _ = d.Refresh(soon(t)) }()
	m := d.next(200, "")
	if m.from != d.Addr() || m.value("Contact") != "<sip:1001@127.0.0.66:9>" || !strings.HasPrefix(m.value("Via"), "SIP/2.0/UDP 127.0.0.66:9;rport;") {
		t.Errorf("from %s: %q", m.from, m.lines)
	}
	if got := d.ask(d.notify("a", 1, waiting)); got != 200 {
		t.Error(got)
	}
}

// TestPhoneAnswersChallenge: RFC 3261 22.2 and 22.3, the same request with credentials and the next CSeq, once.
func TestPhoneAnswersChallenge(t *testing.T) {
	for status, names := range map[int][2]string{401: {"WWW-Authenticate", "Authorization"}, 407: {"Proxy-Authenticate", "Proxy-Authorization"}} {
		challenge := names[0] + ": Digest realm=\"pbx.test\", nonce=\"n\", qop=\"auth\"\r\n"
		d := newDesk(t, PhoneConfig{Password: "secret"}, "")
		done := make(chan error, 2)
		go func() { done <- d.Register(soon(t)); done <- d.Register(soon(t)) }()
		first, second := d.next(status, challenge), d.next(200, "")
		must(t, <-done)
		given := second.value(names[1])
		if first.value(names[1]) != "" || !strings.Contains(given, `username="1001"`) || !strings.Contains(given, `uri="sip:pbx.test"`) || strings.Contains(given, "secret") {
			t.Errorf("%q, then %q", first.lines, second.lines)
		}
		if second.cseq() != first.cseq()+1 || second.branch() == first.branch() || second.callID() != first.callID() {
			t.Errorf("%q, then %q", first.lines, second.lines)
		}
		d.next(status, challenge)
		d.next(status, challenge) // the password is wrong
		var refused *StatusError
		if err := <-done; !errors.As(err, &refused) || refused.Status != status {
			t.Error(err)
		}
	}
}

// TestPhoneUnsolicited: a NOTIFY in no dialog is taken by the phone that is told to, and leaves its dialog alone.
func TestPhoneUnsolicited(t *testing.T) {
	for takes, want := range map[bool]int{true: 200, false: 481} {
		d := newDesk(t, PhoneConfig{Unsolicited: takes}, "")
		alone := strings.Replace(d.notify("a", 1, waiting), ";tag="+d.dialog["from"], "", 1)
		alone = strings.Replace(alone, "Call-ID: ", "Call-ID: other", 1)
		if got := d.ask(alone); got != want || d.Lamp().On != takes {
			t.Errorf("takes them: %v: answered %d, lamp %+v", takes, got, d.Lamp())
		}
		if got := d.ask(d.notify("b", 1, "")); got != 200 {
			t.Error("in the dialog:", got)
		}
	}
}
