package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"zonkeymwi/ami"
)

// asterisk logs in as the bridge does, and tries each right that it needs.
func (c *checkup) asterisk(ctx context.Context) {
	a, w := c.in("asterisk"), newWitness(c.Shares)
	cfg := c.AMI
	cfg.DialTimeout, cfg.ActionTimeout = c.Patience, c.Patience
	start := time.Now()
	s, err := ami.Dial(ctx, cfg, w.handler())
	if err != nil {
		c.loginFailed(a, err)
		return
	}
	defer s.Close()
	a.ok("connect", "%s answered and let us in after %v", cfg.Address, time.Since(start).Round(100*time.Microsecond))
	p := &patient{c, a, s, w}
	a.ok("login", "as %q%s", cfg.Username, p.version(ctx))
	for _, try := range []func(context.Context){p.booted, p.list, p.userEvent, p.calls} {
		if s.Err() == nil {
			try(ctx)
		}
	}
	if err := s.Err(); err != nil {
		a.fault("session", "look at Asterisk, then check again", "%v", err)
	}
	c.contexts, c.numbers = w.listed()
}

func (c *checkup) loginFailed(a area, err error) {
	var dial *net.OpError
	tlsMend := untrusted(err, "ami.tls_ca_file")
	switch {
	case errors.Is(err, ami.ErrAuth):
		a.fault("login", fmt.Sprintf("compare secret, deny and permit in [%s] of manager.conf with ami.secret and this machine's address; "+
			"after a change: asterisk -rx \"manager reload\"; which of them it was, Asterisk's own log says", c.AMI.Username),
			"Asterisk refused %q: the secret is wrong, there is no such user, or its deny and permit lines keep us out (AMI does not tell which)", c.AMI.Username)
	case errors.Is(err, ami.ErrShuttingDown):
		a.fault("login", "wait until it has stopped or restarted, or: asterisk -rx \"core abort shutdown\"",
			"Asterisk is shutting down, waits for calls to end, and refuses everything until then")
	case tlsMend != "":
		a.fault("tls", tlsMend, "%v", err)
	case errors.As(err, &dial) && dial.Op == "dial":
		a.fault("connect", cmp.Or(unreached(err, "ami.address"), "set ami.address"), "%v", err)
	case strings.Contains(err.Error(), "no greeting"):
		a.fault("connect", fmt.Sprintf("is this the right one of Asterisk's ports? ami.tls is %t; "+
			"set it as that port wants it (manager.conf: port, tlsbindaddr); if it is right, Asterisk hangs", c.AMI.TLS != nil), "%v", err)
	case strings.Contains(err.Error(), "not an Asterisk Manager"):
		a.fault("connect", "set ami.address to port and bindaddr of manager.conf", "%v", err)
	default:
		a.fault("login", cmp.Or(unreached(err, "ami.address"), "look at Asterisk's log"), "%v", err)
	}
}

// version is Asterisk's, as far as it tells.
func (p *patient) version(ctx context.Context) string {
	m, err := p.s.Do(ctx, "CoreSettings")
	if v := m.Get("AsteriskVersion"); err == nil && v != "" {
		return " at Asterisk " + v
	}
	return ""
}
