package sim

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// Counts is what one mailbox holds. New excludes Urgent, as in the answer to MailboxCount; MessageWaiting and
// VoicemailUsersList report their sum as New.
type Counts struct{ Urgent, New, Old int }

// Mailbox is one voicemail box. Name is "202@context", or "202" for context "default".
type Mailbox struct {
	Name string
	Counts
}

// AsteriskConfig describes the simulated server.
type AsteriskConfig struct {
	Addr             string // "" means 127.0.0.1:0
	Username, Secret string // of the one manager account
	Read, Write      string // its permission classes; "" means what a bridge needs: "call,user,system", "reporting,user"
	Mailboxes        []Mailbox
	OnUserEvent      func(name string, headers []string) // each UserEvent a client sends; must not block
}

// Asterisk is a simulated Asterisk 22: its manager interface and its voicemail. All methods may be called from anywhere
// and none waits for a client: each connection has its own queue of at most 4 MiB of events, and a client that lets it
// fill up is cut off, possibly in the middle of a line, as the real one does after about as much.
type Asterisk struct {
	cfg AsteriskConfig
	ln  net.Listener
	wg  sync.WaitGroup

	mu       sync.Mutex
	sessions map[*session]struct{}
	boxes    []*Mailbox
	byName   map[string]*Mailbox
	since    time.Time
	channels int // Local channels so far, for their names and ids
	booted   bool
	stopping bool
	down     bool
	closed   bool
	gate     chan struct{} // closed: traffic flows; open: frozen
	missing  int           // entries the next list leaves out
	hold     chan struct{} // when set, the next list stops halfway until it is closed

	changed changes
}

// StartAsterisk listens and is at once fully booted.
func StartAsterisk(cfg AsteriskConfig) (*Asterisk, error) {
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	if cfg.Read == "" {
		cfg.Read = "call,user,system"
	}
	if cfg.Write == "" {
		cfg.Write = "reporting,user"
	}
	ln, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("simulated Asterisk: %w", err)
	}
	a := &Asterisk{cfg: cfg, ln: ln, sessions: map[*session]struct{}{}, byName: map[string]*Mailbox{},
		since: time.Now(), booted: true, gate: make(chan struct{})}
	close(a.gate)
	for _, m := range cfg.Mailboxes {
		a.box(m.Name).Counts = m.Counts
	}
	a.wg.Go(a.accept)
	return a, nil
}

// Addr is the listening address, "127.0.0.1:port".
func (a *Asterisk) Addr() string { return a.ln.Addr().String() }

func (a *Asterisk) accept() {
	for {
		conn, err := a.ln.Accept()
		if err != nil {
			return
		}
		a.mu.Lock()
		if a.down || a.closed {
			conn.Close()
		} else {
			a.serve(conn)
		}
		a.mu.Unlock()
	}
}

// Close ends everything and waits for it.
func (a *Asterisk) Close() {
	a.mu.Lock()
	a.closed = true
	a.ln.Close()
	a.dropLocked()
	a.mu.Unlock()
	a.wg.Wait()
}

// WaitSessions waits until exactly n clients are logged in.
func (a *Asterisk) WaitSessions(ctx context.Context, n int) error {
	got := 0
	err := a.changed.await(ctx, func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		got = 0
		for s := range a.sessions {
			if s.loggedIn {
				got++
			}
		}
		return got == n
	})
	if err != nil {
		return fmt.Errorf("simulated Asterisk: %d clients logged in, not %d: %w", got, n, err)
	}
	return nil
}

// Set makes a mailbox hold this many messages, creating it if need be, and tells of it once, as a channel that left or
// heard a message would. It sets Urgent to 0.
func (a *Asterisk) Set(mailbox string, newMessages, old int) {
	a.SetCounts(mailbox, Counts{New: newMessages, Old: old})
}

// SetCounts is Set with urgent messages.
func (a *Asterisk) SetCounts(mailbox string, c Counts) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.publish(classCall, a.change(mailbox, c))
}

// Leave records n more new messages, one MessageWaiting each, as n callers would.
func (a *Asterisk) Leave(mailbox string, n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for range n {
		c := a.box(mailbox).Counts
		c.New++
		a.publish(classCall, a.change(mailbox, c))
	}
}

// Remove takes a mailbox out of the configuration. As in the real one, no event tells of it.
func (a *Asterisk) Remove(mailbox string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.byName, fullName(mailbox))
	for i, b := range a.boxes {
		if fullName(b.Name) == fullName(mailbox) {
			a.boxes = append(a.boxes[:i:i], a.boxes[i+1:]...)
			return
		}
	}
}

// Reload tells of every mailbox again, without channel headers, then of the reload.
func (a *Asterisk) Reload() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, b := range a.boxes {
		a.publish(classCall, messageWaiting("", b.Name, b.Counts, b.New+b.Urgent > 0))
	}
	a.publish(classSystem, block("Event: Reload", "Privilege: system,all", "Module: All", "Status: 0"))
}

// UserEvent sends one as the dialplan or Asterisk's command line does, with channel headers before it. Each header is a
// whole line, "Mailbox: 202@context".
func (a *Asterisk) UserEvent(name string, headers ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	lines := append([]string{"Event: UserEvent", "Privilege: user,all"}, a.oneLegChannel()...)
	a.publish(classUser, block(append(append(lines, "UserEvent: "+name), headers...)...))
}

// change updates a mailbox and returns the event that tells of it.
func (a *Asterisk) change(mailbox string, c Counts) string {
	b, app := a.box(mailbox), "check"
	if c.Urgent+c.New+c.Old > b.Urgent+b.New+b.Old {
		app = "leave"
	}
	b.Counts = c
	return messageWaiting(a.channel(app, mailbox), mailbox, c, c.New+c.Urgent > 0)
}

// box finds a mailbox or adds it.
func (a *Asterisk) box(name string) *Mailbox {
	b := a.byName[fullName(name)]
	if b == nil {
		b = &Mailbox{Name: name}
		a.byName[fullName(name)] = b
		a.boxes = append(a.boxes, b)
	}
	return b
}

func fullName(mailbox string) string {
	if strings.Contains(mailbox, "@") {
		return mailbox
	}
	return mailbox + "@default"
}

// publish queues an event for every client that asked for its class. It never blocks: see Asterisk.
func (a *Asterisk) publish(class classes, event string) {
	for s := range a.sessions {
		if s.mask&class != 0 {
			s.queue(event)
		}
	}
}
