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
	m, err := s.Do(ctx, "MailboxCount", Header{"Mailbox", mailbox})
	if err != nil {
		return Counts{}, err
	}
	fresh, okNew := count(m.Get("NewMessages"))
	old, okOld := count(m.Get("OldMessages"))
	urgent, okUrgent := count(m.Get("UrgMessages"))
	if !okNew || !okOld || !okUrgent {
		return Counts{}, fmt.Errorf("MailboxCount %q: an answer without counts: NewMessages %.20q, OldMessages %.20q, UrgMessages %.20q",
			mailbox, m.Get("NewMessages"), m.Get("OldMessages"), m.Get("UrgMessages"))
	}
	return Counts{New: fresh, Old: old, Urgent: urgent}, nil
}
