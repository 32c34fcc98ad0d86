package ami

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Answers come in any order, with events between that carry the same ActionID and claim to be responses.
func TestAnswersFindTheirActions(t *testing.T) {
	var got log
	const n = 20
	s := dial(t, got.handler(), func(s *server) {
		var ids []string
		for range n {
			s.expect("Action: MailboxCount")
			ids = append(ids, s.id)
		}
		slices.Reverse(ids)
		for _, s.id = range ids {
			s.send("Event: UserEvent\r\nPrivilege: user,all\r\nUserEvent: Spoof\r\nActionID: $id\r\nResponse: Success\r\nNewMessages: 99\r\n\r\n")
			s.send("Response: Success\r\nActionID: $id\r\nMailbox: $id\r\nUrgMessages: 1\r\nNewMessages: 2\r\nOldMessages: 3\r\n\r\n")
		}
		s.send("Response: Success\r\nActionID: somebody-else\r\n\r\n" + "Response: Error\r\nMessage: Failed to parse message: line too long\r\n\r\n")
		s.expect("Action: Ping")
		s.send("Response: Success\r\nActionID: $id\r\nPing: Pong\r\n\r\n")
		s.untilClosed()
	})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			c, err := s.MailboxCount(t.Context(), fmt.Sprint(i))
			if err != nil || c != (Counts{New: 2, Old: 3, Urgent: 1}) {
				t.Error(c, err)
			}
		})
	}
	wg.Wait()
	if m, err := s.Do(t.Context(), "Ping"); err != nil || m.Get("Ping") != "Pong" {
		t.Error(m, err)
	}
	s.Close()
	want := append(slices.Repeat(log{"user event Spoof"}, n), "Response Success", "Response Error")
	equal(t, "the handler got", got, want)
}

