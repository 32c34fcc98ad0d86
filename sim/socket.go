package sim

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Faults is what the network does to each datagram, in either direction. The same seed and the same order of datagrams
// give the same faults. The zero value is a perfect network.
type Faults struct {
	Seed            uint64
	Loss, Duplicate float64       // probabilities, 0 to 1
	Delay           time.Duration // each copy waits a random part of it, so datagrams overtake each other
}

// socket is a UDP socket with one reading goroutine and, on demand, a bad network on both its sides.
type socket struct {
	conn   *net.UDPConn
	handle func(*message)
	wg     sync.WaitGroup

	mu     sync.Mutex
	faults Faults
	rng    *rand.Rand
	closed bool
}

// listen opens addr; handle is called for each message received, concurrently only where Faults.Delay says so.
func listen(addr string, handle func(*message)) (*socket, error) {
	ip, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, fmt.Errorf("simulated SIP socket %q: %w", addr, err)
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(ip))
	if err != nil {
		return nil, fmt.Errorf("simulated SIP socket %s: %w", addr, err)
	}
	// Best effort: the kernel's default loses bursts that thousands of phones make.
	_ = conn.SetReadBuffer(4 << 20)
	s := &socket{conn: conn, handle: handle}
	s.wg.Go(s.read)
	return s, nil
}

func (s *socket) addr() netip.AddrPort { return s.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

func (s *socket) read() {
	buf := make([]byte, 65535)
	for {
		n, src, err := s.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			if s.isClosed() {
				return
			}
			continue // an ICMP error about an earlier send
		}
		src = netip.AddrPortFrom(src.Addr().Unmap(), src.Port())
		if m := parse(buf[:n], src); m != nil {
			s.suffer(func() { s.handle(m) })
		}
	}
}

func (s *socket) send(raw []byte, to netip.AddrPort) {
	// UDP: an error is a lost datagram.
	s.suffer(func() { _, _ = s.conn.WriteToUDPAddrPort(raw, to) })
}

// suffer delivers a datagram as often and as late as the faults have it.
func (s *socket) suffer(deliver func()) {
	s.mu.Lock()
	if s.rng == nil || s.closed {
		s.mu.Unlock()
		deliver()
		return
	}
	var waits []time.Duration
	for range s.copies() {
		waits = append(waits, time.Duration(s.rng.Float64()*float64(s.faults.Delay)))
	}
	late := s.faults.Delay > 0
	if late {
		s.wg.Add(len(waits))
	}
	s.mu.Unlock()
	for _, wait := range waits {
		if late {
			time.AfterFunc(wait, func() { defer s.wg.Done(); deliver() })
		} else {
			deliver()
		}
	}
}

func (s *socket) copies() int {
	switch {
	case s.rng.Float64() < s.faults.Loss:
		return 0
	case s.rng.Float64() < s.faults.Duplicate:
		return 2
	}
	return 1
}

func (s *socket) setFaults(f Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.rng = f, nil
	if f.Loss > 0 || f.Duplicate > 0 || f.Delay > 0 {
		s.rng = rand.New(rand.NewPCG(f.Seed, f.Seed))
	}
}

func (s *socket) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// close waits for the reader and for datagrams still on their way, at most Faults.Delay.
func (s *socket) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.conn.Close()
	s.wg.Wait()
}
