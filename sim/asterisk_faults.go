package sim

// Drop cuts every connection without a word, like kill -9. Clients may connect again at once.
func (a *Asterisk) Drop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dropLocked()
}

func (a *Asterisk) dropLocked() {
	for s := range a.sessions {
		s.close()
	}
}

// Down drops all connections and closes each new one, until Up.
func (a *Asterisk) Down() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.down = true
	a.dropLocked()
}

// Up ends Down.
func (a *Asterisk) Up() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.down = false
}

// Freeze stops reading and writing without closing anything, like a host that vanished: connections still open, since
// the kernel accepts them, but no byte comes. Ends with Thaw.
func (a *Asterisk) Freeze() {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case <-a.gate:
		a.gate = make(chan struct{})
	default:
	}
}

// Thaw ends Freeze; what was queued goes out.
func (a *Asterisk) Thaw() {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case <-a.gate:
	default:
		close(a.gate)
	}
}

// CutEvent is Set, but the event breaks off in the middle of its Mailbox line and every connection ends there.
func (a *Asterisk) CutEvent(mailbox string, newMessages, old int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	event := a.change(mailbox, Counts{New: newMessages, Old: old})
	a.publish(classCall, event[:len(event)-len(afterMailbox(event))-len(mailbox)/2])
	for s := range a.sessions {
		s.finish()
	}
}

// ShortList makes the next VoicemailUsersList leave out its last n entries yet count them in ListItems, as a real one
// does to a slow reader.
func (a *Asterisk) ShortList(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.missing = n
}

// HoldList makes the next VoicemailUsersList stop halfway until release is called. That client's events wait meanwhile,
// as they do in the real one; other clients are served.
func (a *Asterisk) HoldList() (release func()) {
	hold := make(chan struct{})
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hold = hold
	return func() { close(hold) }
}

// ShuttingDown makes every action, Login and Ping too, fail with "Asterisk is shutting down", as a graceful stop that
// waits for a call does.
func (a *Asterisk) ShuttingDown(on bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopping = on
}

// Stop announces the end, `Restart: True` or `False`, and closes all connections. It accepts new ones at once, as an
// Asterisk that is starting does, but is not fully booted and has no voicemail until Boot.
func (a *Asterisk) Stop(restart bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	word := "False"
	if restart {
		word = "True"
	}
	a.publish(classSystem, block("Event: Shutdown", "Privilege: system,all", "Shutdown: Cleanly", "Restart: "+word))
	for s := range a.sessions {
		s.finish()
	}
	a.booted, a.stopping = false, false
}

// Boot ends what Stop began: voicemail loads and tells of each mailbox, with `Waiting: 0` whatever it holds (a trap the
// real one sets), then FullyBooted comes.
func (a *Asterisk) Boot() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, b := range a.boxes {
		a.publish(classCall, messageWaiting("", b.Name, b.Counts, false))
	}
	a.booted = true
	a.publish(classSystem, block("Event: FullyBooted", "Privilege: system,all", "Status: Fully Booted", "Uptime: 0", "LastReload: 0"))
}

// Raw sends these bytes as they are to every client that is logged in: hostile events, broken framing.
func (a *Asterisk) Raw(text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.publish(classSystem|classCall|classUser, text)
}
