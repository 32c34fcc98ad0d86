package sim

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// message is a received datagram: parsed by sipgo, and as its header lines, because answers and relayed requests repeat
// what came, byte for byte.
type message struct {
	raw   []byte
	src   netip.AddrPort
	start string
	lines []string // header lines, unfolded, without CRLF
	body  []byte
	sip   sip.Message
	bad   error // why sipgo refused it; sip is nil then
}

// parse splits a datagram; nil when it is not even a start line and headers.
func parse(raw []byte, src netip.AddrPort) *message {
	head, body, ok := bytes.Cut(raw, []byte("\r\n\r\n"))
	lines := strings.Split(string(head), "\r\n")
	if !ok || !strings.Contains(lines[0], "SIP/2.0") {
		return nil
	}
	m := &message{raw: bytes.Clone(raw), src: src, start: lines[0], body: bytes.Clone(body)}
	for _, line := range lines[1:] {
		if n := len(m.lines); n > 0 && line != "" && (line[0] == ' ' || line[0] == '\t') {
			m.lines[n-1] += " " + strings.TrimSpace(line)
		} else {
			m.lines = append(m.lines, line)
		}
	}
	m.check()
	return m
}

// check has sipgo parse, then insists on what every message must have, RFC 3261 8.1.1.
func (m *message) check() {
	parsed, err := sip.ParseMessage(m.raw)
	switch {
	case err != nil:
		m.bad = err
	case parsed.Via() == nil, parsed.From() == nil, parsed.To() == nil, parsed.CallID() == nil, parsed.CSeq() == nil:
		m.bad = errors.New("one of Via, From, To, Call-ID, CSeq is missing or malformed")
	case len(m.values("From")) > 1, len(m.values("To")) > 1, len(m.values("Call-ID")) > 1, len(m.values("CSeq")) > 1:
		m.bad = errors.New("one of From, To, Call-ID, CSeq is there twice")
	case m.isRequest() && string(parsed.CSeq().MethodName) != m.method():
		m.bad = fmt.Errorf("CSeq names method %s", parsed.CSeq().MethodName)
	default:
		m.sip = parsed
	}
}

func (m *message) isRequest() bool { return !strings.HasPrefix(m.start, "SIP/") }

// method of a request.
func (m *message) method() string {
	method, _, _ := strings.Cut(m.start, " ")
	return method
}

// requestURI as it was written.
func (m *message) requestURI() string {
	_, rest, _ := strings.Cut(m.start, " ")
	uri, _, _ := strings.Cut(rest, " ")
	return uri
}

// status of a response; 0 when unreadable.
func (m *message) status() int {
	_, rest, _ := strings.Cut(m.start, " ")
	code, _, _ := strings.Cut(rest, " ")
	n, _ := strconv.Atoi(code)
	return n
}

func (m *message) branch() string  { return m.sip.Via().Params.GetOr("branch", "") }
func (m *message) callID() string  { return m.sip.CallID().Value() }
func (m *message) fromTag() string { return m.sip.From().Params.GetOr("tag", "") }
func (m *message) toTag() string   { return m.sip.To().Params.GetOr("tag", "") }
func (m *message) cseq() uint32    { return m.sip.CSeq().SeqNo }

// transaction is what tells a retransmission from a new request, RFC 3261 17.2.3.
func (m *message) transaction() string {
	return m.branch() + " " + m.sip.Via().SentBy() + " " + m.method()
}

// values are those of every header of this name, one per line.
func (m *message) values(name string) []string {
	var out []string
	for _, line := range m.lines {
		if v, ok := headerValue(line, name); ok {
			out = append(out, v)
		}
	}
	return out
}

// value is the first of values, or "".
func (m *message) value(name string) string {
	for _, line := range m.lines {
		if v, ok := headerValue(line, name); ok {
			return v
		}
	}
	return ""
}

// headerValue is a line's value when it is that header, in its long or compact form.
func headerValue(line, name string) (string, bool) {
	k, v, ok := strings.Cut(line, ":")
	k = strings.TrimSpace(k)
	if !ok || !strings.EqualFold(k, name) && (len(k) != 1 || !strings.EqualFold(k, compact(name))) {
		return "", false
	}
	return strings.TrimSpace(v), true
}

