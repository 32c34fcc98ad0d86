package sim

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func TestLeaveTellsOncePerMessage(t *testing.T) {
	a := testAsterisk(t, AsteriskConfig{})
	c := dialAMI(t, a).login()
	a.Leave(ben, 2)
	if got := c.read(1) + c.read(1); !strings.Contains(got, "New: 1\r") || !strings.Contains(got, "New: 2\r") {
		t.Fatal(got)
	}
}

func TestDropAndDown(t *testing.T) {
	a := testAsterisk(t, AsteriskConfig{})
	c := dialAMI(t, a).login()
	must(t, a.WaitSessions(soon(t), 1))
	a.Drop()
	c.eof()
	must(t, a.WaitSessions(soon(t), 0))
	a.Down()
	conn, err := net.Dial("tcp", a.Addr())
	must(t, err)
	defer conn.Close()
	if n, _ := conn.Read(make([]byte, 1)); n != 0 {
		t.Fatal("a server that is down said something")
	}
	a.Up()
	dialAMI(t, a).login()
}

func TestFreezeKeepsConnectionsAndEvents(t *testing.T) {
	a := testAsterisk(t, AsteriskConfig{})
	c := dialAMI(t, a).login()
	a.Freeze()
	a.Freeze()
	a.Set(ben, 1, 0)
	late := dialAMI(t, a)
	must(t, late.conn.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
	if n, err := late.conn.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Fatal("a frozen server sent its banner")
	}
	a.Thaw()
	a.Thaw()
	if got := c.read(1); !strings.Contains(got, "New: 1") {
		t.Fatal(got)
	}
}

func TestCutEvent(t *testing.T) {
	a := testAsterisk(t, AsteriskConfig{})
	c := dialAMI(t, a).login()
	a.CutEvent(ben, 4, 0)
	rest, err := io.ReadAll(c.r)
	must(t, err)
	if !strings.HasSuffix(string(rest), "Mailbox: 202@domain.") {
		t.Fatalf("%q", rest)
	}
	c = dialAMI(t, a).login()
	c.write("Action: MailboxCount\r\nMailbox: " + ben + "\r\n\r\n")
	if got := c.read(1); !strings.Contains(got, "NewMessages: 4") {
		t.Fatal("the mailbox was not changed:", got)
	}
}

func TestShortAndHeldList(t *testing.T) {
	a := testAsterisk(t, AsteriskConfig{Mailboxes: capturedMailboxes})
	c, other := dialAMI(t, a).login(), dialAMI(t, a).login()
	a.ShortList(3)
	release := a.HoldList()
	c.write("Action: VoicemailUsersList\r\nActionID: l\r\n\r\n")
	c.read(1 + 3)
	a.Set(ben, 7, 0)
	if got := other.read(1); !strings.Contains(got, "New: 7") {
		t.Fatal("a held list kept an event from another client:", got)
	}
	release()
	c.read(4)
	if got := c.read(1); !strings.Contains(got, "ListItems: 10\r") {
		t.Fatal(got)
	}
	if got := c.read(1); !strings.Contains(got, "Event: MessageWaiting") {
		t.Fatal("the event did not come after the list:", got)
	}
	c.write("Action: VoicemailUsersList\r\n\r\n")
	if c.read(11); !strings.Contains(c.read(1), "ListItems: 10\r") {
		t.Fatal("the faults were not for one list only")
	}
}

// TestSlowClientIsCutOff: Set never waits; who reads gets everything, who does not is cut off.
func TestSlowClientIsCutOff(t *testing.T) {
	a := testAsterisk(t, AsteriskConfig{})
	slow, quick := dialAMI(t, a).login(), dialAMI(t, a).login()
	total := 0
	for batch := 0; ; batch++ {
		for range 1000 {
			total++
			a.Set(ben, total, 0)
		}
		for range 1000 {
			quick.read(1)
		}
		quick.got.Reset()
		a.mu.Lock()
		left := len(a.sessions)
		a.mu.Unlock()
		if left == 1 {
			break
		}
		if batch == 200 {
			t.Fatal("the slow client was never cut off")
		}
	}
	a.Set(ben, 1, 2)
	if got := quick.read(1); !strings.Contains(got, "Old: 2") {
		t.Fatal(got)
	}
	if rest, _ := io.ReadAll(slow.r); strings.Count(string(rest), "Event: ") >= total {
		t.Fatal("the slow client got everything")
	}
}

func TestRestartHasNoVoicemailUntilBoot(t *testing.T) {
	a := testAsterisk(t, AsteriskConfig{Mailboxes: capturedMailboxes})
	a.Stop(true)
	c := dialAMI(t, a)
	c.write("Action: Login\r\nUsername: bridge\r\nSecret: bridge-secret\r\n\r\n")
	c.write("Action: MailboxCount\r\nMailbox: 205@domain.example.com\r\n\r\nAction: VoicemailUsersList\r\n\r\n")
	c.read(1)
	if got := c.read(1); !strings.Contains(got, "Success") || !strings.Contains(got, "NewMessages: 0") {
		t.Fatal(got)
	}
	if got := c.read(1); !strings.Contains(got, "Invalid/unknown command: VoicemailUsersList") {
		t.Fatal(got)
	}
}

func TestRawAndRemove(t *testing.T) {
	a := testAsterisk(t, AsteriskConfig{Mailboxes: capturedMailboxes[:2]})
	c := dialAMI(t, a).login()
	a.Raw("no colon\r\n\r\n")
	if got := c.read(1); got != "no colon\r\n\r\n" {
		t.Fatalf("%q", got)
	}
	a.Remove("201")
	c.write("Action: VoicemailUsersList\r\n\r\n")
	if c.read(2); !strings.Contains(c.read(1), "ListItems: 1\r") {
		t.Fatal(c.got.String())
	}
}

func TestOnUserEvent(t *testing.T) {
	got := make(chan string, 1)
	a := testAsterisk(t, AsteriskConfig{OnUserEvent: func(name string, headers []string) { got <- name + "|" + strings.Join(headers, "|") }})
	c := dialAMI(t, a).login()
	c.write("Action: UserEvent\r\nActionID: 1\r\nUserEvent: ZonkeyMWIResult\r\nMailbox: 202@x\r\n\r\n")
	if got := <-got; got != "ZonkeyMWIResult|Mailbox: 202@x" {
		t.Fatal(got)
	}
	if event := c.read(2); !strings.Contains(event, "UserEvent: ZonkeyMWIResult\r\nActionID: 1\r\nMailbox: 202@x\r\n") {
		t.Fatal(event)
	}
}
