package ami

import (
	"bytes"
	"strings"
)

// Mailbox is a mailbox's state as Asterisk last saw it.
type Mailbox struct {
	Name     string // as Asterisk wrote it: "202@context", or "202" from sources that name no context
	New, Old int    // messages; New includes the urgent ones
	Listed   bool   // from VoicemailUsersList rather than a MessageWaiting event
}

// parseWaiting parses a MessageWaiting event at the start of b if it is complete and has exactly the
// form Asterisk gives it, and returns its length. Anything else is 0: the caller then parses it header
// by header (messageWaiting), which must come to the same result. The name is a part of b.
//
// Mailbox, Waiting, New and Old are the last four lines. Of what precedes them (channel headers and
// variables, whose text callers choose) nothing can pass itself off as the mailbox.
func parseWaiting(b []byte) (name []byte, fresh, old, length int) {
	const first, usual, mailbox = "Event: MessageWaiting\r\n", "Privilege: call,all\r\n", "Mailbox: "
	at := len(first)
	if hasPrefix(b, first+usual) {
		at += len(usual)
	} else if !hasPrefix(b, first) {
		return nil, 0, 0, 0
	}
	for !hasPrefix(b[at:], mailbox) {
		n := bytes.IndexByte(b[at:], '\n')
		if n <= 1 { // incomplete, or perhaps an empty line
			return nil, 0, 0, 0
		}
		at += n + 1
	}
	at += len(mailbox)
	size := bytes.IndexByte(b[at:], '\n') - 1
	if size < 1 || b[at] <= ' ' || b[at+size] != '\r' {
		return nil, 0, 0, 0
	}
	name = b[at : at+size]
	fresh, old, length = numbers(b[at+size+2:])
	at += size + 2 + length
	if length == 0 || at > maxLine {
		return nil, 0, 0, 0
	}
	return name, fresh, old, at
}

// numbers reads the event's last three lines and the empty one after them. Length 0: it could not.
func numbers(b []byte) (fresh, old, length int) {
	const waiting, isNew, isOld = "Waiting: ", "New: ", "Old: "
	left := len(b)
	if !hasPrefix(b, waiting) {
		return 0, 0, 0
	}
	_, b = number(b[len(waiting):])
	if !hasPrefix(b, isNew) {
		return 0, 0, 0
	}
	fresh, b = number(b[len(isNew):])
	if !hasPrefix(b, isOld) {
		return 0, 0, 0
	}
	old, b = number(b[len(isOld):])
	if !hasPrefix(b, "\r\n") {
		return 0, 0, 0
	}
	return fresh, old, left - len(b) + len("\r\n")
}

// number reads "<1 to 9 digits>\r\n" and returns what follows, nil if there is something else.
func number(b []byte) (n int, rest []byte) {
	if len(b) >= 3 && b[0]-'0' <= 9 && b[1] == '\r' && b[2] == '\n' { // nearly always
		return int(b[0] - '0'), b[3:]
	}
	for i, c := range b {
		d := c - '0'
		if d <= 9 && i < 9 {
			n = n*10 + int(d)
			continue
		}
		if i == 0 || !hasPrefix(b[i:], "\r\n") {
			break
		}
		return n, b[i+2:]
	}
	return 0, nil
}

func hasPrefix(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && string(b[:len(prefix)]) == prefix
}

// count reads a message count: one to nine digits and nothing else.
func count[T string | []byte](s T) (n int, ok bool) {
	for i := range len(s) {
		d := s[i] - '0'
		if d > 9 {
			return 0, false
		}
		n = n*10 + int(d)
	}
	return n, len(s) > 0 && len(s) <= 9
}

// messageWaiting reads the event header by header. `Waiting` is not to be trusted: while Asterisk starts
// it is 0 beside New: 1. The last of repeated headers counts, for the reason given at parseWaiting.
func messageWaiting(m Message) (Mailbox, bool) {
	return counted(m.last("Mailbox"), m.last("New"), m.last("Old"), false)
}

// counted makes a mailbox whose name does not keep its message in memory.
func counted(name, fresh, old string, listed bool) (Mailbox, bool) {
	n, okNew := count(fresh)
	o, okOld := count(old)
	return Mailbox{strings.Clone(name), n, o, listed}, name != "" && okNew && okOld
}
