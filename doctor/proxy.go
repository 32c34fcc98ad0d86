package doctor

import (
	"cmp"
	"context"
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
	o, answer := c.ask(ctx, ua, request(optionsText, serverURI(cfg.Proxy)))
	switch {
	case o.Status == 0:
		a.fault("options", unanswered(o.Err, "OPTIONS"), "%s", answer)
	case (o.Status == 401 || o.Status == 407) && cfg.Username != "":
		a.warn("options", correctPassword, "%s: it did not take the password of %q", answer, cfg.Username)
	case o.Status == 503:
		a.warn("options", unable, "%s", answer)
	default:
		a.ok("options", "%s", answer)
	}
	switch {
	case ctx.Err() != nil:
	case c.Publish:
		c.publish(ctx, a, ua, cfg.Proxy)
	case o.Status != 0:
		c.notify(ctx, a, ua, o.Target)
	}
}

const (
	correctPassword = "correct sip.username and sip.password"
	unable          = "look at the proxy: it says that it cannot serve at the moment"
)

// ask sends a request, and puts what came of it in words.
func (c *checkup) ask(ctx context.Context, ua *sipua.UA, r sipua.Request) (o sipua.Outcome, answer string) {
	ctx, cancel := c.step(ctx)
	defer cancel()
	start := time.Now()
	o = ua.Do(ctx, r)
	took := time.Since(start).Round(100 * time.Microsecond)
	if o.Status == 0 && (o.Err == nil || errors.Is(o.Err, sipua.ErrTimeout)) {
		return o, fmt.Sprintf("%s: no answer to %s in %v", c.Proxy, r.Method, took.Round(100*time.Millisecond))
	} else if o.Status == 0 {
		return o, fmt.Sprintf("%s: %v", c.Proxy, o.Err)
	}
	return o, fmt.Sprintf("%s answered %s with %d %s in %v", o.Target, r.Method, o.Status, o.Reason, took)
}

// unanswered says what to do where there was no answer to a method.
func unanswered(err error, method string) string {
	return cmp.Or(untrusted(err, "sip.tls_ca_file"), unreached(err, "sip.proxy"),
		"is it running, does it listen there, does a firewall keep this machine's SIP from it, or does it drop "+method+" on purpose?")
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

// serverURI is the proxy's own.
func serverURI(p sipua.Proxy) string {
	if p.Port != 0 {
		return "sip:" + net.JoinHostPort(p.Host, strconv.Itoa(p.Port))
	}
	return "sip:" + uriHost(p.Host)
}

// uriHost is a host as a URI has it.
func uriHost(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}