// Many mailboxes are asked for in one packet; what is not answered, answered with
// an error, or cannot be sent is absent, and keeps nothing else.
func TestMailboxCounts(t *testing.T) {
	s := dial(t, Handler{}, func(s *server) {
		s.expect("Mailbox: 0")
		for i := 1; i < 4; i++ {
			if s.in.Buffered() == 0 {
				t.Error("the actions came in several packets")
			}
			id := s.id
			s.expect(fmt.Sprint("Mailbox: ", i))
			s.id, id = id, s.id
			if i != 2 {
				s.send("Response: Success\r\nActionID: $id\r\nUrgMessages: 1\r\nNewMessages: 2\r\nOldMessages: 3\r\n\r\n")
			} else {
				s.send("Response: Error\r\nActionID: $id\r\nMessage: Mailbox not specified\r\n\r\n")
			}
			s.id = id
		}
		s.expect("Action: Ping") // the last was not answered
		s.send("Response: Success\r\nActionID: $id\r\nPing: Pong\r\n\r\n")
		s.untilClosed()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	got := s.MailboxCounts(ctx, []string{"0", "1\r\nAction: Logoff", "1", "2", "3"})
	want := Counts{New: 2, Old: 3, Urgent: 1}
	if len(got) != 2 || got["0"] != want || got["2"] != want {
		t.Errorf("%+v", got)
	}
	if m, err := s.Do(t.Context(), "Ping"); err != nil || m.Get("Ping") != "Pong" {
		t.Error(m, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.calls) > 0 {
		t.Errorf("%d calls are still waited for", len(s.calls))
	}
}

func TestMailboxCountOfTheRecording(t *testing.T) {
	all := messages(t, capture(t, "mailbox-count-and-status"))
	s := dial(t, Handler{}, func(s *server) {
		for _, m := range []Message{all[1], all[3], all[2]} { // 202, the unknown 999, and a MailboxStatus: no counts in it
			s.expect("Mailbox: 202@domain.example.com")
			text, err := encode(m.Headers)
			if err != nil {
				t.Error(err)
			}
			s.send(strings.ReplaceAll(text, m.Get("ActionID"), "$id"))
		}
		s.untilClosed()
	})
	count := func() (Counts, error) { return s.MailboxCount(t.Context(), "202@domain.example.com") }
	if c, err := count(); err != nil || c != (Counts{New: 2, Urgent: 1}) {
		t.Error(c, err)
	}
	if c, err := count(); err != nil || c != (Counts{}) {
		t.Error(c, err)
	}
	if _, err := count(); err == nil || !strings.Contains(err.Error(), "without counts") {
		t.Error(err)
	}
}

// list plays the recorded answer to VoicemailUsersList, edited.
func list(t *testing.T, capt string, edit *strings.Replacer) func(*server) {
	_, text, ok := strings.Cut(capture(t, capt), "Response: Success\r\nActionID: lst\r\n")
	if !ok {
		t.Fatal("no list")
	}
	text = "Response: Success\r\nActionID: lst\r\n" + text
	return func(s *server) {
		s.expect("Action: VoicemailUsersList")
		s.send(strings.ReplaceAll(edit.Replace(text), "lst", "$id"))
		s.untilClosed()
	}
}

func TestMailboxes(t *testing.T) {
	const name = "pipelined-actions-with-events-between"
	waiting := block(t, "voicemail-left", "Event: MessageWaiting")
	between := strings.NewReplacer("Event: VoicemailUserEntryComplete", waiting+"Event: VoicemailUserEntryComplete")
	var got log
	s := dial(t, got.handler(), list(t, name, between))
	n, err := s.Mailboxes(t.Context())
	s.Close()
	if err != nil || n != 10 {
		t.Errorf("%d mailboxes, %v", n, err)
	}
	want := log{
		"200@default 1/0 listed=true", "201@default 0/0 listed=true", "201@domain.example.com 0/0 listed=true",
		"202@domain.example.com 1/2 listed=true", "203@domain.example.com 0/0 listed=true", "204@domain.example.com 0/1 listed=true",
	}
	equal(t, "the first entries", got[:6], want)
	equal(t, "a newer event keeps its place", got[10], "202@domain.example.com 1/0 listed=false")
}

func TestIncompleteLists(t *testing.T) {
	const name = "pipelined-actions-with-events-between"
	for what, edit := range map[string]*strings.Replacer{
		"one entry lost":    strings.NewReplacer("ListItems: 10\r\n", "ListItems: 11\r\n"),
		"no number":         strings.NewReplacer("ListItems: 10\r\n", ""),
		"an unusable entry": strings.NewReplacer("VoiceMailbox: 203", "VoiceMailbox: "),
	} {
		s := dial(t, Handler{}, list(t, name, edit))
		if _, err := s.Mailboxes(t.Context()); !errors.Is(err, ErrIncomplete) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestNoMailboxesAtAll(t *testing.T) {
	none := block(t, "voicemail-users-list-when-none-configured", "Response: Success\r\nActionID: e\r\n")
	s := dial(t, Handler{}, func(s *server) {
		s.expect("Action: VoicemailUsersList")
		s.send(strings.ReplaceAll(none, "ActionID: e", "ActionID: $id"))
		s.expect("Action: VoicemailUsersList")
		s.send("Response: Error\r\nActionID: $id\r\nMessage: Permission denied\r\n\r\n")
		s.untilClosed()
	})
	if n, err := s.Mailboxes(t.Context()); n != 0 || err != nil {
		t.Error(n, err)
	}
	if _, err := s.Mailboxes(t.Context()); !errors.Is(err, ErrPermission) || !strings.Contains(err.Error(), "write=") {
		t.Error(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	equal(t, "actions still awaited", len(s.calls), 0)
}

func TestSendUserEvent(t *testing.T) {
	s := dial(t, Handler{}, func(s *server) {
		lines := s.expect("Action: UserEvent", "UserEvent: ZonkeyMWIResult", "Mailbox: 202@x", "ActionID: theirs")
		s.id = strings.TrimPrefix(lines[1], "ActionID: ")
		s.send("Response: Success\r\nActionID: $id\r\nMessage: Event Sent\r\n\r\n")
		s.untilClosed()
	})
	err := s.SendUserEvent(t.Context(), "ZonkeyMWIResult", Header{"Mailbox", "202@x"}, Header{"ActionID", "theirs"})
	if err != nil {
		t.Error(err)
	}
	for what, headers := range map[string][]Header{
		"LF in a value":  {{"A", "b\nAction: Originate"}},
		"CR in a value":  {{"A", "b\rc"}},
		"NUL in a value": {{"A", "b\x00c"}},
		"LF in a name":   {{"A\n", "b"}},
		"colon in name":  {{"A: b", "c"}},
		"no name":        {{"", "c"}},
		"long line":      {{"B", strings.Repeat("v", 1020)}},
		"many headers":   slices.Repeat([]Header{{"A", "b"}}, 126),
	} {
		if err := s.SendUserEvent(t.Context(), "X", headers...); err == nil {
			t.Errorf("%s was sent", what)
		}
	}
}

// The limits are those Asterisk was seen to keep: 1022 bytes a line, 128 lines an action.
func TestSendLimits(t *testing.T) {
	if _, err := encode(slices.Repeat([]Header{{"B", strings.Repeat("v", 1019)}}, 128)); err != nil {
		t.Error(err)
	}
}

func TestActionIsGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := dial(t, Handler{}, func(s *server) {
		s.expect("Action: Ping")
		cancel()
		s.expect("Action: Ping")
		s.send("Response: Success\r\nActionID: $id\r\n\r\n")
		s.untilClosed()
	})
	if _, err := s.Do(ctx, "Ping"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := s.Do(t.Context(), "Ping"); err != nil {
		t.Error("the session does not go on:", err)
	}
}
