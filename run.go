package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"go.uber.org/zap"

	"zonkeymwi/bridge"
	"zonkeymwi/config"
)

// runCommand is the bridge itself. A signal ends it: it finishes what is under
// way, for at most bridge.Options.Drain, and exits 0.
func runCommand(ctx context.Context, args []string, out, errs io.Writer) int {
	c, code := load("run", args, errs)
	if c == nil {
		return code
	}
	log, flush, err := newLog(c.Log, os.Stderr)
	if err != nil {
		fmt.Fprintln(errs, "zonkeymwi:", err)
		return exitFailed
	}
	defer flush()
	settings, err := settingsOf(c, log)
	if err == nil {
		err = runBridge(ctx, settings, log)
	}
	if err != nil {
		fmt.Fprintln(errs, "zonkeymwi:", err)
		return exitFailed
	}
	return exitDone
}

func runBridge(ctx context.Context, s bridge.Settings, log *zap.Logger) error {
	b, closeAll, err := bridge.Open(s)
	if err != nil {
		return err
	}
	defer closeAll()
	log.Info("started", zap.String("event", "started"), zap.String("version", version),
		zap.String("asterisk", s.AMI.Address), zap.String("proxy", s.Proxy))
	b.Run(ctx)
	log.Info("stopped", zap.String("event", "stopped"))
	return nil
}

// load parses a command's flags, which here are only --config, and reads the
// configuration. It returns nil and the exit code where that fails.
func load(name string, args []string, errs io.Writer) (*config.Config, int) {
	flags := flag.NewFlagSet("zonkeymwi "+name, flag.ContinueOnError)
	flags.SetOutput(errs)
	path := flags.String("config", "", "the configuration `file`; otherwise zonkeymwi.toml or /etc/zonkeymwi/zonkeymwi.toml")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, exitDone
		}
		return nil, exitUsage
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(errs, "zonkeymwi %s: what is %q?\n", name, flags.Arg(0))
		return nil, exitUsage
	}
	c, err := config.Load(*path, os.Environ())
	if err != nil {
		fmt.Fprintln(errs, err)
		return nil, exitFailed
	}
	return c, exitDone
}

// settingsOf turns the configuration into what the bridge opens.
func settingsOf(c *config.Config, log *zap.Logger) (s bridge.Settings, err error) {
	s.Log = log
	s.AMI.Address, s.AMI.Username, s.AMI.Secret = c.Ami.Address, c.Ami.Username, c.Ami.Secret.Reveal()
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
	s.Template = c.Sip.Template
	s.Domain = c.Mailbox.Domain
	s.CSeq = bridge.CSeqMode(c.Sip.CSeq)
	s.AoR = c.Sip.RequestURI == config.RequestURIAoR
	s.SocketInfo = c.Sip.Route == config.RouteSocketInfo
	s.UserAgent, s.ContactUser, s.VMExten = c.Sip.UserAgent, c.Sip.ContactUser, c.Sip.VMExten
	s.Rate = c.Sip.Rate
	if c.Sip.Method != config.MethodNotify {
		return s, fmt.Errorf(`%s: sip.method = "publish" is not built yet; use "notify"`, c.Path)
	}
	return s, nil
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
