package ami

import (
	"bytes"
	"strings"
)

// listed is one VoicemailUserEntry. What it points to is part of the read buffer.
type listed struct {
	box, context, action []byte
	fresh, old           int
}

// parseEntry parses an entry of a list at the start of b if it is complete, and returns its length. Where anything
// about it is unusual that is 0: the caller then parses it header by header (userEntry), which must come to the same
// result. Of some 25 lines five matter, and a list may have a hundred thousand entries.
func parseEntry(b []byte) (e listed, length int) {
	const first = "Event: VoicemailUserEntry\r\n"
	if !hasPrefix(b, first) {
		return e, 0
	}
	var fresh, old []byte
	for at, lines := len(first), 1; at < maxLine && lines < maxHeaders; lines++ {
		n := bytes.IndexByte(b[at:], '\n')
		if n < 1 || b[at+n-1] != '\r' {
			break
		}
		line := b[at : at+n-1]
		at += n + 1
		if len(line) == 0 {
			var okNew, okOld bool
			e.fresh, okNew = count(fresh)
			e.old, okOld = count(old)
			if !okNew || !okOld || len(e.box) == 0 {
				break
			}
			return e, at
		}
		if !e.take(line, &fresh, &old) {
			break
		}
	}
	return listed{}, 0
}

// take reads one line. It reports false for a name that is spelt in another way.
func (e *listed) take(line []byte, fresh, old *[]byte) bool {
	switch line[0] | 0x20 {
	case 'a', 'n', 'o', 'v':
	default:
		return true
	}
	name, value, colon := bytes.Cut(line, []byte(":"))
	if !colon {
		value = line[:0] // an empty one is not none
	}
	value = afterBlanks(value)
	switch string(name) {
	case "ActionID":
		if e.action == nil {
			e.action = value
		}
	case "VMContext":
		e.context = value
	case "VoiceMailbox":
		e.box = value
	case "NewMessageCount":
		*fresh = value
	case "OldMessageCount":
		*old = value
	default:
		for _, known := range [...]string{"ActionID", "VMContext", "VoiceMailbox", "NewMessageCount", "OldMessageCount"} {
			if strings.EqualFold(string(name), known) {
				return false
			}
		}
	}
	return true
}

// userEntry reads an entry of a list header by header. The last of repeated headers counts.
func userEntry(m Message) (Mailbox, bool) {
	name := m.last("VoiceMailbox")
	if where := m.last("VMContext"); name != "" && where != "" {
		name += "@" + where
	}
	return counted(name, m.last("NewMessageCount"), m.last("OldMessageCount"), true)
}
