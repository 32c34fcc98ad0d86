package ami

import "strings"

// Header is one line of a message. Names may repeat; a line without a colon is all Name.
// Asterisk passes bytes through: Latin-1, controls and a bare CR may appear in either.
type Header struct{ Name, Value string }

// Message is what Asterisk sends between two empty lines: an event or a response.
type Message struct{ Headers []Header }

// Get returns the value of the first header of that name, upper and lower case alike, or "".
func (m Message) Get(name string) string {
	for _, h := range m.Headers {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

// All returns the values of every header of that name, in order.
func (m Message) All(name string) []string {
	var values []string
	for _, h := range m.Headers {
		if strings.EqualFold(h.Name, name) {
			values = append(values, h.Value)
		}
	}
	return values
}

// Event returns the event's name, or "" for a response.
func (m Message) Event() string { return m.kind("Event") }

// Response returns a response's value (Success, Error or Goodbye), or "" for an event.
func (m Message) Response() string { return m.kind("Response") }

// kind goes by whichever of Event and Response comes first: a UserEvent passes on any header
// its sender likes, so the later ones prove nothing.
func (m Message) kind(want string) string {
	for _, h := range m.Headers {
		if strings.EqualFold(h.Name, "Event") || strings.EqualFold(h.Name, "Response") {
			if strings.EqualFold(h.Name, want) {
				return h.Value
			}
			return ""
		}
	}
	return ""
}

// last returns the value of the last header of that name, or "".
func (m Message) last(name string) string {
	for i := len(m.Headers) - 1; i >= 0; i-- {
		if strings.EqualFold(m.Headers[i].Name, name) {
			return m.Headers[i].Value
		}
	}
	return ""
}
