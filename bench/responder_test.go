//go:build linux

package bench

import (
	"bytes"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// responder is the proxy and every phone: it answers each request 200, by UDP.
type responder struct {
	conn     *net.UDPConn
	tasks    sync.WaitGroup
	answered atomic.Int64
	told     []atomic.Uint32 // requests for each mailbox
	came     []atomic.Int64  // when the last one came, Unix nanoseconds
	last     atomic.Pointer[[]byte]
}

func startResponder(t testing.TB, mailboxes int) *responder {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	_ = conn.SetReadBuffer(8 << 20) // the kernel gives what it likes
	_ = conn.SetWriteBuffer(8 << 20)
	r := &responder{conn: conn, told: make([]atomic.Uint32, mailboxes), came: make([]atomic.Int64, mailboxes)}
	r.tasks.Go(r.run)
	t.Cleanup(func() { conn.Close(); r.tasks.Wait() })
	return r
}

func (r *responder) addr() string { return r.conn.LocalAddr().String() }

func (r *responder) run() {
	in, out := make([]byte, 4096), make([]byte, 0, 4096)
	for {
		n, from, err := r.conn.ReadFromUDPAddrPort(in)
		if err != nil {
			return
		}
		request := in[:n]
		if box := requestBox(request); box >= 0 && box < len(r.told) {
			r.told[box].Add(1)
			r.came[box].Store(time.Now().UnixNano())
		}
		if r.last.Load() == nil {
			copied := slices.Clone(request)
			r.last.Store(&copied)
		}
		_, _ = r.conn.WriteToUDPAddrPort(ok(out, request), from)
		r.answered.Add(1)
	}
}

// requestBox is the mailbox's number in a Request-URI, "NOTIFY sip:1000001@...".
func requestBox(request []byte) int {
	_, rest, _ := bytes.Cut(request[:min(len(request), 64)], []byte(" sip:"))
	if len(rest) < 7 {
		return -1
	}
	n, err := strconv.Atoi(string(rest[:7]))
	if err != nil {
		return -1
	}
	return n - firstBox
}

// ok appends the response that RFC 3261 8.2.6 wants.
func ok(dst, request []byte) []byte {
	dst = append(dst, "SIP/2.0 200 OK\r\n"...)
	_, rest, _ := bytes.Cut(request, []byte("\r\n"))
	for len(rest) > 2 {
		end := bytes.IndexByte(rest, '\n') + 1
		if end < 3 {
			break // the body
		}
		switch line := rest[:end]; {
		case line[0] == 'V', line[0] == 'F', line[0] == 'T', line[0] == 'C' && (line[1] == 'a' || line[1] == 'S'):
			dst = append(dst, line...)
		}
		rest = rest[end:]
	}
	return append(dst, "Content-Length: 0\r\n\r\n"...)
}

// reset forgets what was told to whom.
func (r *responder) reset() {
	for i := range r.told {
		r.told[i].Store(0)
		r.came[i].Store(0)
	}
}
