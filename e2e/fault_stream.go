//go:build linux

package e2e

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
)

// Stream is a TCP relay before a server, which can be made a bad line.
type Stream struct {
	listener net.Listener
	server   string
	tasks    sync.WaitGroup

	mu    sync.Mutex
	pairs map[*pair]bool
	held  chan struct{} // nil, or closed when a stall ends
}

// pair is one connection: the client's side and the server's.
type pair struct {
	client, server net.Conn

	mu    sync.Mutex
	cutAt []byte // "": nowhere
	lost  bool   // the line swallows what it is given
}

// StartStream relays to server, which need not be up; it ends with t.
func StartStream(t testing.TB, server string) *Stream {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Stream{listener: listener, server: server, pairs: map[*pair]bool{}}
	s.tasks.Go(s.accept)
	t.Cleanup(func() {
		listener.Close()
		s.Resume()
		s.Drop()
		s.tasks.Wait()
	})
	return s
}

// Addr is where clients connect.
func (s *Stream) Addr() string { return s.listener.Addr().String() }

func (s *Stream) accept() {
	for {
		client, err := s.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp4", s.server)
		if err != nil {
			client.Close() // nearest to "refused" that a relay can be
			continue
		}
		p := &pair{client: client, server: server}
		s.mu.Lock()
		s.pairs[p] = true
		s.mu.Unlock()
		s.tasks.Go(func() { s.pump(p, server, client, false) })
		s.tasks.Go(func() { s.pump(p, client, server, true) })
	}
}

// pump carries one direction until either side ends.
func (s *Stream) pump(p *pair, to, from net.Conn, down bool) {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		s.wait()
		if !p.carry(to, buf[:n], down) || err != nil && !p.isLost() {
			break
		}
		if err != nil { // a lost line tells nobody of an end
			_, _ = io.Copy(io.Discard, to)
			break
		}
	}
	p.client.Close()
	p.server.Close()
	s.mu.Lock()
	delete(s.pairs, p)
	s.mu.Unlock()
}

// carry writes data on, or as much of it as the fault lets through; false ends the connection.
func (p *pair) carry(to net.Conn, data []byte, down bool) bool {
	p.mu.Lock()
	at, lost := p.cutAt, p.lost
	p.mu.Unlock()
	if lost {
		return true
	}
	if down && at != nil {
		if i := bytes.Index(data, at); i >= 0 {
			_, _ = to.Write(data[:i+len(at)])
			return false
		}
	}
	_, err := to.Write(data)
	return err == nil
}

func (p *pair) isLost() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
}

func (s *Stream) each(f func(*pair)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := range s.pairs {
		p.mu.Lock()
		f(p)
		p.mu.Unlock()
	}
}

// CutAfter ends each present connection when the server has sent text.
func (s *Stream) CutAfter(text string) { s.each(func(p *pair) { p.cutAt = []byte(text) }) }

// Lose has present connections swallow all that is sent, as when the other host vanished. New ones are good.
func (s *Stream) Lose() { s.each(func(p *pair) { p.lost = true }) }

// Drop ends all connections.
func (s *Stream) Drop() {
	s.each(func(p *pair) {
		p.client.Close()
		p.server.Close()
	})
}

// Stall holds back everything, in both directions, until Resume.
func (s *Stream) Stall() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == nil {
		s.held = make(chan struct{})
	}
}

// Resume ends Stall.
func (s *Stream) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held != nil {
		close(s.held)
		s.held = nil
	}
}

func (s *Stream) wait() {
	s.mu.Lock()
	held := s.held
	s.mu.Unlock()
	if held != nil {
		<-held
	}
}
