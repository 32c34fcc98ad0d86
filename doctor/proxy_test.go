package doctor

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"zonkeymwi/sim"
	"zonkeymwi/sipua"
)

// answering is a proxy that says the same to everything.
func answering(t *testing.T, status string) string {
	t.Helper()
	conn := start(t, func() (net.PacketConn, error) { return net.ListenPacket("udp", "127.0.0.1:0") })
	done := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-done })
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			answer := "SIP/2.0 " + status + "\r\n"
			for line := range strings.SplitSeq(string(buf[:n]), "\r\n") {
				switch name, _, _ := strings.Cut(line, ":"); name {
				case "Via", "From", "To", "Call-ID", "CSeq":
					answer += line + "\r\n"
				}
			}
			_, _ = conn.WriteTo([]byte(answer+"Content-Length: 0\r\n\r\n"), from)
		}
	}()
	return conn.LocalAddr().String()
}

func TestProxyAnswers(t *testing.T) {
	w := newWell(t, sim.AsteriskConfig{})
	for status, want := range map[string]Level{"200 OK": OK, "403 Forbidden": OK, "405 Method Not Allowed": OK, "483 Too Many Hops": OK,
		"407 Proxy Authentication Required": OK, "503 Service Unavailable": Warning} {
		w.Proxy = answering(t, status)
		check(t, w.Options).want(want, "proxy", "options", "udp:"+w.Proxy, status+" in ")
	}
	w.SIP.Username, w.SIP.Password = "asterisk", secret
	w.Proxy = answering(t, "401 Unauthorized")
	check(t, w.Options).want(Warning, "proxy", "options", "sip.password")
}

func TestProxySilent(t *testing.T) {
	w := newWell(t, sim.AsteriskConfig{})
	w.Patience = 300 * time.Millisecond
	w.Proxy = silent(t)
	check(t, w.Options).only(Fault, "proxy", "options", w.Proxy, "drop OPTIONS")
	w.Proxy = nothing(t) + ";transport=tcp"
	check(t, w.Options).only(Fault, "proxy", "options", "connection refused", "sip.proxy")
	w.SIP.DNS = nothing(t)
	w.Proxy = "proxy.invalid" // of which this machine's hosts file knows nothing
	check(t, w.Options).only(Fault, "proxy", "options", "proxy.invalid", "DNS")
	w.Proxy = "what is this"
	check(t, w.Options).only(Fault, "proxy", "address", "host[:port]")
}

// Whether the proxy relays NOTIFYs it is asked with one to ourselves.
func TestProxyRelays(t *testing.T) {
	w := newWell(t, sim.AsteriskConfig{})
	check(t, w.Options).want(OK, "proxy", "notify", "has come back")
	for status, want := range map[string]struct {
		level Level
		text  string
	}{
		"403 Forbidden":                     {Fault, "sip.bindip"},
		"407 Proxy Authentication Required": {Fault, "set sip.username and sip.password"},
		"404 Not here":                      {Warning, "deploy/kamailio/zonkeymwi.cfg"},
		"481 Dialog Does Not Exist":         {Warning, "did not relay it"},
		"408 Request Timeout":               {Warning, "cannot reach 127.0.0.1:"},
		"477 Send failed":                   {Warning, "look at its log"},
		"503 Service Unavailable":           {Warning, "look at its log"},
		"200 OK":                            {Warning, "did not relay it"},
		"603 Decline":                       {Warning, "did not relay it"},
	} {
		w.Proxy = answering(t, status)
		check(t, w.Options).want(want.level, "proxy", "notify", want.text)
	}
	w.Proxy = answering(t, "403 Forbidden")
	elsewhere := w.Options
	elsewhere.NoRelay = true
	if fs := check(t, elsewhere); strings.Contains(fs.String(), "NOTIFY") {
		t.Errorf("asked although it goes another way: %s", fs)
	}
	w.Publish = true
	if fs := check(t, w.Options); strings.Contains(fs.String(), "NOTIFY") {
		t.Errorf("asked although not wanted: %s", fs)
	}
}

// No socket is opened for what an IPv6 proxy's Request-URI looks like.
func TestOptions(t *testing.T) {
	for proxy, want := range map[string]string{"[::1]": "sip:[::1]", "[::1]:5062": "sip:[::1]:5062", "proxy.example.com": "sip:proxy.example.com"} {
		p := start(t, func() (sipua.Proxy, error) { return sipua.ParseProxy(proxy) })
		r := request(optionsText, serverURI(p))
		text := start(t, func() ([]byte, error) {
			return r.Render(nil, sipua.Attempt{Transport: "UDP", SentBy: "h:1", Branch: "z9hG4bK1", CSeq: 2, Authorization: "Authorization: Digest x"})
		})
		if r.URI != want || !strings.HasPrefix(string(text), "OPTIONS "+want+" SIP/2.0\r\n") || !strings.Contains(string(text), "\r\nAuthorization: Digest x\r\n") {
			t.Errorf("%s: %s\n%s", proxy, r.URI, text)
		}
	}
}

// The bridge that runs has the port; the doctor asks from another.
func TestProxySocket(t *testing.T) {
	w := newWell(t, sim.AsteriskConfig{})
	bridge := start(t, func() (net.PacketConn, error) { return net.ListenPacket("udp", "127.0.0.1:0") })
	defer bridge.Close()
	w.SIP.BindIP, w.SIP.BindPort = "127.0.0.1", bridge.LocalAddr().(*net.UDPAddr).Port
	fs := check(t, w.Options)
	fs.only(Warning, "proxy", "socket", fmt.Sprint(w.SIP.BindPort), "bridge is running")
	fs.want(OK, "proxy", "options")
	w.Running = true
	check(t, w.Options).allOK()
	w.SIP.BindIP, w.SIP.BindPort = "127.0.0.300", 0
	check(t, w.Options).only(Fault, "proxy", "socket", "127.0.0.300", "sip.bindip")
}
