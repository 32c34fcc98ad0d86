package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"os"

	"go.uber.org/zap"

	"zonkeymwi/admin"
	"zonkeymwi/bridge"
	"zonkeymwi/config"
)

// runCommand is the bridge itself. A signal ends it: it finishes what is under
// way, for at most bridge.Options.Drain, and exits 0.
func runCommand(ctx context.Context, args []string, out, errs io.Writer) int {
	a := newArguments("run", out, errs)
	pprof := a.Bool("pprof", false, "serve /debug/pprof/ at admin.listen")
	if code, ok := a.parse(args); !ok {
		return code
	}
	c, ok := a.config()
	if !ok {
		return exitFailed
	}
	log, level, flush, err := newLog(c.Log, os.Stderr)
	if err == nil {
		err = runBridge(ctx, c, log, level, *pprof)
		flush()
	}
	if err != nil {
		return a.fail(err)
	}
	return exitDone
}

func runBridge(ctx context.Context, c *config.Config, log *zap.Logger, level zap.AtomicLevel, pprof bool) error {
	s, err := settingsOf(c)
	if err != nil {
		return err
	}
	meter := admin.NewMeter(versionText())
	s.Log, s.Meter = log, meter
	b, closeAll, err := bridge.Open(s)
	if err != nil {
		return err
	}
	defer closeAll()
	control := &control{Bridge: b, config: c, start: c, level: level, log: log}
	server, err := admin.Start(admin.Options{Listen: c.Admin.Listen, Token: c.Admin.Token.Reveal(), Control: control,
		Level: level, Meter: meter, Version: versionText(), Pprof: pprof, Log: log})
	if err != nil {
		return err
	}
	defer server.Close() // its error: a request was cut short by the stop
	defer control.reloadOnHangup()()
	log.Info("started", zap.String("event", "started"), zap.String("version", versionText()),
		zap.String("asterisk", s.AMI.Address), zap.String("proxy", s.Proxy), zap.String("database", c.Database.Redacted()))
	b.Run(ctx)
	log.Info("stopped", zap.String("event", "stopped"))
	return nil
}

// settingsOf turns the configuration into what the bridge opens.
func settingsOf(c *config.Config) (s bridge.Settings, err error) {
	if s.Live, err = liveOf(c); err != nil {
		return s, err
	}
	s.AMI.Address, s.AMI.Username, s.AMI.Secret = c.Ami.Address, c.Ami.Username, c.Ami.Secret.Reveal()
	s.AMI.PingInterval = c.Ami.PingInterval
	s.AMI.Plain = c.Ami.Auth == config.AuthPlain
	if c.Ami.TLS {
		if s.AMI.TLS, err = tlsConfig("ami.tls_ca_file", c.Ami.TLSCAFile); err != nil {
			return s, err
		}
		s.AMI.TLS.ServerName = c.Ami.TLSServerName
	}
	s.Database.URL, s.Database.Table = c.Database.URL.Reveal(), c.Database.Table
	s.Database.ByWatcher = c.Database.Lookup == config.LookupWatcher
	s.Proxy = c.Sip.Proxy
	s.SIP.BindIP, s.SIP.BindPort = c.Sip.BindIP, c.Sip.BindPort
	s.SIP.Username, s.SIP.Password = c.Sip.Username, c.Sip.Password.Reveal()
	if s.SIP.TLS, err = tlsConfig("sip.tls_ca_file", c.Sip.TLSCAFile); err != nil {
		return s, err
	}
	s.CSeq = bridge.CSeqMode(c.Sip.CSeq)
	s.Database.Ledger = c.Database.Ledger
	s.Listen = c.Database.Listen
	s.Publish = c.Sip.Method == config.MethodPublish
	s.Database.NoTable = s.Publish
	return s, nil
}

// liveOf is what a reload may change.
func liveOf(c *config.Config) (l bridge.Live, err error) {
	l.Domain = c.Mailbox.Domain
	l.AoR = c.Sip.RequestURI == config.RequestURIAoR
	l.SocketInfo = c.Sip.Route == config.RouteSocketInfo
	l.UserAgent, l.ContactUser, l.VMExten = c.Sip.UserAgent, c.Sip.ContactUser, c.Sip.VMExten
	l.Rate, l.UserEvent, l.PollInterval = c.Sip.Rate, c.Ami.UserEvent, c.Database.PollInterval
	l.Expires = c.Sip.Expires
	for _, share := range c.Mailbox.Shares {
		for _, mailbox := range share.Mailboxes {
			for _, user := range share.Users {
				l.Shares.Add(mailbox, user.User, user.Domain)
			}
		}
	}
	return l, l.SetTemplates(c.Sip.Template, c.Sip.Method == config.MethodPublish, c.Sip.Unsolicited)
}

// tlsConfig trusts the authorities in a file, or the system's where none is
// given.
func tlsConfig(key, caFile string) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	t.RootCAs = x509.NewCertPool()
	if !t.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: %s holds no certificate in PEM form", key, caFile)
	}
	return t, nil
}
