package ami

import (
	"context"
	"slices"
	"strings"
)

// UserEvent is an event that somebody sent through AMI or the dialplan. Nothing in it is trustworthy: its headers
// may repeat, and may be called Event, Response or Privilege.
type UserEvent struct {
	Name    string
	Headers []Header // those after the UserEvent line, in order; what precedes it are the channel's
}

// Get returns the value of the first header of that name, upper and lower case alike, or "".
func (e UserEvent) Get(name string) string { return Message{e.Headers}.Get(name) }

func userEvent(m Message) (UserEvent, bool) {
	i := slices.IndexFunc(m.Headers, func(h Header) bool { return strings.EqualFold(h.Name, "UserEvent") })
	if i < 0 {
		return UserEvent{}, false
	}
	return UserEvent{m.Headers[i].Value, m.Headers[i+1:]}, true
}

// SendUserEvent has Asterisk send a UserEvent to every manager session that reads class user, this one included.
// Receivers see this session's ActionID before the headers. It refuses CR, LF and NUL, lines over 1022 bytes and,
// with the three lines it adds, more than 128 headers. The AMI user needs write=user: ErrPermission.
func (s *Session) SendUserEvent(ctx context.Context, name string, headers ...Header) error {
	_, err := s.Do(ctx, "UserEvent", append([]Header{{"UserEvent", name}}, headers...)...)
	return err
}
