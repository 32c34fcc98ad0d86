package sipua

import (
	"bytes"
	"iter"
	"strconv"
	"strings"
)

// response is a parsed response. It points into the bytes it was parsed from.
type response struct {
	raw    []byte
	status int
	reason []byte
	fields []byte // from the first header field to the end of the message
	vias   int
	branch []byte // of the topmost Via
	cseq   uint32
	method []byte // of the CSeq
}

// parseResponse reads as much of a response as matching it takes (RFC 3261 17.1.3). ok is false for a request, for garbage,
// and for a response without exactly one CSeq, without Via, or shorter than its Content-Length (18.3).
func parseResponse(b []byte) (r response, ok bool) {
	line, rest, ok := cutLine(b)
	if !ok || !r.statusLine(line) {
		return r, false
	}
	r.raw, r.fields = b, rest
	length, cseqs := 0, 0
	for {
		h, next, end := cutField(rest)
		switch {
		case end == endOfFields:
			return r, r.vias > 0 && cseqs == 1 && length <= len(next)
		case end == truncated:
			return r, false
		case h.is("via", 'v'):
			n, branch := scanVia(h.value)
			if r.vias += n; r.vias == n {
				r.branch = branch
			}
		case h.is("cseq", 0):
			cseqs++
			if r.cseq, r.method, ok = parseCSeq(h.value); !ok {
				return r, false
			}
		case h.is("content-length", 'l'):
			if length, ok = parseLength(h.value); !ok {
				return r, false
			}
		}
		rest = next
	}
}

func (r *response) statusLine(line []byte) bool {
	if len(line) < 11 || !strings.EqualFold(string(line[:8]), "SIP/2.0 ") {
		return false
	}
	status, err := strconv.Atoi(string(line[8:11]))
	if err != nil || status < 100 || status > 699 {
		return false
	}
	if len(line) > 11 && line[11] != ' ' {
		return false
	}
	r.status, r.reason = status, bytes.TrimSpace(line[11:])
	return true
}

// all are the values of a header field, unfolded, in their order.
func (r *response) all(name string) iter.Seq[string] { return fields(r.fields, name) }

func (r *response) get(name string) string {
	for v := range r.all(name) {
		return v
	}
	return ""
}

// fields finds header fields by their long name, in whichever form they came.
func fields(b []byte, name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for {
			h, next, end := cutField(b)
			if end != moreFields || h.is(name, compact(name)) && !yield(unfold(h.value)) {
				return
			}
			b = next
		}
	}
}

// compact is a header field's one-letter form (RFC 3261 7.3.3 and 20, RFC 6665 8.2), or 0.
func compact(name string) byte {
	switch strings.ToLower(name) {
	case "via":
		return 'v'
	case "from":
		return 'f'
	case "to":
		return 't'
	case "call-id":
		return 'i'
	case "content-length":
		return 'l'
	case "content-type":
		return 'c'
	case "contact":
		return 'm'
	case "event":
		return 'o'
	case "allow-events":
		return 'u'
	}
	return 0
}

// scanVia counts the values of one Via header field, and finds the branch of the first.
func scanVia(v []byte) (count int, branch []byte) {
	count = 1
	for len(v) > 0 {
		part, sep, rest := cutParam(v)
		if name, value, ok := bytes.Cut(part, []byte("=")); ok && count == 1 && branch == nil &&
			strings.EqualFold(string(trim(name)), "branch") {
			branch = trim(value)
		}
		if sep == ',' {
			count++
		}
		v = rest
	}
	return count, branch
}

// cutParam cuts at the first comma or semicolon that is not in a quoted string. sep is 0 at the end.
func cutParam(v []byte) (part []byte, sep byte, rest []byte) {
	quoted := false
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ',' || c == ';'):
			return v[:i], c, v[i+1:]
		}
	}
	return v, 0, nil
}

// parseCSeq reads a number below 2^31 (RFC 3261 8.1.1.5) and a method.
func parseCSeq(v []byte) (n uint32, method []byte, ok bool) {
	v = trim(v)
	i := bytes.IndexAny(v, lws)
	if i < 0 {
		return 0, nil, false
	}
	num, err := strconv.ParseUint(string(v[:i]), 10, 31)
	method = trim(v[i:])
	return uint32(num), method, err == nil && !bytes.ContainsAny(method, lws)
}

// maxBody is the longest body that is read from a stream; no datagram holds more.
const maxBody = 64 << 10

func parseLength(v []byte) (int, bool) {
	n, err := strconv.ParseUint(string(trim(v)), 10, 31)
	return int(n), err == nil && n <= maxBody
}
