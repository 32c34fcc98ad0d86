package sipmsg

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// sample has every optional value of every kind.
var sample = Fields{
	RequestURI: "sip:202@192.0.2.41:5062;transport=udp", Route: "<sip:192.0.2.30;lr>,<sip:192.0.2.31;lr>",
	Transport: "UDP", SentBy: "192.0.2.10:5070", Branch: "z9hG4bKsample",
	FromURI: "sip:*97@domain.example.com", FromTag: "server-tag", ToURI: "sip:202@domain.example.com", ToTag: "phone-tag",
	CallID: "94f774b328254abb@192.0.2.41", CSeq: 1795406612, Contact: "sip:192.0.2.20:5060", EventID: "7", Expires: 598, ETag: "a.1600000000.4242.7.0",
	UserAgent: "Asterisk", Authorization: `Proxy-Authorization: Digest username="sample"`,
	Account: "sip:*97@domain.example.com", New: 3, Old: 5, NewUrgent: 2, OldUrgent: 1,
}

// checkSamples renders every combination of optional values, as each may take
// another way through the template's conditions.
func (t *Template) checkSamples(kind Kind) error {
	for bits := range 1 << 6 {
		f := sample
		clear := func(bit int, s *string) {
			if bits&(1<<bit) != 0 {
				*s = ""
			}
		}
		clear(0, &f.Route)
		clear(1, &f.EventID)
		clear(2, &f.UserAgent)
		clear(3, &f.Authorization)
		clear(4, &f.ETag)
		if bits&(1<<5) != 0 {
			f.New, f.Old, f.NewUrgent, f.OldUrgent = 0, 0, 0, 0
		}
		out, err := t.Append(nil, &f)
		if err != nil {
			return err
		}
		if err := check(kind, out, &f); err != nil {
			return fmt.Errorf("does not make a valid %v: %w", kind, err)
		}
	}
	return nil
}

// check tells what is wrong with a rendered request: its form (RFC 3261 7), and
// that it is what f says: the dialog's NOTIFY (RFC 3261 12.2.1.1, RFC 6665
// 4.1.3), or the PUBLISH (RFC 3903 4).
func check(kind Kind, msg []byte, f *Fields) error {
	head, body, _ := bytes.Cut(msg, []byte("\r\n\r\n"))
	lines := strings.Split(string(head), "\r\n")
	if method := kind.Method(); lines[0] != method+" "+f.RequestURI+" SIP/2.0" {
		return fmt.Errorf("line 1 is %q, want %s {{.RequestURI}} SIP/2.0", lines[0], method)
	}
	headers := make(map[string][]string)
	for i, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" || strings.TrimRight(name, tokenChars) != "" {
			return fmt.Errorf("line %d is no header: %q", i+2, line)
		}
		name = canonical(name)
		headers[name] = append(headers[name], strings.TrimSpace(value))
	}
	for _, w := range wanted(kind, f, len(body)) {
		if err := w.check(headers[w.name]); err != nil {
			return err
		}
	}
	return checkBody(string(body), f)
}

// canonical is a header's long name in lower case (RFC 3261 20, RFC 6665 8.2).
func canonical(name string) string {
	name = strings.ToLower(name)
	if long, ok := map[string]string{"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact",
		"o": "event", "c": "content-type", "l": "content-length"}[name]; ok {
		return long
	}
	return name
}

// want is a header that must be there once (or, where absent is set, not at
// all) with all the given parts of its value in order.
type want struct {
	name   string
	mend   string // as it stands in the built-in template
	parts  []string
	params bool // more parameters may follow
	absent bool
}

