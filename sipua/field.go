package sipua

import (
	"bytes"
	"strings"
)

// lws is RFC 3261's linear white space, line ends included: a folded value needs no unfolding to be read.
const lws = " \t\r\n"

// trim is bytes.Trim(b, lws), at a fraction of its cost.
func trim(b []byte) []byte {
	for len(b) > 0 && isLWS(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isLWS(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func isLWS(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// field is one header field; its value may still be folded over several lines.
type field struct{ name, value []byte }

// is compares names. short is the one-letter form in lower case, or 0.
func (f field) is(long string, short byte) bool {
	if len(f.name) == 1 {
		return short != 0 && f.name[0]|0x20 == short
	}
	return len(f.name) == len(long) && strings.EqualFold(string(f.name), long)
}

// end says why cutField stopped, if it did.
type end int

const (
	moreFields  end = iota
	endOfFields     // the empty line; the body follows
	truncated       // no empty line yet
)

// cutLine cuts a line off, that ends with CRLF, or with LF alone as some phones do.
func cutLine(b []byte) (line, rest []byte, ok bool) {
	line, rest, ok = bytes.Cut(b, []byte("\n"))
	if !ok {
		return nil, b, false
	}
	return bytes.TrimSuffix(line, []byte("\r")), rest, true
}

// cutField cuts the first header field off, with the lines folded under it (RFC 3261 7.3.1). A line without a colon is a
// field without a name.
func cutField(b []byte) (f field, rest []byte, e end) {
	line, rest, ok := cutLine(b)
	if !ok {
		return f, b, truncated
	}
	if len(line) == 0 {
		return f, rest, endOfFields
	}
	for len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\t') {
		if _, rest, ok = cutLine(rest); !ok {
			return f, b, truncated
		}
	}
	name, value, ok := bytes.Cut(b[:len(b)-len(rest)], []byte(":"))
	if !ok {
		return f, rest, moreFields
	}
	return field{trim(name), trim(value)}, rest, moreFields
}

// unfold makes one line of a value.
func unfold(v []byte) string {
	if bytes.IndexByte(v, '\n') < 0 {
		return string(v)
	}
	lines := strings.Split(string(v), "\n")
	for i := range lines {
		lines[i] = strings.Trim(lines[i], lws)
	}
	return strings.Join(lines, " ")
}
