package doctor

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"

	"zonkeymwi/sipua"
)

// proxy asks the proxy for its OPTIONS. Whatever it answers, it is there.
func (c *checkup) proxy(ctx context.Context) {
	a := c.in("proxy")
	cfg, err := c.SIP, error(nil)
	if cfg.Proxy, err = sipua.ParseProxy(c.Proxy); err != nil {
		a.fault("address", "set sip.proxy to host[:port][;transport=udp|tcp|tls]", "%v", err)
		return
	}
	// Two targets that say nothing (64*T1 each) fit into one step.
	cfg.Timers = sipua.Timers{T1: c.Patience / 128}
	ua := c.socket(a, cfg)
	if ua == nil {
		return
	}
	defer ua.Close()
	ctx, cancel := c.step(ctx)
	defer cancel()
	start := time.Now()
	o := ua.Do(ctx, options(cfg.Proxy))
	took := time.Since(start).Round(100 * time.Microsecond)
	answer := fmt.Sprintf("%s answered OPTIONS with %d %s in %v", o.Target, o.Status, o.Reason, took)
	switch {
	case o.Status == 0:
		mend := cmp.Or(untrusted(o.Err, "sip.tls_ca_file"), unreached(o.Err, "sip.proxy"),
			"is it running, does it listen there, does a firewall keep this machine's SIP from it, or does it drop OPTIONS on purpose?")
		a.fault("options", mend, "%s: %v", c.Proxy, cmp.Or(o.Err, errors.New("no answer")))
	case (o.Status == 401 || o.Status == 407) && cfg.Username != "":
		a.warn("options", "correct sip.username and sip.password", "%s: it did not take the password of %q", answer, cfg.Username)
	case o.Status == 503:
		a.warn("options", "look at the proxy: it says that it cannot serve at the moment", "%s", answer)
	default:
		a.ok("options", "%s", answer)
	}
}

// socket opens the SIP socket as the bridge would, or reports why not and
// returns nil. A port in use does not keep the doctor from asking.
func (c *checkup) socket(a area, cfg sipua.Config) *sipua.UA {
	ua, err := sipua.New(cfg)
	if err != nil && errors.Is(err, syscall.EADDRINUSE) && cfg.BindPort != 0 {
		if !c.Running {
			a.warn("socket", fmt.Sprintf("nothing, if the bridge is running; else end what has the port (ss -ulpn sport = :%d), or set sip.bindport", cfg.BindPort), "%v", err)
		}
		cfg.BindPort = 0
		ua, err = sipua.New(cfg)
	}
	if err != nil {
		a.fault("socket", "set sip.bindip to an address of this machine (ip -brief address), or take it out", "%v", err)
		return nil
	}
	return ua
}

func options(p sipua.Proxy) sipua.Request {
	uri := "sip:" + p.Host
	switch {
	case p.Port != 0:
		uri = "sip:" + net.JoinHostPort(p.Host, strconv.Itoa(p.Port))
	case strings.Contains(p.Host, ":"):
		uri = "sip:[" + p.Host + "]"
	}
	callID, tag := rand.Text(), rand.Text()[:8]
	return sipua.Request{Method: "OPTIONS", URI: uri, CSeq: 1, Render: func(dst []byte, a sipua.Attempt) ([]byte, error) {
		if a.Authorization != "" {
			a.Authorization += "\r\n"
		}
		return fmt.Appendf(dst, "OPTIONS %s SIP/2.0\r\nVia: SIP/2.0/%s %s;rport;branch=%s\r\nMax-Forwards: 70\r\n"+
			"From: <sip:zonkeymwi@%[3]s>;tag=%[5]s\r\nTo: <%[1]s>\r\nCall-ID: %[6]s\r\nCSeq: %[7]d OPTIONS\r\n"+
			"Contact: <sip:zonkeymwi@%[3]s>\r\nUser-Agent: zonkeymwi\r\n%[8]sContent-Length: 0\r\n\r\n",
			uri, a.Transport, a.SentBy, a.Branch, tag, callID, a.CSeq, a.Authorization), nil
	}}
}