func wanted(kind Kind, f *Fields, length int) []want {
	auth, value, _ := strings.Cut(f.Authorization, ": ")
	if auth == "" {
		auth = "proxy-authorization"
	}
	number := func(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
	method := kind.Method()
	return append(wantedOf(kind, f, number),
		want{name: "via", mend: "SIP/2.0/{{.Transport}} {{.SentBy}};branch={{.Branch}};rport",
			parts: []string{"SIP/2.0/" + f.Transport + " " + f.SentBy, ";branch=" + f.Branch, ";rport"}, params: true},
		want{name: "max-forwards", mend: "70", parts: []string{"70"}},
		want{name: "route", mend: "{{.Route}}, only where there is one", parts: []string{f.Route}, absent: f.Route == ""},
		want{name: "from", mend: "<{{.FromURI}}>;tag={{.FromTag}}", parts: []string{"<" + f.FromURI + ">;tag=" + f.FromTag}, params: true},
		want{name: "call-id", mend: "{{.CallID}}", parts: []string{f.CallID}},
		want{name: "cseq", mend: "{{.CSeq}} " + method, parts: []string{number(f.CSeq) + " " + method}},
		want{name: strings.ToLower(auth), mend: "{{.Authorization}} on a line of its own, only where there is one",
			parts: []string{value}, absent: f.Authorization == ""},
		want{name: "content-type", mend: "application/simple-message-summary", parts: []string{"application/simple-message-summary"}, params: true},
		want{name: "content-length", mend: "{{.ContentLength}}", parts: []string{strconv.Itoa(length)}})
}

// wantedOf is what not every kind has, or not the same.
func wantedOf(kind Kind, f *Fields, number func(uint32) string) []want {
	to := want{name: "to", mend: "<{{.ToURI}}>, without a tag", parts: []string{"<" + f.ToURI + ">"}}
	event := want{name: "event", mend: "message-summary", parts: []string{"message-summary"}, params: true}
	contact := want{name: "contact", mend: "<{{.Contact}}>", parts: []string{"<" + f.Contact + ">"}, params: true}
	switch kind {
	case Publish:
		return []want{to, event,
			{name: "expires", mend: "{{.Expires}}", parts: []string{number(f.Expires)}},
			{name: "sip-if-match", mend: "{{.ETag}}, only where there is one", parts: []string{f.ETag}, absent: f.ETag == ""}}
	case Unsolicited:
		return []want{to, event, contact,
			{name: "subscription-state", mend: "terminated;reason=noresource", parts: []string{"terminated"}, params: true}}
	}
	to = want{name: "to", mend: "<{{.ToURI}}>;tag={{.ToTag}}", parts: []string{"<" + f.ToURI + ">;tag=" + f.ToTag}, params: true}
	event.mend = "message-summary{{if .EventID}};id={{.EventID}}{{end}}"
	if f.EventID != "" {
		event.parts = append(event.parts, ";id="+f.EventID)
	}
	return []want{to, event, contact,
		{name: "subscription-state", mend: "active;expires={{.Expires}}", parts: []string{"active;expires=" + number(f.Expires)}, params: true}}
}

func (w want) check(values []string) error {
	switch {
	case w.absent && len(values) == 0:
		return nil
	case w.absent:
		return fmt.Errorf("%s: stands there with nothing to say; write it as %s", w.name, w.mend)
	case len(values) != 1:
		return fmt.Errorf("%s: stands %d times, must stand once: %s", w.name, len(values), w.mend)
	}
	rest := values[0]
	for i, p := range w.parts {
		at := strings.Index(rest, p)
		if at < 0 || (i == 0 && at > 0) {
			return fmt.Errorf("%s: is %q; write it as %s", w.name, values[0], w.mend)
		}
		rest = rest[at+len(p):]
	}
	if rest != "" && (!w.params || rest[0] != ';') {
		return fmt.Errorf("%s: is %q; write it as %s", w.name, values[0], w.mend)
	}
	return nil
}

// checkBody wants Messages-Waiting first, as Kamailio does too, and a line end
// after every line (RFC 3842 5.2).
func checkBody(body string, f *Fields) error {
	if !strings.HasPrefix(body, "Messages-Waiting: "+f.Waiting()+"\r\n") {
		return fmt.Errorf("the body must begin with the line Messages-Waiting: {{.Waiting}}")
	}
	if !strings.HasSuffix(body, "\r\n") {
		return fmt.Errorf("the body's last line has no line end")
	}
	return nil
}
