package sim

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// act answers one action.
func (s *session) act(m action) {
	name, id := strings.ToLower(m.get("Action")), m.get("ActionID")
	s.a.mu.Lock()
	stopping, loggedIn := s.a.stopping, s.loggedIn
	s.a.mu.Unlock()
	switch {
	case m.problem != "":
		s.reply("Error", "", "Message: "+m.problem)
	case name == "":
		s.reply("Error", id, "Message: Missing action in request")
	case name == "logoff":
		s.reply("Goodbye", id, "Message: Thanks for all the fish.")
		s.close()
	case stopping:
		s.reply("Error", id, "Message: Asterisk is shutting down")
	case name == "challenge":
		s.challenge = strconv.Itoa(100_000_000 + rand.IntN(900_000_000))
		s.reply("Success", id, "Challenge: "+s.challenge)
	case name == "login":
		s.login(m, id, loggedIn)
	case !loggedIn:
		s.reply("Error", id, "Message: Permission denied")
	default:
		s.command(name, m, id)
	}
}

func (s *session) reply(status, id string, lines ...string) {
	s.send("Response: " + status + "\r\n" + actionID(id) + block(lines...))
}

// login checks the secret, or the MD5 of challenge and secret. Unlike Asterisk it does not wait a second before refusing.
func (s *session) login(m action, id string, again bool) {
	if again {
		s.reply("Success", id, "Message: Already authenticated")
		return
	}
	cfg := s.a.cfg
	ok := m.get("Secret") == cfg.Secret
	if strings.EqualFold(m.get("AuthType"), "MD5") {
		sum := md5.Sum([]byte(s.challenge + cfg.Secret))
		ok = s.challenge != "" && strings.EqualFold(m.get("Key"), hex.EncodeToString(sum[:]))
	}
	if !ok || m.get("Username") != cfg.Username {
		s.reply("Error", id, "Message: Authentication failed")
		s.close()
		return
	}
	s.admit(id, m.get("Events"))
}

// admit queues the answer, and FullyBooted, in one step with switching events on, so that no event can come before.
func (s *session) admit(id, events string) {
	if events == "" {
		events = "on"
	}
	a := s.a
	a.mu.Lock()
	s.loggedIn, s.mask = true, parseClasses(events)&parseClasses(a.cfg.Read)
	s.queue("Response: Success\r\n" + actionID(id) + "Message: Authentication accepted\r\n\r\n")
	if a.booted && s.mask&classSystem != 0 {
		up := int(time.Since(a.since).Seconds())
		s.queue(block("Event: FullyBooted", "Privilege: system,all", fmt.Sprintf("Uptime: %d", up),
			fmt.Sprintf("LastReload: %d", up), "Status: Fully Booted"))
	}
	a.mu.Unlock()
	s.flush()
	a.changed.wake()
}

// command serves what needs a login.
func (s *session) command(name string, m action, id string) {
	needs := map[string]classes{"mailboxcount": classCall | classReporting, "voicemailuserslist": classCall | classReporting, "userevent": classUser}
	if need, ok := needs[name]; ok && need&parseClasses(s.a.cfg.Write) == 0 {
		s.reply("Error", id, "Message: Permission denied")
		return
	}
	switch name {
	case "ping":
		now := time.Now()
		s.reply("Success", id, "Ping: Pong", fmt.Sprintf("Timestamp: %d.%06d", now.Unix(), now.Nanosecond()/1000))
	case "events":
		s.setMask(m.get("EventMask"), id)
	case "mailboxcount":
		s.mailboxCount(m.get("Mailbox"), id)
	case "voicemailuserslist":
		s.list(m.get("Action"), id)
	case "userevent":
		s.userEvent(m, id)
	default:
		s.unknown(m.get("Action"), id)
	}
}

func (s *session) unknown(name, id string) {
	s.reply("Error", id, "Message: Invalid/unknown command: "+name+". Use Action: ListCommands to show available commands.")
}

