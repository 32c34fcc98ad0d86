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
	br      *bufio.Reader
	long    []byte        // kept part of a line larger than the buffer
	waiting func(Mailbox) // MessageWaiting events in their usual form, parsed in place
	names   names         // of their mailboxes
}

func newReader(conn io.Reader, waiting func(Mailbox)) *reader {
	return &reader{br: bufio.NewReaderSize(conn, readSize), waiting: waiting}
}

// next hands MessageWaiting events to waiting until something else comes, and returns that.
func (r *reader) next() (Message, error) {
	for r.inPlace() {
	}
	return r.message()
}

// inPlace consumes the MessageWaiting events that lie complete in the buffer. It reports whether there were any.
func (r *reader) inPlace() bool {
	if r.br.Buffered() == 0 {
		r.br.Peek(1) // an error comes back from message
	}
	b, _ := r.br.Peek(r.br.Buffered())
	used := 0
	for {
		name, fresh, old, n := parseWaiting(b[used:])
		if n == 0 {
			break
		}
		r.waiting(Mailbox{Name: r.names.copy(name), New: fresh, Old: old})
		used += n
	}
	r.br.Discard(used)
	return used > 0
}

// message reads one message of any kind. What a broken connection cut off is discarded, with io.ErrUnexpectedEOF.
func (r *reader) message() (Message, error) {
	var m Message
	for {
		line, err := r.line()
		switch {
		case err == io.EOF && (len(m.Headers) > 0 || len(line) > 0):
			return Message{}, io.ErrUnexpectedEOF
		case err != nil:
			return Message{}, err
		case len(line) > 0:
			m.add(parseHeader(line))
		case len(m.Headers) > 0:
			return m, nil
		}
	}
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
func parseHeader(line []byte) Header {
	name, value, _ := strings.Cut(string(line), ":")
	return Header{name, strings.TrimLeft(value, " \t")}
}

// line returns the next line without its end, cut to maxLine. It is valid until the next read.
func (r *reader) line() ([]byte, error) {
	line, err := r.br.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		r.long = append(r.long[:0], line[:maxLine]...)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = r.br.ReadSlice('\n')
		}
		return r.long, err
	}
	if err != nil {
		return line, err
	}
	line = bytes.TrimSuffix(line[:len(line)-1], []byte("\r"))
	return line[:min(len(line), maxLine)], nil
}
