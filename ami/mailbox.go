package ami

import (
	"context"
	"errors"
	"fmt"
)

// ErrIncomplete is a list from which entries are missing. Asterisk loses some, and still ends the list
// normally, when its client reads too slowly.
var ErrIncomplete = errors.New("incomplete list")

// Mailboxes has Asterisk list every mailbox of voicemail.conf (none of a realtime database) and returns how many
// there were. The entries go to Handler.Mailbox, in their place among the events: an event after an entry is newer.
// ErrIncomplete when that is not the number Asterisk gives; none configured is 0 and no error.
func (s *Session) Mailboxes(ctx context.Context) (int, error) {
	const name = "VoicemailUsersList"
	c, err := s.send(name, true, nil)
	if err != nil {
		return 0, err
	}
	defer s.forget(c)
	m, err := s.response(ctx, name, c)
	if err != nil || m.Get("EventList") != "start" { // without mailboxes there is neither a list nor its end
		return 0, err
	}
	end, err := s.await(ctx, c)
	n := int(c.items.Load())
	if err != nil {
		return n, fmt.Errorf("%s, after %d entries: %w", name, n, err)
	}
	if want, ok := count(end.Get("ListItems")); !ok || want != n {
		return n, fmt.Errorf("%s: %w: %d entries came, Asterisk says it sent %.20q", name, ErrIncomplete, n, end.Get("ListItems"))
	}
	return n, nil
}

// Counts are a mailbox's messages as MailboxCount tells them. Unlike in Mailbox, New EXCLUDES the urgent ones.
type Counts struct{ New, Old, Urgent int }

// MailboxCount asks for one mailbox, "202@context". An unknown mailbox has zeros and no error.
func (s *Session) MailboxCount(ctx context.Context, mailbox string) (Counts, error) {
	m, err := s.Do(ctx, mailboxCount, Header{"Mailbox", mailbox})
	if err != nil {
		return Counts{}, err
	}
	return countsOf(m, mailbox)
}

const mailboxCount = "MailboxCount"

// MailboxCounts asks for many mailboxes at once, in few packets. Absent is what could not be had before ctx ended.
func (s *Session) MailboxCounts(ctx context.Context, mailboxes []string) map[string]Counts {
	flush := s.hold()
	calls := make([]*call, len(mailboxes))
	for i, mailbox := range mailboxes {
		calls[i], _ = s.send(mailboxCount, false, []Header{{"Mailbox", mailbox}}) // nil where the name cannot be sent
	}
	_ = flush() // it has ended the session if it failed, so that nobody waits
	found := make(map[string]Counts, len(mailboxes))
	for i, c := range calls {
		if c == nil {
			continue
		}
		m, err := s.response(ctx, mailboxCount, c)
		s.forget(c)
		if err != nil {
			continue
		}
		if counts, err := countsOf(m, mailboxes[i]); err == nil {
			found[mailboxes[i]] = counts
		}
	}
	return found
}

func countsOf(m Message, mailbox string) (Counts, error) {
	fresh, okNew := count(m.Get("NewMessages"))
	old, okOld := count(m.Get("OldMessages"))
	urgent, okUrgent := count(m.Get("UrgMessages"))
	if !okNew || !okOld || !okUrgent {
		return Counts{}, fmt.Errorf("MailboxCount %q: an answer without counts: NewMessages %.20q, OldMessages %.20q, UrgMessages %.20q",
			mailbox, m.Get("NewMessages"), m.Get("OldMessages"), m.Get("UrgMessages"))
	}
	return Counts{New: fresh, Old: old, Urgent: urgent}, nil
}