func (s *session) setMask(list, id string) {
	mask, word := parseClasses(list), "Off"
	if mask != 0 {
		word = "On"
	}
	s.a.mu.Lock()
	s.mask = mask & parseClasses(s.a.cfg.Read)
	s.a.mu.Unlock()
	s.reply("Success", id, "Events: "+word)
}

// mailboxCount sums a comma-separated list. An unknown mailbox, or voicemail not loaded yet, counts zero with Success.
func (s *session) mailboxCount(mailbox, id string) {
	if mailbox == "" {
		s.reply("Error", id, "Message: Mailbox not specified")
		return
	}
	var sum Counts
	s.a.mu.Lock()
	for name := range strings.SplitSeq(mailbox, ",") {
		if b := s.a.byName[fullName(name)]; b != nil && s.a.booted {
			sum = Counts{sum.Urgent + b.Urgent, sum.New + b.New, sum.Old + b.Old}
		}
	}
	s.a.mu.Unlock()
	s.reply("Success", id, "Message: Mailbox Message Count", "Mailbox: "+mailbox, fmt.Sprintf("UrgMessages: %d", sum.Urgent),
		fmt.Sprintf("NewMessages: %d", sum.New), fmt.Sprintf("OldMessages: %d", sum.Old))
}

// list answers VoicemailUsersList with the faults that ShortList and HoldList asked for. With no mailbox it is a plain
// Success and no end of list ever comes, as in the real one.
func (s *session) list(name, id string) {
	a := s.a
	a.mu.Lock()
	booted, missing, hold := a.booted, min(a.missing, len(a.boxes)), a.hold
	total := len(a.boxes)
	a.missing, a.hold = 0, nil
	boxes := append([]*Mailbox(nil), a.boxes[:total-missing]...)
	a.mu.Unlock()
	switch {
	case !booted:
		s.unknown(name, id)
		return
	case total == 0:
		s.reply("Success", id, "Message: There are no voicemail users currently defined.")
		return
	}
	s.reply("Success", id, "EventList: start", "Message: Voicemail user list will follow")
	s.entries(id, boxes[:len(boxes)/2])
	if hold != nil {
		select {
		case <-hold:
		case <-s.done:
		}
	}
	s.entries(id, boxes[len(boxes)/2:])
	s.send("Event: VoicemailUserEntryComplete\r\n" + actionID(id) + block("EventList: Complete", fmt.Sprintf("ListItems: %d", total)))
}

// entries sends list entries. Each mailbox is read when its turn comes, not when the list began, as Asterisk does.
func (s *session) entries(id string, boxes []*Mailbox) {
	const batch = 64
	for len(boxes) > 0 {
		n := min(batch, len(boxes))
		var out strings.Builder
		s.a.mu.Lock()
		for _, b := range boxes[:n] {
			out.WriteString(userEntry(id, b))
		}
		s.a.mu.Unlock()
		s.send(out.String())
		boxes = boxes[n:]
	}
}

// userEvent passes the client's lines on verbatim, to the sender too, except those named Action, ActionID or UserEvent.
func (s *session) userEvent(m action, id string) {
	name := m.get("UserEvent")
	var headers []string
	for _, line := range m.lines {
		k, _, _ := strings.Cut(strings.ToLower(line), ":")
		if k != "action" && k != "actionid" && k != "userevent" {
			headers = append(headers, line)
		}
	}
	lines := []string{"Event: UserEvent", "Privilege: user,all", "UserEvent: " + name}
	if id != "" {
		lines = append(lines, "ActionID: "+id)
	}
	s.reply("Success", id, "Message: Event Sent")
	s.a.mu.Lock()
	s.a.publish(classUser, block(append(lines, headers...)...))
	s.a.mu.Unlock()
	if s.a.cfg.OnUserEvent != nil {
		s.a.cfg.OnUserEvent(name, headers)
	}
}
