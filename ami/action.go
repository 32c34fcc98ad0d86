package ami

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// What Asterisk's error answers mean; an *ActionError is one of them by errors.Is.
var (
	// ErrAuth is a wrong user name or secret, or an address that manager.conf denies.
	ErrAuth = errors.New("authentication failed: compare username and secret with manager.conf, and its permit and deny lines")
	// ErrShuttingDown is how every action, Login too, is answered while a graceful stop waits for calls to end.
	ErrShuttingDown = errors.New("it is shutting down, Asterisk says")
	// ErrPermission is an action that the user's write= line does not allow.
	ErrPermission = errors.New("permission denied: the AMI user's write= line in manager.conf lacks this action's class")
)

// ActionError is Asterisk's "Response: Error" to an action.
type ActionError struct{ Action, Message string }

func (e *ActionError) Error() string {
	if known := e.Unwrap(); known != nil {
		return e.Action + ": " + known.Error()
	}
	return fmt.Sprintf("%s: Asterisk answered %q", e.Action, e.Message)
}

// Unwrap returns the sentinel error of a known message, or nil.
func (e *ActionError) Unwrap() error {
	switch e.Message {
	case "Authentication failed":
		return ErrAuth
	case "Asterisk is shutting down":
		return ErrShuttingDown
	case "Permission denied":
		return ErrPermission
	}
	return nil
}

// call is an action that awaits its answer.
type call struct {
	id      string
	list    bool         // a list action: entries and a Complete event follow the response
	started bool         // the response said that the list follows; the reader's own
	items   atomic.Int64 // entries seen
	replies chan Message // the response, then for a list its Complete: room for both, so the reader never waits
}

// Do sends an action and returns the response with its ActionID. A Response: Error is an *ActionError;
// no answer within ActionTimeout wraps context.DeadlineExceeded; a session that ended gives its Err.
// It must not be called from a Handler function: the answer could not be read.
func (s *Session) Do(ctx context.Context, name string, headers ...Header) (Message, error) {
	c, err := s.send(name, false, headers)
	if err != nil {
		return Message{}, err
	}
	defer s.forget(c)
	return s.response(ctx, name, c)
}

// response awaits the answer to an action; on a list's call too.
func (s *Session) response(ctx context.Context, name string, c *call) (Message, error) {
	m, err := s.await(ctx, c)
	if err != nil {
		return Message{}, fmt.Errorf("%s: %w", name, err)
	}
	if m.Response() == "Error" {
		return m, &ActionError{name, m.Get("Message")}
	}
	return m, nil
}

// await returns the call's next message. The time-out starts anew while entries of a list arrive.
func (s *Session) await(ctx context.Context, c *call) (Message, error) {
	select {
	case m := <-c.replies: // as most are, of many actions at once
		return m, nil
	default:
	}
	seen := c.items.Load()
	timer := time.NewTimer(s.cfg.ActionTimeout)
	defer timer.Stop()
	for {
		select {
		case m := <-c.replies:
			return m, nil
		case <-ctx.Done():
			return Message{}, context.Cause(ctx)
		case <-timer.C:
			if now := c.items.Load(); now != seen {
				seen = now
				timer.Reset(s.cfg.ActionTimeout)
				continue
			}
			return Message{}, noAnswer(s.cfg.ActionTimeout)
		case <-s.done:
			select {
			case m := <-c.replies: // came just before the end
				return m, nil
			default:
				return Message{}, s.Err()
			}
		}
	}
}

func noAnswer(within time.Duration) error {
	return fmt.Errorf("no answer within %s: %w", within, context.DeadlineExceeded)
}

// send writes an action under a new ActionID of this session.
func (s *Session) send(name string, list bool, headers []Header) (*call, error) {
	c := &call{
		id:      s.prefix + strconv.FormatUint(s.serial.Add(1), 10),
		list:    list,
		replies: make(chan Message, 2),
	}
	text, err := encode(append([]Header{{"Action", name}, {"ActionID", c.id}}, headers...))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	s.mu.Lock()
	s.calls[c.id] = c
	s.mu.Unlock()
	if err := s.write(text); err != nil {
		s.forget(c)
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

// write writes an action, unless somebody else is writing, who takes it along:
// many actions at once are few packets.
func (s *Session) write(text string) error {
	s.wmu.Lock()
	s.unsent = append(s.unsent, text...)
	s.wmu.Unlock()
	return s.hold()()
}

// hold has what is written wait for flush, unless somebody else is writing.
func (s *Session) hold() (flush func() error) {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if s.writing {
		return func() error { return nil }
	}
	s.writing = true
	return s.flush
}

// flush ends the session when it fails, as half an action may have gone out; who
// has left an action to others hears of it so.
func (s *Session) flush() error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	defer func() { s.writing = false }()
	for len(s.unsent) > 0 {
		batch := s.unsent
		s.unsent = nil
		s.wmu.Unlock()
		err := s.conn.SetWriteDeadline(time.Now().Add(s.cfg.ActionTimeout))
		if err == nil {
			_, err = s.conn.Write(batch)
		}
		s.wmu.Lock()
		if err != nil {
			return s.fail(err)
		}
	}
	return nil
}

func (s *Session) forget(c *call) {
	s.mu.Lock()
	delete(s.calls, c.id)
	s.mu.Unlock()
}

// Asterisk's limits on what it reads (AMI_LINE_MAX in manager.c, AST_MAX_MANHEADERS).
const (
	maxSentLine    = 1022
	maxSentHeaders = 128
)

// encode writes an action. It refuses what Asterisk would not read, or would read as something else.
func encode(headers []Header) (string, error) {
	if len(headers) > maxSentHeaders {
		return "", fmt.Errorf("%d headers, at most %d can be sent", len(headers), maxSentHeaders)
	}
	var b strings.Builder
	for _, h := range headers {
		switch {
		case h.Name == "" || strings.ContainsAny(h.Name, ":\r\n\x00"):
			return "", fmt.Errorf("header name %q cannot be sent", h.Name)
		case strings.ContainsAny(h.Value, "\r\n\x00"):
			return "", fmt.Errorf("header %s: its value holds CR, LF or NUL", h.Name)
		case len(h.Name)+len(": ")+len(h.Value) > maxSentLine:
			return "", fmt.Errorf("header %s: the line is longer than %d bytes", h.Name, maxSentLine)
		}
		b.WriteString(h.Name + ": " + h.Value + "\r\n")
	}
	b.WriteString("\r\n")
	return b.String(), nil
}
