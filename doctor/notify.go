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
	if c.NoRelay || !strings.HasPrefix(target, "udp:") { // it need not reach a contact over UDP
		return
	}
	phone, err := newStandIn(target)
	if err != nil {
		a.warn("notify", "look at this machine's addresses (ip -brief address)", "no NOTIFY could be tried: %v", err)
		return
	}
	defer phone.Close()
	o, answer := c.ask(ctx, ua, request(notifyText, "sip:zonkeymwi@"+phone.LocalAddr().String()))
	if phone.called.Load() {
		a.ok("notify", "%s relays NOTIFYs to the contacts of phones: one to us has come back", target)
		return
	}
	if mend := c.notLetIn(o.Status, "NOTIFY"); mend != "" {
		a.fault("notify", mend, "%s%s", answer, seenAs(&o))
		return
	}
	mend := "if it cannot reach " + phone.LocalAddr().String() + " over UDP, for a firewall or NAT, nothing; else look at its log"
	switch o.Status {
	case 404, 405, 480, 481, 489, 501:
		mend = proxyLines
	}
	a.warn("notify", mend, "%s, and did not relay it to the contact that it names, this machine's", answer)
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
	own := *way.LocalAddr().(*net.UDPAddr)
	own.Port = 0
	conn, err := net.ListenUDP("udp", &own)
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
