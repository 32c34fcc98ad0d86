package ami

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
)

const (
	// maxLine is how much of a line is kept, in bytes. The longest seen is 5 kB, a dialplan's UserEvent.
	maxLine = 16 << 10
	// maxHeaders is how many lines of a message are kept: the first half and the last half of that
	// many. Both ends count: the kind is in the first line, New and Old are in the last ones.
	maxHeaders = 1024
	// readSize is the read buffer, in bytes.
	readSize = 256 << 10
)

// reader cuts the stream into messages. A line ends with LF, one CR before it is dropped; a message
// ends with an empty line; further empty lines are nothing (VoicemailMove's reply has one too many).
type reader struct {
	br    *bufio.Reader
	long  []byte // kept part of a line larger than the buffer
	names names  // of mailboxes
	name  []byte // of one

	// MessageWaiting events and entries of a list that have their usual form, parsed in place. The action is that
	// of the list, and part of the read buffer.
	state func(b Mailbox, action []byte)
}

func newReader(conn io.Reader, state func(b Mailbox, action []byte)) *reader {
	return &reader{br: bufio.NewReaderSize(conn, readSize), state: state}
}

// next hands mailboxes to state until something else comes, and returns that.
func (r *reader) next() (Message, error) {
	for r.inPlace() {
	}
	return r.message()
}

// inPlace consumes the mailboxes that lie complete in the buffer. It reports whether there were any.
func (r *reader) inPlace() bool {
	if r.br.Buffered() == 0 {
		r.br.Peek(1) // an error comes back from message
	}
	b, _ := r.br.Peek(r.br.Buffered())
	used := 0
	for n := 1; n > 0; used += n {
		var name []byte
		var fresh, old int
		if name, fresh, old, n = parseWaiting(b[used:]); n > 0 {
			r.state(Mailbox{Name: r.names.copy(name), New: fresh, Old: old}, nil)
		} else {
			n = r.entry(b[used:])
		}
	}
	r.br.Discard(used)
	return used > 0
}

// entry hands on the entry of a list at the start of b, and returns its length; 0: there is none.
func (r *reader) entry(b []byte) int {
	e, n := parseEntry(b)
	if n == 0 {
		return 0
	}
	r.name = append(r.name[:0], e.box...)
	if len(e.context) > 0 {
		r.name = append(append(r.name, '@'), e.context...)
	}
	r.state(Mailbox{r.names.copy(r.name), e.fresh, e.old, true}, e.action)
	return n
}

// message reads one message of any kind. What a broken connection cut off is discarded, with io.ErrUnexpectedEOF.
func (r *reader) message() (Message, error) {
	m := r.whole()
	if m.Headers != nil {
		return m, nil
	}
	for {
		line, err := r.line()
		switch {
		case err == io.EOF && (len(m.Headers) > 0 || len(line) > 0):
			return Message{}, io.ErrUnexpectedEOF
		case err != nil:
			return Message{}, err
		case len(line) > 0:
			m.add(parseHeader(string(line)))
		case len(m.Headers) > 0:
			return m, nil
		}
	}
}

// whole consumes a message that lies complete in the buffer and is of usual size; without headers, there was none.
// The headers are parts of one string, for an allocation each would cost more than all the rest: who keeps a value
// for long must clone it, or keeps them all.
func (r *reader) whole() (m Message) {
	b, _ := r.br.Peek(r.br.Buffered())
	end, lines := 0, 0
	n := bytes.IndexByte(b, '\n')
	for ; n > 1 || n == 1 && b[end] != '\r'; n = bytes.IndexByte(b[end:], '\n') {
		end += n + 1
		lines++
	}
	if n < 0 || lines == 0 || lines > maxHeaders || end > maxLine {
		return m
	}
	m.Headers = make([]Header, 0, lines)
	for line := range strings.Lines(string(b[:end])) {
		m.Headers = append(m.Headers, parseHeader(strings.TrimSuffix(line[:len(line)-1], "\r")))
	}
	r.br.Discard(end + n + 1)
	return m
}

func (m *Message) add(h Header) {
	if m.Headers == nil {
		m.Headers = make([]Header, 0, 16)
	}
	if len(m.Headers) == maxHeaders {
		m.Headers = slices.Delete(m.Headers, maxHeaders/2, maxHeaders/2+1)
	}
	m.Headers = append(m.Headers, h)
}

// parseHeader splits at the first colon; as in Asterisk, any number of blanks may follow it, or none.
func parseHeader(line string) Header {
	name, value, _ := strings.Cut(line, ":")
	return Header{name, afterBlanks(value)}
}

// afterBlanks is TrimLeft, at a fraction of its cost, which was a tenth of all.
func afterBlanks[T string | []byte](v T) T {
	for len(v) > 0 && (v[0] == ' ' || v[0] == '\t') {
		v = v[1:]
	}
	return v
}

// line returns the next line without its end, cut to maxLine. It is valid until the next read.
func (r *reader) line() ([]byte, error) {
	line, err := r.br.ReadSlice('\n')
	if err == nil {
		line = bytes.TrimSuffix(line[:len(line)-1], []byte("\r"))
		return line[:min(len(line), maxLine)], nil
	}
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, err
	}
	r.long = append(r.long[:0], line[:maxLine]...)
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = r.br.ReadSlice('\n')
	}
	return r.long, err
}
