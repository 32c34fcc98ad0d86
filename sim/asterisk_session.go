package sim

import (
	"bufio"
	"errors"
	"net"
	"strings"
	"sync"
)

const (
	maxQueue   = 4 << 20 // bytes of events waiting for one client; about what a real server and its socket take
	maxLine    = 1022    // bytes of a line from a client, and
	maxHeaders = 128     // lines of an action; Asterisk refuses more
)

// session is one manager connection. As in Asterisk, one thread of it serves actions and sends events, so that events
// wait while an action is being answered. Fields below mu of Asterisk are guarded by that.
type session struct {
	a       *Asterisk
	conn    net.Conn
	actions chan action
	wake    chan struct{}
	done    chan struct{}
	once    sync.Once

	challenge string // only the session's own goroutine

	// guarded by a.mu
	loggedIn bool
	mask     classes
	pending  []byte
	ending   bool
}

// serve starts a session; a.mu is held.
func (a *Asterisk) serve(conn net.Conn) {
	s := &session{a: a, conn: conn, actions: make(chan action), wake: make(chan struct{}, 1), done: make(chan struct{})}
	a.sessions[s] = struct{}{}
	a.wg.Go(s.read)
	a.wg.Go(s.run)
}

func (s *session) close() {
	s.once.Do(func() {
		close(s.done)
		s.conn.Close()
	})
}

// queue adds an event; a.mu is held.
func (s *session) queue(event string) {
	if s.ending {
		return
	}
	if len(s.pending)+len(event) > maxQueue {
		s.close()
		return
	}
	s.pending = append(s.pending, event...)
	s.poke()
}

// finish closes the session once what is queued was sent; a.mu is held.
func (s *session) finish() {
	s.ending = true
	s.poke()
}

func (s *session) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *session) run() {
	defer s.leave()
	s.send("Asterisk Call Manager/11.0.0\r\n")
	for {
		select {
		case <-s.done:
			return
		case <-s.wake:
			s.flush()
		case m := <-s.actions:
			s.flush()
			s.act(m)
		}
	}
}

func (s *session) leave() {
	s.close()
	s.a.mu.Lock()
	delete(s.a.sessions, s)
	s.a.mu.Unlock()
	s.a.changed.wake()
}

// flush sends the queued events.
func (s *session) flush() {
	s.a.mu.Lock()
	out, ending := s.pending, s.ending
	s.pending = nil
	s.a.mu.Unlock()
	if len(out) > 0 {
		s.send(string(out))
	}
	if ending {
		s.close()
	}
}

// send writes, waiting while frozen.
func (s *session) send(text string) {
	s.pass()
	if _, err := s.conn.Write([]byte(text)); err != nil {
		s.close()
	}
}

// pass waits while the server is frozen.
func (s *session) pass() {
	s.a.mu.Lock()
	gate := s.a.gate
	s.a.mu.Unlock()
	select {
	case <-gate:
	case <-s.done:
	}
}

func (s *session) read() {
	defer s.close()
	r := bufio.NewReaderSize(s.conn, maxLine+2)
	for {
		m, err := readAction(r)
		if err != nil {
			return
		}
		s.pass()
		select {
		case s.actions <- m:
		case <-s.done:
			return
		}
	}
}

// action is one message from a client.
type action struct {
	lines   []string
	problem string // why it could not be taken, in Asterisk's words
}

// readAction reads lines up to an empty one. Too much of either kind is skipped and becomes the action's problem.
func readAction(r *bufio.Reader) (action, error) {
	var m action
	for {
		line, err := r.ReadSlice('\n')
		for errors.Is(err, bufio.ErrBufferFull) {
			m.problem = "Failed to parse message: line too long"
			_, err = r.ReadSlice('\n')
			line = []byte("skipped")
		}
		if err != nil {
			return m, err
		}
		text, _, _ := strings.Cut(strings.TrimRight(string(line), "\r\n"), "\x00")
		switch {
		case text == "":
			return m, nil
		case len(m.lines) == maxHeaders:
			m.problem = "Too many lines in message or allocation failure"
		default:
			m.lines = append(m.lines, text)
		}
	}
}

// get is the value of the first header of this name, or "".
func (m action) get(name string) string {
	for _, line := range m.lines {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(k, name) {
			return strings.TrimLeft(v, " ")
		}
	}
	return ""
}
