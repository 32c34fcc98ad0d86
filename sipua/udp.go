package sipua

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// PacketConn is what a UA needs of a UDP socket; *net.UDPConn is one. Close must make a Read return.
type PacketConn interface {
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error)
	LocalAddr() net.Addr
	Close() error
}

// socketBuffer holds a burst of answers until the reader gets to them; the kernel gives less where net.core.rmem_max does.
const socketBuffer = 4 << 20

func listenUDP(bind netip.Addr, port int) (*net.UDPConn, error) {
	addr := &net.UDPAddr{Port: port}
	if bind.IsValid() {
		addr.IP, addr.Zone = bind.AsSlice(), bind.Zone()
	}
	conn, err := net.ListenUDP("udp", addr)
	if errors.Is(err, syscall.EADDRNOTAVAIL) {
		return nil, fmt.Errorf("bindip %q: this machine has no such address (ip -brief address)", bindText(bind))
	}
	if err != nil {
		return nil, fmt.Errorf("bindip %q, bindport %d: %w", bindText(bind), port, err)
	}
	// Less than asked for is no reason not to start: retransmissions make up for what is dropped.
	_ = conn.SetReadBuffer(socketBuffer)
	_ = conn.SetWriteBuffer(socketBuffer)
	return conn, nil
}

func bindText(ip netip.Addr) string {
	if !ip.IsValid() {
		return ""
	}
	return ip.String()
}

func (u *UA) readUDP() {
	buf := make([]byte, 64<<10)
	for {
		n, _, err := u.udp.ReadFromUDPAddrPort(buf)
		switch {
		case err == nil:
			u.receive(buf[:n])
		case errors.Is(err, net.ErrClosed) || u.ctx.Err() != nil:
			return
		default: // one bad datagram does not end the socket; nor may errors without end spin here
			select {
			case <-u.ctx.Done():
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
}

// origin is this host as others see it: the sent-by of a Via. Over TCP and TLS it is the UDP socket's too, since answers
// come back on the connection.
type origin struct {
	fixed string // "" where the socket is bound to every address
	port  int

	mu     sync.Mutex
	routes map[netip.Addr]string
	stale  time.Time // when routes are looked up anew
}

func (o *origin) init(local net.Addr) {
	addr, ok := local.(*net.UDPAddr)
	if !ok {
		o.fixed = local.String()
		return
	}
	o.port = addr.Port
	if !addr.IP.IsUnspecified() {
		o.fixed = addr.String()
	}
}

// sentBy is the address that the route to a target leaves from, as the kernel has it.
func (o *origin) sentBy(to netip.AddrPort) (string, error) {
	if o.fixed != "" {
		return o.fixed, nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if now := time.Now(); o.routes == nil || now.After(o.stale) || len(o.routes) > 1024 {
		o.routes, o.stale = make(map[netip.Addr]string), now.Add(30*time.Second)
	}
	if s, ok := o.routes[to.Addr()]; ok {
		return s, nil
	}
	probe, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to)) // connects, sends nothing
	if err != nil {
		return "", err
	}
	defer probe.Close()
	ip := probe.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap().WithZone("")
	s := net.JoinHostPort(ip.String(), strconv.Itoa(o.port))
	o.routes[to.Addr()] = s
	return s, nil
}
