package sipua

import (
	"bufio"
	"errors"
	"io"
)

const maxFields = 16 << 10 // bytes of start line and header fields that are read from a stream

var (
	errFieldsTooLong = errors.New("a SIP message with more than 16 KiB of header fields")
	errLength        = errors.New("a SIP message with a Content-Length that is no number, or above 64 KiB, or stands twice and differs")
)

// framer cuts a stream into messages by Content-Length (RFC 3261 18.3), a missing one being 0. It holds no more than one
// message, and reads no further after an error, for then nobody knows where the next message begins.
type framer struct {
	r   *bufio.Reader
	buf []byte
}

func newFramer(r io.Reader) *framer { return &framer{r: bufio.NewReaderSize(r, 4096)} }

// next is the next message, valid until the call after. Empty lines before it are keep-alives (7.5, RFC 5626 4.4.1).
func (f *framer) next() ([]byte, error) {
	f.buf = f.buf[:0]
	for {
		start := len(f.buf)
		if err := f.line(); err != nil {
			return nil, err
		}
		if line, _, _ := cutLine(f.buf[start:]); len(line) > 0 {
			continue
		}
		if start > 0 {
			break
		}
		f.buf = f.buf[:0]
	}
	length, err := frameLength(f.buf)
	if err != nil {
		return nil, err
	}
	head := len(f.buf)
	f.buf = append(f.buf, make([]byte, length)...)
	if _, err := io.ReadFull(f.r, f.buf[head:]); err != nil {
		return nil, err
	}
	return f.buf, nil
}

// line appends one line with its end.
func (f *framer) line() error {
	for {
		part, err := f.r.ReadSlice('\n')
		f.buf = append(f.buf, part...)
		if len(f.buf) > maxFields {
			return errFieldsTooLong
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

func frameLength(head []byte) (int, error) {
	_, rest, _ := cutLine(head)
	length := -1
	for {
		h, next, end := cutField(rest)
		if end != moreFields {
			return max(length, 0), nil
		}
		if h.is("content-length", 'l') {
			n, ok := parseLength(h.value)
			if !ok || length >= 0 && n != length {
				return 0, errLength
			}
			length = n
		}
		rest = next
	}
}
