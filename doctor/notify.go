package doctor

import (
	"context"
	"net"
	"strings"
	"sync/atomic"

	"zonkeymwi/sipua"
)

// notify has the proxy relay a NOTIFY to a contact of ours, as it is to relay
// those of the bridge to the phones'.
func (c *checkup) notify(ctx context.Context, a area, ua *sipua.UA, target string) {
	phone, err := newStandIn(target)
	if err != nil {
		return // nothing is known then
	}
	defer phone.Close()
	o, answer := c.ask(ctx, ua, request(notifyText, "sip:zonkeymwi@"+phone.LocalAddr().String()))
	letIn := c.notLetIn(o.Status, "NOTIFY")
	switch {
	case phone.called.Load():
		a.ok("notify", "%s relays NOTIFYs to the contacts of phones: one to us has come back", target)
	case letIn != "":
		a.fault("notify", letIn, "%s%s", answer, seenAs(&o))
	case o.Status >= 400 && o.Status < 500 && o.Status != 408:
		a.warn("notify", proxyLines, "%s, and did not relay it to the contact that it names", answer)
	default: // it may have no way to us that is not its answer's
		a.ok("notify", "%s did not refuse a NOTIFY; whether it relays them cannot be seen from here", target)
	}
}

// standIn is a contact like a phone's.
type standIn struct {
	net.PacketConn
	called atomic.Bool
}

// newStandIn listens at the address from which target is reached.
func newStandIn(target string) (*standIn, error) {
	_, address, _ := strings.Cut(target, ":")
	way, err := net.Dial("udp", address) // sends nothing
	if err != nil {
		return nil, err
	}
	defer way.Close()
	conn, err := net.ListenPacket("udp", net.JoinHostPort(way.LocalAddr().(*net.UDPAddr).IP.String(), "0"))
	if err != nil {
		return nil, err
	}
	s := &standIn{PacketConn: conn}
	go s.answer()
	return s, nil
}

// answer refuses every request: it has no dialog.
func (s *standIn) answer() {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := s.ReadFrom(buf)
		if err != nil {
			return
		}
		s.called.Store(true)
		answer := "SIP/2.0 481 Call/Transaction Does Not Exist\r\n"
		for line := range strings.SplitSeq(string(buf[:n]), "\r\n") {
			switch name, _, _ := strings.Cut(line, ":"); strings.ToLower(name) {
			case "via", "from", "to", "call-id", "cseq":
				answer += line + "\r\n"
			}
		}
		_, _ = s.WriteTo([]byte(answer+"Content-Length: 0\r\n\r\n"), from)
	}
}
