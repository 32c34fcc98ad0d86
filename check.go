package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"zonkeymwi/admin"
	"zonkeymwi/bridge"
	"zonkeymwi/config"
	"zonkeymwi/doctor"
)

// checkCommand is the doctor. It uses the configuration as the bridge would.
func checkCommand(ctx context.Context, args []string, out, errs io.Writer) int {
	a := newArguments("check", out, errs)
	asJSON := a.Bool("json", false, "print the findings as JSON")
	if code, ok := a.parse(args); !ok {
		return code
	}
	c, ok := a.config()
	if !ok {
		return exitFailed
	}
	o, err := checkupOf(ctx, c)
	if err != nil {
		return a.fail(err)
	}
	colour := isTerminal(out)
	findings := []doctor.Finding{}
	worst := doctor.Run(ctx, o, func(f doctor.Finding) {
		findings = append(findings, f)
		if !*asJSON {
			doctor.Print(out, f, colour)
		}
	})
	if f, ok := conflicts(ctx, c); ok {
		worst = max(worst, f.Level)
		findings = append(findings, f)
		if !*asJSON {
			doctor.Print(out, f, colour)
		}
	}
	if *asJSON {
		printJSON(out, findings)
	}
	if ctx.Err() != nil {
		return a.fail(context.Cause(ctx))
	}
	return worst.ExitCode()
}

// conflicts asks a running bridge how often phones refused its CSeq; a few are
// chance, as two NOTIFYs may fall into one second.
func conflicts(ctx context.Context, c *config.Config) (f doctor.Finding, ok bool) {
	s, err := running(ctx, c)
	if err != nil {
		return f, false
	}
	low, all := s.Outcomes[bridge.OutcomeCSeqTooLow], uint64(0)
	for _, n := range s.Outcomes {
		all += n
	}
	f = doctor.Finding{Area: "proxy", Check: "cseq", Detail: fmt.Sprintf("phones refused the CSeq of %d of %d NOTIFYs since the bridge started", low, all)}
	if low >= 10 && low*20 > all {
		f.Level, f.Mend = doctor.Warning, bridge.CSeqMode(c.Sip.CSeq).ConflictMend()
	}
	return f, true
}

// running asks whether a bridge with this configuration runs.
func running(ctx context.Context, c *config.Config) (admin.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return admin.NewClient(c.Admin.Listen, c.Admin.Token.Reveal()).Status(ctx)
}

// checkupOf turns the configuration into what the doctor tries.
func checkupOf(ctx context.Context, c *config.Config) (o doctor.Options, err error) {
	s, err := settingsOf(c)
	if err != nil {
		return o, err
	}
	o = doctor.Options{AMI: s.AMI, UserEvent: s.UserEvent, Database: s.Database, CSeq: string(s.CSeq), SIP: s.SIP, Proxy: s.Proxy, Domain: s.Domain,
		Listen: s.Listen, Publish: s.Publish, NoRelay: s.AoR || s.SocketInfo}
	for _, share := range c.Mailbox.Shares {
		o.Shares = append(o.Shares, share.Mailboxes...)
	}
	_, err = running(ctx, c)
	o.Running = err == nil
	return o, nil
}