func compact(name string) string {
	switch name {
	case "Via":
		return "v"
	case "From":
		return "f"
	case "To":
		return "t"
	case "Call-ID":
		return "i"
	case "Contact":
		return "m"
	case "Content-Type":
		return "c"
	case "Content-Length":
		return "l"
	case "Event":
		return "o"
	}
	return ""
}

// render writes a message; Content-Length must be among the lines.
func render(start string, lines []string, body []byte) []byte {
	return append([]byte(start+"\r\n"+strings.Join(lines, "\r\n")+"\r\n\r\n"), body...)
}

// answer renders a response to m, RFC 3261 8.2.6. toTag is added where To has none; extra lines come before Content-Length.
func (m *message) answer(status int, reason, toTag string, extra ...string) []byte {
	var lines []string
	for i, via := range m.values("Via") {
		if i == 0 {
			via = m.stampVia(via)
		}
		lines = append(lines, "Via: "+via)
	}
	to := m.value("To")
	if toTag != "" && m.toTag() == "" {
		to += ";tag=" + toTag
	}
	lines = append(lines, "From: "+m.value("From"), "To: "+to, "Call-ID: "+m.value("Call-ID"), "CSeq: "+m.value("CSeq"))
	if status/100 == 2 {
		for _, rr := range m.values("Record-Route") {
			lines = append(lines, "Record-Route: "+rr)
		}
	}
	lines = append(append(lines, extra...), "Content-Length: 0")
	return render(fmt.Sprintf("SIP/2.0 %d %s", status, reason), lines, nil)
}

// stampVia tells the sender where its request came from: RFC 3581 4, RFC 3261 18.2.1.
func (m *message) stampVia(via string) string {
	if m.sip == nil {
		return via
	}
	if _, ok := m.sip.Via().Params.Get("rport"); ok {
		return strings.Replace(via, ";rport", fmt.Sprintf(";rport=%d", m.src.Port()), 1) + ";received=" + m.src.Addr().String()
	}
	if m.sip.Via().Host != m.src.Addr().String() {
		return via + ";received=" + m.src.Addr().String()
	}
	return via
}

// answerTo is where a response to m goes: back through rport, else to the port that Via names, RFC 3261 18.2.2.
func (m *message) answerTo() netip.AddrPort {
	if m.sip == nil {
		return m.src
	}
	via := m.sip.Via()
	if _, ok := via.Params.Get("rport"); ok {
		return m.src
	}
	port := uint16(5060)
	if via.Port != 0 {
		port = uint16(via.Port)
	}
	return netip.AddrPortFrom(m.src.Addr(), port)
}

// uriIn takes the URI out of a name-addr or addr-spec with header parameters: `"x" <sip:a@b;lr>;q=1` or `sip:a@b;q=1`.
func uriIn(value string) string {
	if _, rest, ok := strings.Cut(value, "<"); ok {
		uri, _, _ := strings.Cut(rest, ">")
		return uri
	}
	uri, _, _ := strings.Cut(value, ";")
	return strings.TrimSpace(uri)
}

// hostPort is where a SIP URI with an IP address points, port 5060 when it names none.
func hostPort(uri string) (netip.AddrPort, error) {
	var u sip.Uri
	if err := sip.ParseUri(uri, &u); err != nil {
		return netip.AddrPort{}, fmt.Errorf("URI %q: %w", uri, err)
	}
	port := u.Port
	if port == 0 {
		port = 5060
	}
	return netip.ParseAddrPort(net.JoinHostPort(strings.Trim(u.Host, "[]"), strconv.Itoa(port)))
}

// routes splits Route or Record-Route values into single `<...>` entries, in order.
func routes(values []string) []string {
	var out []string
	for _, v := range values {
		for r := range strings.SplitSeq(v, ">") {
			if i := strings.IndexByte(r, '<'); i >= 0 {
				out = append(out, r[i:]+">")
			}
		}
	}
	return out
}
