//go:build linux

package validate_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// phone is a phone of 202@example.com that subscribes once and takes every NOTIFY.
type phone struct {
	t    *testing.T
	conn *net.UDPConn
	said strings.Builder
}

func subscribe(t *testing.T, proxy string) *phone {
	t.Helper()
	conn, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(172, 30, 0, 40)}, &net.UDPAddr{IP: net.ParseIP(proxy), Port: 5060})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	p := &phone{t: t, conn: conn}
	from := conn.LocalAddr().String()
	request := fmt.Sprintf("SUBSCRIBE sip:202@example.com SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n"+
		"From: <sip:202@example.com>;tag=p1\r\nTo: <sip:202@example.com>\r\nCall-ID: compose\r\nCSeq: 1 SUBSCRIBE\r\n"+
		"Contact: <sip:202@%s>\r\nEvent: message-summary\r\nAccept: application/simple-message-summary\r\nExpires: 600\r\nContent-Length: 0\r\n\r\n", from, from)
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		_, _ = conn.Write([]byte(request)) // refused until the proxy listens
		if p.take(500*time.Millisecond, "SIP/2.0 20") {
			return p
		}
	}
	t.Fatalf("the proxy took no SUBSCRIBE:\n%s", p.said.String())
	return nil
}

// expect waits for a NOTIFY with text in it.
func (p *phone) expect(text string) {
	p.t.Helper()
	if !p.take(30*time.Second, text) {
		p.t.Fatalf("no NOTIFY with %q:\n%s", text, p.said.String())
	}
}

// take answers what comes until something has text in it.
func (p *phone) take(within time.Duration, text string) bool {
	packet := make([]byte, 65536)
	for deadline := time.Now().Add(within); time.Now().Before(deadline); {
		_ = p.conn.SetReadDeadline(deadline)
		n, err := p.conn.Read(packet)
		if err != nil {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		message := string(packet[:n])
		p.said.WriteString(message + "\n")
		if strings.HasPrefix(message, "NOTIFY ") {
			p.answer(message)
		}
		if strings.Contains(message, text) {
			return true
		}
	}
	return false
}

// answer says 200 to a request.
func (p *phone) answer(request string) {
	head, _, _ := strings.Cut(request, "\r\n\r\n")
	answer := "SIP/2.0 200 OK\r\n"
	for _, line := range strings.Split(head, "\r\n") {
		name, _, _ := strings.Cut(line, ":")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "via", "from", "to", "call-id", "cseq", "record-route":
			answer += line + "\r\n"
		}
	}
	_, _ = p.conn.Write([]byte(answer + "Content-Length: 0\r\n\r\n"))
}
