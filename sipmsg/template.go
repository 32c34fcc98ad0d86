// Package sipmsg renders requests that carry a message-summary (RFC 3842) from
// templates. The rendered bytes are what is sent.
package sipmsg

import (
	"fmt"
	"strconv"
	"strings"
)

// Template is a request, compiled once and safe for concurrent use.
type Template struct {
	head, body []segment
}

// A segment is literal text and then, where there is one, a field's value or
// a condition on it.
type segment struct {
	literal  string
	field    *field
	cond     bool
	then, or []segment // {{if .Field}} then {{else}} or {{end}}
}

// Parse compiles a template of that kind, in the syntax of Go's text/template, of which it
// knows the field ({{.Name}}), {{if .Name}}…{{else}}…{{end}}, comments and trim
// markers. The first blank line parts headers and body; line ends may be LF or
// CRLF and are sent as CRLF. It renders samples and refuses a template that
// does not make a valid request of each, so an error shows at start-up and not
// at the first message. name stands in errors.
func Parse(kind Kind, name, text string) (*Template, error) {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	if strings.ContainsAny(text, "\r\x00") {
		return nil, fmt.Errorf("%s: holds a bare CR or a NUL: use plain line ends", name)
	}
	text = strings.ReplaceAll(text, "\n", "\r\n")
	head, body, ok := strings.Cut(text, "\r\n\r\n")
	if !ok {
		return nil, fmt.Errorf("%s: no blank line between headers and body", name)
	}
	t := new(Template)
	c := compiler{name: name, kind: kind, fields: fieldsOf(kind)}
	var err error
	if t.head, err = c.compile(head+"\r\n\r\n", 0); err != nil {
		return nil, err
	}
	if t.body, err = c.compile(body, strings.Count(head, "\n")+2); err != nil {
		return nil, err
	}
	if err := t.checkSamples(kind); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return t, nil
}

// Append renders the request onto dst and returns it. It fails with a
// *ValueError when a value may not stand where the template puts it; dst is
// then returned as it came.
func (t *Template) Append(dst []byte, f *Fields) ([]byte, error) {
	start := len(dst)
	// The body comes first, as its length stands in the headers; it is moved
	// behind them afterwards.
	out, err := appendSegments(dst, t.body, f)
	if err != nil {
		return dst, err
	}
	n := len(out) - start
	f.contentLength = uint32(n)
	if out, err = appendSegments(out, t.head, f); err != nil {
		return dst, err
	}
	out = append(out, out[start:start+n]...)
	return append(out[:start], out[start+n:]...), nil
}

// appendSegments refuses a value that does not hold to its class: nothing that
// came from a database, AMI or the network may leave the place that the template
// gave it.
func appendSegments(dst []byte, segs []segment, f *Fields) (_ []byte, err error) {
	for i := range segs {
		s := &segs[i]
		dst = append(dst, s.literal...)
		switch d := s.field; {
		case d == nil:
		case s.cond:
			branch := s.or
			if d.set(f) {
				branch = s.then
			}
			if dst, err = appendSegments(dst, branch, f); err != nil {
				return dst, err
			}
		case d.num != nil:
			dst = strconv.AppendUint(dst, uint64(d.num(f)), 10)
		default:
			v := d.str(f)
			if v == "" && !d.empty || !d.class.holds(v) {
				return dst, d.refuse(v)
			}
			dst = append(dst, v...)
		}
	}
	return dst, nil
}
