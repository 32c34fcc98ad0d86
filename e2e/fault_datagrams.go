//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// Weather is what a Datagrams does to each packet, in either direction. The zero value is fair.
type Weather struct {
	Loss, Duplicate float64                       // probabilities, 0 to 1
	Delay           time.Duration                 // of every packet
	Jitter          time.Duration                 // each waits a random part of it more, so that packets overtake each other
	Answer          func(request []byte) [][]byte // instead of passing it on; nil: it is passed on
	Response        func([]byte) []byte           // changes it; nil: it is left as it is
}

// Datagrams is a UDP relay before a SIP proxy: a network that can be bad, and that counts the NOTIFYs sent into it.
type Datagrams struct {
	front    *net.UDPConn
	upstream netip.AddrPort
	tasks    sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	weather  Weather
	random   *rand.Rand
	backs    map[netip.AddrPort]*net.UDPConn // by client
	branches map[string]bool
	notifies map[string]map[string]int // by Request-URI and Call-ID: transactions
	packets  int
}

// StartDatagrams relays to upstream, "ip:port"; it ends with t.
func StartDatagrams(t testing.TB, upstream string, seed uint64) *Datagrams {
	t.Helper()
	front, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	d := &Datagrams{front: front, upstream: netip.MustParseAddrPort(upstream), random: rand.New(rand.NewPCG(seed, 1)),
		backs: map[netip.AddrPort]*net.UDPConn{}}
	d.Count()
	_ = front.SetReadBuffer(4 << 20)
	d.tasks.Go(d.forth)
	t.Cleanup(d.close)
	return d
}

func (d *Datagrams) close() {
	d.mu.Lock()
	d.closed = true
	d.front.Close()
	for _, back := range d.backs {
		back.Close()
	}
	d.mu.Unlock()
	d.tasks.Wait()
}

// Addr is where clients send to.
func (d *Datagrams) Addr() string { return d.front.LocalAddr().String() }

// Set changes the weather.
func (d *Datagrams) Set(w Weather) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.weather = w
}

// forth carries requests.
func (d *Datagrams) forth() {
	buf := make([]byte, 65535)
	for {
		n, client, err := d.front.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		packet := bytes.Clone(buf[:n])
		d.note(packet)
		back := d.backFor(client)
		if back == nil {
			return
		}
		if answer := d.answer(packet); answer != nil {
			for _, a := range answer {
				d.suffer(func() { _, _ = d.front.WriteToUDPAddrPort(a, client) })
			}
			continue
		}
		d.suffer(func() { _, _ = back.WriteToUDPAddrPort(packet, d.upstream) })
	}
}

// backFor is the socket that speaks to the proxy for a client.
func (d *Datagrams) backFor(client netip.AddrPort) *net.UDPConn {
	d.mu.Lock()
	defer d.mu.Unlock()
	if back := d.backs[client]; back != nil || d.closed {
		return back
	}
	back, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil
	}
	_ = back.SetReadBuffer(4 << 20)
	d.backs[client] = back
	d.tasks.Go(func() {
		buf := make([]byte, 65535)
		for {
			n, err := back.Read(buf)
			if err != nil {
				return
			}
			packet := d.response(bytes.Clone(buf[:n]))
			d.suffer(func() { _, _ = d.front.WriteToUDPAddrPort(packet, client) })
		}
	})
	return back
}

func (d *Datagrams) answer(packet []byte) [][]byte {
	d.mu.Lock()
	answer := d.weather.Answer
	d.mu.Unlock()
	if answer == nil {
		return nil
	}
	return answer(packet)
}

func (d *Datagrams) response(packet []byte) []byte {
	d.mu.Lock()
	response := d.weather.Response
	d.mu.Unlock()
	if response == nil {
		return packet
	}
	return response(packet)
}

// suffer delivers a packet as often and as late as the weather has it.
func (d *Datagrams) suffer(deliver func()) {
	d.mu.Lock()
	w, copies := d.weather, 1
	switch p := d.random.Float64(); {
	case p < w.Loss:
		copies = 0
	case p < w.Loss+w.Duplicate:
		copies = 2
	}
	late := make([]time.Duration, copies)
	for i := range late {
		late[i] = w.Delay + time.Duration(d.random.Float64()*float64(w.Jitter))
	}
	if d.closed {
		late = nil
	}
	d.tasks.Add(len(late))
	d.mu.Unlock()
	for _, wait := range late {
		if wait == 0 {
			deliver()
			d.tasks.Done()
			continue
		}
		time.AfterFunc(wait, func() { defer d.tasks.Done(); deliver() })
	}
}

// note counts a NOTIFY; a packet of a known branch is a retransmission.
func (d *Datagrams) note(packet []byte) {
	rest, ok := bytes.CutPrefix(packet, []byte("NOTIFY "))
	if !ok {
		return
	}
	uri, rest, _ := bytes.Cut(rest, []byte(" "))
	after := func(text string) string {
		_, v, _ := bytes.Cut(rest, []byte(text))
		return string(v[:max(0, bytes.IndexAny(v, ";\r"))])
	}
	branch, callID := after(";branch="), after("\r\nCall-ID: ")
	d.mu.Lock()
	defer d.mu.Unlock()
	d.packets++
	if d.branches[branch] {
		return
	}
	d.branches[branch] = true
	if d.notifies[string(uri)] == nil {
		d.notifies[string(uri)] = map[string]int{}
	}
	d.notifies[string(uri)][callID]++
}

// Count starts to count anew.
func (d *Datagrams) Count() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.branches, d.notifies, d.packets = map[string]bool{}, map[string]map[string]int{}, 0
}

// Counted is how many NOTIFYs went to a Request-URI, in each dialog.
func (d *Datagrams) Counted(uri string) map[string]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.notifies[uri])
}

// Packets is how many packets the NOTIFYs took, to whomever.
func (d *Datagrams) Packets() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.packets
}

// respond makes a final answer to a request.
func respond(request []byte, status int, lines ...string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "SIP/2.0 %d Nonsense\r\n", status)
	for line := range strings.SplitSeq(string(request), "\r\n") {
		switch name, _, _ := strings.Cut(line, ":"); name {
		case "Via", "From", "To", "Call-ID", "CSeq":
			b.WriteString(line + "\r\n")
		}
	}
	b.WriteString(strings.Join(append(lines, "Content-Length: 0\r\n\r\n"), "\r\n"))
	return b.Bytes()
}
