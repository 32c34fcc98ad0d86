package doctor

import (
	"context"
	"crypto/tls"
	"net"
	"testing"
	"time"

	"zonkeymwi/sim"
)

func quiet(string, []string) {}

// Each right that is missing is found out, and no other is blamed for it.
func TestRights(t *testing.T) {
	for name, c := range map[string]struct {
		asterisk sim.AsteriskConfig
		level    Level
		check    string
		texts    []string
	}{
		"read=system":     {sim.AsteriskConfig{Read: "call,user"}, Fault, "read=system", []string{"[zonkeymwi]", "read = call,user,system"}},
		"read=user":       {sim.AsteriskConfig{Read: "call,system"}, Warning, "read=user", []string{"read = call,user,system", "ZonkeyMWI"}},
		"read=call":       {sim.AsteriskConfig{Read: "user,system"}, Warning, "read=call", []string{"unknown", "manager show user zonkeymwi"}},
		"quiet":           {sim.AsteriskConfig{OnUserEvent: quiet}, Warning, "read=call", []string{"unknown", "func_config"}},
		"write=reporting": {sim.AsteriskConfig{Write: "user"}, Fault, "write=reporting", []string{"write = reporting,user", "manager reload"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most wait a second for what does not come
			fs := check(t, newWell(t, c.asterisk).Options)
			fs.only(c.level, "asterisk", c.check, c.texts...)
		})
	}
	t.Run("write=call will do", func(t *testing.T) {
		check(t, newWell(t, sim.AsteriskConfig{Write: "call,user"}).Options).allOK()
	})
	t.Run("write=user", func(t *testing.T) {
		fs := check(t, newWell(t, sim.AsteriskConfig{Write: "reporting"}).Options)
		fs.want(Warning, "asterisk", "write=user", "write = reporting,user")
		fs.want(Warning, "asterisk", "read=user", "cannot be tried")
	})
}

func TestLogin(t *testing.T) {
	w := newWell(t, sim.AsteriskConfig{})
	o := w.Options
	o.AMI.Secret += "x"
	fs := check(t, o)
	fs.only(Fault, "asterisk", "login", "zonkeymwi", "permit", "ami.secret")
	fs.want(OK, "database", "rows")
	fs.want(OK, "proxy", "options")

	w.asterisk.ShuttingDown(true)
	check(t, w.Options).only(Fault, "asterisk", "login", "shutting down", "core abort shutdown")
}

func TestStarting(t *testing.T) {
	w := newWell(t, sim.AsteriskConfig{})
	w.asterisk.Stop(true)
	fs := check(t, w.Options)
	fs.want(Fault, "asterisk", "read=system", "still starting", "waitfullybooted")
	fs.want(Fault, "asterisk", "mailboxes", "app_voicemail")
}

func TestList(t *testing.T) {
	w := newWell(t, sim.AsteriskConfig{})
	w.asterisk.ShortList(1)
	check(t, w.Options).only(Warning, "asterisk", "mailboxes", "1 entries came", "2")
	w.asterisk.Remove("202@" + domain)
	w.asterisk.Remove("203@" + domain)
	check(t, w.Options).want(Warning, "asterisk", "mailboxes", "voicemail.conf")
}

// Asterisk goes away in the middle.
func TestSessionLost(t *testing.T) {
	w := newWell(t, sim.AsteriskConfig{OnUserEvent: quiet})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var lost []Finding
	worst := Run(ctx, w.Options, func(f Finding) {
		if f.Check == "mailboxes" {
			w.asterisk.Down()
		}
		if f.Level == Fault {
			lost = append(lost, f)
		}
	})
	if worst != Fault || len(lost) != 1 || lost[0].Check != "session" {
		t.Errorf("%v: %+v", worst, lost)
	}
}

func TestConnect(t *testing.T) {
	w := newWell(t, sim.AsteriskConfig{})
	w.Patience = 200 * time.Millisecond
	address := w.AMI.Address
	w.AMI.Address = nothing(t)
	check(t, w.Options).only(Fault, "asterisk", "connect", "connection refused", "ami.address")
	w.AMI.Address = "no-such-host.invalid:5038"
	check(t, w.Options).only(Fault, "asterisk", "connect", "no-such-host.invalid", "ami.address")
	w.AMI.Address = silent(t)
	check(t, w.Options).only(Fault, "asterisk", "connect", "no greeting", "ami.tls is false")
	w.AMI.Address = speaker(t, "SSH-2.0-OpenSSH_9.2\r\n")
	check(t, w.Options).only(Fault, "asterisk", "connect", "SSH", "ami.address")

	w.AMI.TLS = &tls.Config{}
	w.AMI.Address = address
	check(t, w.Options).only(Fault, "asterisk", "tls", "speaks no TLS")
}

// speaker says one thing to each who connects, and stays.
func speaker(t *testing.T, text string) string {
	t.Helper()
	l := start(t, func() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") })
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte(text))
			defer conn.Close()
		}
	}()
	return l.Addr().String()
}

// A frozen Asterisk costs one step.
func TestFrozen(t *testing.T) {
	w := newWell(t, sim.AsteriskConfig{})
	w.Patience = 200 * time.Millisecond
	w.asterisk.Freeze()
	defer w.asterisk.Thaw()
	check(t, w.Options).only(Fault, "asterisk", "connect", "no greeting", "hangs")
}

// TestDoctor in package e2e reads them from a real manager.conf.
func TestGrants(t *testing.T) {
	for line, want := range map[string]bool{"call": true, "system, Call ,user": true, "all": true, "user,system": false, "": false, "callx": false} {
		if grants(line, "call") != want {
			t.Errorf("%q: want %v", line, want)
		}
	}
}
