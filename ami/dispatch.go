package ami

// dispatch gives a message to whoever it is for. It runs on the reader goroutine.
func (s *Session) dispatch(m Message) {
	taken := false
	switch m.Event() {
	case "":
		taken = s.answer(m)
	case "MessageWaiting":
		var b Mailbox
		if b, taken = messageWaiting(m); taken {
			s.mailbox(b, nil)
		}
	case "VoicemailUserEntry":
		var b Mailbox
		if b, taken = userEntry(m); taken {
			s.mailbox(b, []byte(m.Get("ActionID")))
		}
	case "UserEvent":
		var e UserEvent
		if e, taken = userEvent(m); taken && s.handler.UserEvent != nil {
			s.handler.UserEvent(e)
		}
	case "FullyBooted":
		s.boot()
	case "Shutdown":
		s.announce(m)
	default:
		taken = s.complete(m)
	}
	if !taken && s.handler.Other != nil {
		s.handler.Other(m)
	}
}

// mailbox passes on a mailbox. If it is of a list, it is counted for the action that asked.
func (s *Session) mailbox(b Mailbox, action []byte) {
	if s.handler.Mailbox != nil {
		s.handler.Mailbox(b)
	}
	if !b.Listed {
		return
	}
	if c := s.waitingFor(string(action)); c != nil {
		c.items.Add(1)
	}
}

func (s *Session) boot() {
	if !s.fullyBooted {
		s.fullyBooted = true
		close(s.booted)
	}
}

func (s *Session) announce(m Message) {
	s.shutdown = "Asterisk is stopping"
	if m.Get("Restart") == "True" {
		s.shutdown = "Asterisk is restarting"
	}
}

// answer gives a response to the action that awaits it.
func (s *Session) answer(m Message) bool {
	c := s.waitingFor(m.Get("ActionID"))
	if c == nil || c.started {
		return false
	}
	c.started = c.list && m.Get("EventList") == "start"
	c.replies <- m
	if !c.started {
		s.forget(c)
	}
	return true
}

// complete ends a list.
func (s *Session) complete(m Message) bool {
	c := s.waitingFor(m.Get("ActionID"))
	if c == nil || !c.started || m.Get("EventList") == "" {
		return false
	}
	c.replies <- m
	s.forget(c)
	return true
}

// waitingFor returns the call with that ActionID, or nil.
func (s *Session) waitingFor(action string) *call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[action]
}
