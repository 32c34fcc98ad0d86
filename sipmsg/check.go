package sipmsg

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// sample is a dialog with every optional value present.
var sample = Fields{
	RequestURI: "sip:202@192.0.2.41:5062;transport=udp", Route: "<sip:192.0.2.30;lr>,<sip:192.0.2.31;lr>",
	Transport: "UDP", SentBy: "192.0.2.10:5070", Branch: "z9hG4bKsample",
	FromURI: "sip:*97@domain.example.com", FromTag: "server-tag", ToURI: "sip:202@domain.example.com", ToTag: "phone-tag",
	CallID: "94f774b328254abb@192.0.2.41", CSeq: 1795406612, Contact: "sip:192.0.2.20:5060", EventID: "7", Expires: 598,
	UserAgent: "Asterisk", Authorization: `Proxy-Authorization: Digest username="sample"`,
	Account: "sip:*97@domain.example.com", New: 3, Old: 5, NewUrgent: 2, OldUrgent: 1,
}

// checkSamples renders every combination of optional values, as each may take
// another way through the template's conditions.
func (t *Template) checkSamples() error {
	for bits := range 1 << 5 {
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
		if bits&(1<<4) != 0 {
			f.New, f.Old, f.NewUrgent, f.OldUrgent = 0, 0, 0, 0
		}
		out, err := t.Append(nil, &f)
		if err != nil {
			return err
		}
		if err := check(out, &f); err != nil {
			return fmt.Errorf("does not make a valid NOTIFY: %w", err)
		}
	}
	return nil
}

// check tells what is wrong with a rendered request: its form (RFC 3261 7), and
// that it is the NOTIFY of the dialog in f (RFC 3261 12.2.1.1, RFC 6665 4.1.3).
func check(msg []byte, f *Fields) error {
	head, body, _ := bytes.Cut(msg, []byte("\r\n\r\n"))
	lines := strings.Split(string(head), "\r\n")
	if want := "NOTIFY " + f.RequestURI + " SIP/2.0"; lines[0] != want {
		return fmt.Errorf("line 1 is %q, want NOTIFY {{.RequestURI}} SIP/2.0", lines[0])
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
	for _, w := range wanted(f, len(body)) {
		if err := w.check(headers[w.name]); err != nil {
			return err
		}
	}
	return checkBody(string(body), f)
}

const tokenChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.!%*_+`'~"

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
	absent bool
	parts  []string
}

func wanted(f *Fields, length int) []want {
	auth, value, _ := strings.Cut(f.Authorization, ": ")
	if auth == "" {
		auth = "proxy-authorization"
	}
	event := []string{"message-summary"}
	if f.EventID != "" {
		event = append(event, ";id="+f.EventID)
	}
	return []want{
		{name: "via", mend: "SIP/2.0/{{.Transport}} {{.SentBy}};branch={{.Branch}};rport",
			parts: []string{"SIP/2.0/" + f.Transport + " " + f.SentBy, ";branch=" + f.Branch, ";rport"}},
		{name: "max-forwards", mend: "70", parts: []string{"70"}},
		{name: "route", mend: "{{.Route}}, only where there is one", absent: f.Route == "", parts: []string{f.Route}},
		{name: "from", mend: "<{{.FromURI}}>;tag={{.FromTag}}", parts: []string{"<" + f.FromURI + ">;tag=" + f.FromTag}},
		{name: "to", mend: "<{{.ToURI}}>;tag={{.ToTag}}", parts: []string{"<" + f.ToURI + ">;tag=" + f.ToTag}},
		{name: "call-id", mend: "{{.CallID}}", parts: []string{f.CallID}},
		{name: "cseq", mend: "{{.CSeq}} NOTIFY", parts: []string{strconv.FormatUint(uint64(f.CSeq), 10) + " NOTIFY"}},
		{name: "contact", mend: "<{{.Contact}}>", parts: []string{"<" + f.Contact + ">"}},
		{name: strings.ToLower(auth), mend: "{{.Authorization}} on a line of its own, only where there is one",
			absent: f.Authorization == "", parts: []string{value}},
		{name: "event", mend: "message-summary{{if .EventID}};id={{.EventID}}{{end}}", parts: event},
		{name: "subscription-state", mend: "active;expires={{.Expires}}",
			parts: []string{"active;expires=" + strconv.FormatUint(uint64(f.Expires), 10)}},
		{name: "content-type", mend: "application/simple-message-summary", parts: []string{"application/simple-message-summary"}},
		{name: "content-length", mend: "{{.ContentLength}}", parts: []string{strconv.Itoa(length)}},
	}
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
	if rest != "" && rest[0] != ';' {
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
