//go:build linux

package bench

import (
	"fmt"
	"testing"

	"zonkeymwi/ami"
)

// What measures must itself be right.
func TestSourceSpeaksAMI(t *testing.T) {
	s := startSource(t, 10)
	s.list.Store(true)
	events := make(chan ami.Mailbox, 20)
	session, err := ami.Dial(t.Context(), ami.Config{Address: s.addr(), Username: "a", Secret: "b"},
		ami.Handler{Mailbox: func(m ami.Mailbox) { events <- m }})
	must(t, err)
	defer session.Close()
	must(t, session.Booted(t.Context()))
	if n, err := session.Mailboxes(t.Context()); n != 10 || err != nil {
		t.Errorf("%d mailboxes, %v", n, err)
	}
	if c, err := session.MailboxCount(t.Context(), fmt.Sprintf("%d@%s", firstBox+3, domain)); c.New != 1 || err != nil {
		t.Errorf("%v, %v", c, err)
	}
	for range 10 {
		<-events
	}
	_, err = s.wait(t, 1)[0].Write(s.change(nil, 4))
	must(t, err)
	if m := <-events; m.Name != fmt.Sprintf("%d@%s", firstBox+4, domain) || m.New != 1 || m.Listed {
		t.Errorf("%+v", m)
	}
}

func TestResponderAnswers(t *testing.T) {
	phones := startResponder(t, 10)
	s := newSender(t, phones.addr())
	s.send("PUBLISH", 7, publication(7)) // fails the test where it is not answered 200
	s.under.Wait()
	if n := phones.told[7].Load(); n != 1 {
		t.Errorf("mailbox 7 was told %d times", n)
	}
}
