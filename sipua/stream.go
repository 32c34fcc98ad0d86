package sipua

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxStreams = 1024            // connections at a time
	maxQueue   = 4 << 20         // bytes waiting for one connection
	idleAfter  = 5 * time.Minute // without a word from the peer, a connection is closed
)

// errBroken is a connection that was open and ended, whoever ended it.
var errBroken = errors.New("the connection ended")

// connectError is a connection that never came to be.
type connectError struct{ err error }

func (e *connectError) Error() string { return "cannot connect: " + e.err.Error() }
func (e *connectError) Unwrap() error { return e.err }

// streams are the connections, one a target.
type streams struct {
	ua     *UA
	mu     sync.Mutex
	open   map[target]*stream
	closed bool
}

// to is the connection to a target, opened if need be: messages wait in it until it is.
func (s *streams) to(t target) (*stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.open[t]; c != nil {
		return c, nil
	}
	switch {
	case s.closed:
		return nil, ErrClosed
	case len(s.open) >= maxStreams:
		return nil, fmt.Errorf("%d connections are open already", maxStreams)
	case s.open == nil:
		s.open = make(map[target]*stream)
	}
	c := &stream{ua: s.ua, to: t, wake: make(chan struct{}, 1), done: make(chan struct{})}
	c.heard.Store(time.Now().UnixNano())
	s.open[t] = c
	s.ua.tasks.Go(c.run)
	return c, nil
}

func (s *streams) forget(c *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[c.to] == c {
		delete(s.open, c.to)
	}
}

func (s *streams) close() {
	s.mu.Lock()
	s.closed = true
	var all []*stream
	for _, c := range s.open {
		all = append(all, c)
	}
	s.mu.Unlock()
	for _, c := range all {
		c.end(ErrClosed)
	}
}

// stream is one TCP or TLS connection: a goroutine that reads, one that writes, and a queue so that senders never wait.
type stream struct {
	ua   *UA
	to   target
	wake chan struct{} // something is queued
	done chan struct{} // it ended

	heard atomic.Int64 // when something last came, Unix nanoseconds; at first when it was made

	mu    sync.Mutex
	conn  net.Conn // nil until connected
	queue net.Buffers
	size  int // bytes queued
	err   error
}

// send queues a message.
func (s *stream) send(msg []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if s.size+len(msg) > maxQueue {
		return fmt.Errorf("the peer does not take what it is sent: %d bytes wait", s.size)
	}
	s.queue = append(s.queue, msg)
	s.size += len(msg)
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return nil
}

func (s *stream) run() {
	conn, err := s.dial()
	if err != nil {
		s.end(&connectError{err})
		return
	}
	if !s.connected(conn) {
		conn.Close()
		return
	}
	s.ua.tasks.Go(func() { s.write(conn) })
	s.read(conn)
}

func (s *stream) dial() (net.Conn, error) {
	ctx, cancel := context.WithTimeout(s.ua.ctx, s.ua.cfg.Timers.connect())
	defer cancel()
	dialer := net.Dialer{}
	if ip := s.ua.proxy.bind; ip.IsValid() {
		dialer.LocalAddr = &net.TCPAddr{IP: ip.AsSlice(), Zone: ip.Zone()}
	}
	conn, err := dialer.DialContext(ctx, "tcp", s.to.addr.String())
	if err != nil || s.to.transport != "TLS" {
		return conn, err
	}
	config := &tls.Config{}
	if s.ua.cfg.TLS != nil {
		config = s.ua.cfg.TLS.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = s.to.domain
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("TLS with %q: %w", config.ServerName, err)
	}
	return secure, nil
}

func (s *stream) connected(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn = conn
	return s.err == nil
}

// write sends what is queued, all that there is at a time.
func (s *stream) write(conn net.Conn) {
	for {
		select {
		case <-s.done:
			return
		case <-s.wake:
		}
		s.mu.Lock()
		out := s.queue
		s.queue, s.size = nil, 0
		s.mu.Unlock()
		_ = conn.SetWriteDeadline(time.Now().Add(s.ua.cfg.Timers.f()))
		if _, err := out.WriteTo(conn); err != nil {
			s.end(fmt.Errorf("%w: %w", errBroken, err))
			return
		}
	}
}

func (s *stream) read(conn net.Conn) {
	f := newFramer(conn)
	for {
		_ = conn.SetReadDeadline(time.Now().Add(idleAfter))
		msg, err := f.next()
		if err != nil {
			s.end(fmt.Errorf("%w: %w", errBroken, err))
			return
		}
		s.heard.Store(time.Now().UnixNano())
		s.ua.receive(msg)
	}
}

// suspect ends a connection on which nothing came for a whole transaction: its peer may have vanished without a word, and the
// kernel would try for a quarter of an hour.
func (s *stream) suspect() {
	if silence := time.Since(time.Unix(0, s.heard.Load())); silence >= s.ua.cfg.Timers.f() {
		s.end(fmt.Errorf("%w: nothing came for %v", errBroken, silence.Round(time.Second)))
	}
}

// end closes the connection, and its transactions with it. Only the first caller's reason counts.
func (s *stream) end(err error) {
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return
	}
	s.err = err
	s.queue, s.size = nil, 0
	conn := s.conn
	s.mu.Unlock()
	close(s.done)
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn() // a farewell could wait for seconds on a peer that does not read
	}
	if conn != nil {
		conn.Close()
	}
	s.ua.streams.forget(s)
	s.ua.loseAll(s, err)
}
