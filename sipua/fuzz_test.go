package sipua

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func FuzzResponse(f *testing.F) {
	for _, c := range responses {
		f.Add(crlf(c.text))
	}
	u := &UA{}
	for i := range u.shards {
		u.shards[i].live = map[uint64]*transaction{}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		u.receive(b)
		r, ok := parseResponse(b)
		o := Outcome{Response: b}
		for _, name := range []string{"Via", "To", "Retry-After", "WWW-Authenticate"} {
			if strings.ContainsAny(o.Header(name), "\n") {
				t.Errorf("%s has a line end", name)
			}
		}
		if !ok {
			return
		}
		if r.status < 100 || r.status > 699 || r.vias < 1 || r.cseq >= 1<<31 || len(reasonText(r.reason)) > 3*128 {
			t.Errorf("%+v", r)
		}
		if d := parseRetryAfter(r.get("Retry-After")); d < 0 || d.Hours() > 1 {
			t.Error(d)
		}
		if key, ok := branchKey(r.branch); ok && !strings.EqualFold(branch(key), string(r.branch)) {
			t.Errorf("branch %q is not %q", r.branch, branch(key))
		}
		if !bytes.Equal(b, before) {
			t.Error("the message was written to")
		}
	})
}

// frames reads a stream to its end.
func frames(r io.Reader) (all [][]byte, err error) {
	f := newFramer(r)
	for {
		m, err := f.next()
		if err != nil {
			return all, err
		}
		all = append(all, bytes.Clone(m))
	}
}

func FuzzFrames(f *testing.F) {
	whole := []byte("\r\n\r\n")
	for _, c := range responses {
		f.Add(crlf(c.text))
		whole = append(whole, crlf(c.text)...)
	}
	f.Add(whole)
	f.Add([]byte("SIP/2.0 200 OK\r\nl: 3\r\nContent-Length: 3\r\n\r\nabcSIP/2.0 200 OK\nl:\n 1\n\nx"))
	f.Add([]byte("a\r\nl: 3\r\nl: 4\r\n\r\nabcd"))
	f.Fuzz(func(t *testing.T, b []byte) {
		one, errOne := frames(bytes.NewReader(b))
		drop, errDrop := frames(iotest.OneByteReader(bytes.NewReader(b)))
		if len(one) != len(drop) || errOne.Error() != errDrop.Error() {
			t.Fatalf("%d messages, %v; by the byte %d, %v", len(one), errOne, len(drop), errDrop)
		}
		for i := range one {
			if !bytes.Equal(one[i], drop[i]) || len(one[i]) > maxFields+maxBody || !bytes.Contains(b, one[i]) {
				t.Fatalf("message %d: %q, %q", i, one[i], drop[i])
			}
		}
	})
}

func TestFrames(t *testing.T) {
	text := "\r\n\r\nSIP/2.0 200 OK\r\nl: 3\r\nContent-Length: 3\r\n\r\nabc\r\nSIP/2.0 200 OK\r\n\r\nNOTIFY x\r\nA: b\r\n \r\n c\r\n\r\nSIP/2.0"
	all, err := frames(strings.NewReader(text))
	if !errors.Is(err, io.EOF) || len(all) != 3 || !bytes.HasSuffix(all[0], []byte("abc")) || string(all[1]) != "SIP/2.0 200 OK\r\n\r\n" ||
		!bytes.HasSuffix(all[2], []byte(" c\r\n\r\n")) {
		t.Errorf("%q, %v", all, err)
	}
	for text, want := range map[string]error{
		"a\r\nl: 3\r\nl: 4\r\n\r\nabcd":           errLength,
		"a\r\nl: 65537\r\n\r\n":                   errLength,
		"a\r\nl: 5\r\n\r\nabcd":                   io.ErrUnexpectedEOF,
		strings.Repeat("a", maxFields+1):          errFieldsTooLong,
		strings.Repeat("a: b\r\n", maxFields/6+1): errFieldsTooLong,
	} {
		if all, err := frames(strings.NewReader(text)); len(all) != 0 || !errors.Is(err, want) {
			t.Errorf("%.30q: %d messages, %v", text, len(all), err)
		}
	}
}

// Whatever a challenge says, its answer is one header line.
func FuzzChallenge(f *testing.F) {
	f.Add(`Digest realm="pbx", nonce="n", opaque="o,\"q", qop="auth-int, auth", algorithm=MD5, stale=TRUE`)
	f.Add("Digest realm=\"a\\\rb\", nonce=\"\x00\x7f\", userhash=true, algorithm=SHA-512-256")
	u := &UA{cfg: Config{Username: "bridge", Password: "secret"}}
	f.Fuzz(func(t *testing.T, challenge string) {
		r, ok := parseResponse(append([]byte("SIP/2.0 401 No\r\nVia: x;branch=y\r\nCSeq: 1 NOTIFY\r\nWWW-Authenticate: "+challenge), "\r\n\r\n"...))
		if !ok {
			return
		}
		c := &call{ua: u, req: Request{Method: "NOTIFY", URI: "sip:a@127.0.0.1"}}
		if err := c.authorize(&transaction{call: c}, &r); err == nil && strings.ContainsAny(c.auth.line, "\r\n\x00") {
			t.Errorf("%q", c.auth.line)
		}
	})
}
