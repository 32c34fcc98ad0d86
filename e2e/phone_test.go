//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// rawPhone speaks just enough SIP, in text, to prove the servers of this package right.
type rawPhone struct {
	conn         *net.UDPConn
	proxy        *net.UDPAddr
	t            *testing.T
	cseq         int
	early        []string // came before what was waited for
	toTag        string
	user, callID string
}

func newRawPhone(t *testing.T, ip, user string, proxyPort int) *rawPhone {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(ip)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	proxy := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: proxyPort}
	return &rawPhone{conn: conn, proxy: proxy, t: t, user: user, callID: fmt.Sprint("call-", conn.LocalAddr())}
}

func (p *rawPhone) contact() string { return fmt.Sprintf("sip:%s@%s", p.user, p.conn.LocalAddr()) }

// request sends method and returns the answer. to is "" or ";tag=...".
func (p *rawPhone) request(method, uri, to string, headers ...string) string {
	p.t.Helper()
	p.cseq++
	aor := fmt.Sprintf("sip:%s@domain.example.com", p.user)
	p.send(fmt.Sprintf("%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;rport;branch=z9hG4bK%d%s\r\nMax-Forwards: 70\r\n"+
		"From: <%s>;tag=phone\r\nTo: <%s>%s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nContact: <%s>\r\n%sContent-Length: 0\r\n\r\n",
		method, uri, p.conn.LocalAddr(), time.Now().UnixNano(), method, aor, aor, to, p.callID, p.cseq, method, p.contact(),
		strings.Join(append(headers, ""), "\r\n")))
	return p.receive("SIP/2.0 ")
}

func (p *rawPhone) send(text string) {
	p.t.Helper()
	if _, err := p.conn.WriteToUDP([]byte(text), p.proxy); err != nil {
		p.t.Fatal(err)
	}
}

// receive waits for a message that begins so, and keeps what comes before it for the next call.
// Each NOTIFY is answered.
func (p *rawPhone) receive(begin string) string {
	p.t.Helper()
	is := func(text string) bool { return strings.HasPrefix(text, begin) }
	if i := slices.IndexFunc(p.early, is); i >= 0 {
		text := p.early[i]
		p.early = slices.Delete(p.early, i, i+1)
		return text
	}
	buf := make([]byte, 4096)
	for {
		_ = p.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, err := p.conn.Read(buf)
		if err != nil {
			p.t.Fatalf("no %q from the proxy: %v", begin, err)
		}
		text := string(buf[:n])
		if strings.HasPrefix(text, "NOTIFY ") {
			p.send(ok(text))
		}
		if is(text) {
			return text
		}
		p.early = append(p.early, text)
	}
}

// ok answers a request with 200.
func ok(request string) string {
	answer := "SIP/2.0 200 OK\r\n"
	for _, line := range strings.Split(request, "\r\n") {
		name, _, _ := strings.Cut(line, ":")
		switch name {
		case "Via", "From", "To", "Call-ID", "CSeq":
			answer += line + "\r\n"
		}
	}
	return answer + "Content-Length: 0\r\n\r\n"
}

// subscribe makes the dialog, or refreshes it, and returns Kamailio's own NOTIFY.
func (p *rawPhone) subscribe() (notify string) {
	p.t.Helper()
	answer := p.request("SUBSCRIBE", fmt.Sprintf("sip:%s@domain.example.com", p.user), p.toTag,
		"Event: message-summary", "Accept: application/simple-message-summary", "Expires: 600")
	if !strings.HasPrefix(answer, "SIP/2.0 20") {
		p.t.Fatalf("SUBSCRIBE was answered:\n%s", answer)
	}
	p.toTag = ";tag=" + match(p.t, answer, `(?m)^To:.*;tag=([^;\r]+)`)
	return p.receive("NOTIFY ")
}

func match(t *testing.T, text, pattern string) string {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("no %s in:\n%s", pattern, text)
	}
	return found[1]
}

// notify is a faultless in-dialog NOTIFY to p, as a bridge at from sends it over transport.
func (p *rawPhone) notify(from net.Addr, transport string, cseq int64) []byte {
	body := "Messages-Waiting: yes\r\nMessage-Account: sip:*97@domain.example.com\r\nVoice-Message: 1/0 (0/0)\r\n"
	var b bytes.Buffer
	fmt.Fprintf(&b, "NOTIFY %s SIP/2.0\r\nVia: SIP/2.0/%s %s;rport;branch=z9hG4bK%d\r\nMax-Forwards: 70\r\n"+
		"From: <sip:%s@domain.example.com>%s\r\nTo: <sip:%s@domain.example.com>;tag=phone\r\nCall-ID: %s\r\nCSeq: %d NOTIFY\r\n"+
		"Contact: <sip:%s>\r\nEvent: message-summary\r\nSubscription-State: active;expires=600\r\n"+
		"Content-Type: application/simple-message-summary\r\nContent-Length: %d\r\n\r\n%s",
		p.contact(), transport, from, time.Now().UnixNano(), p.user, p.toTag, p.user, p.callID, cseq, p.proxy, len(body), body)
	return b.Bytes()
}
