package main

import (
	"context"
	"io"
	"time"

	"zonkeymwi/admin"
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
	if *asJSON {
		printJSON(out, findings)
	}
	if ctx.Err() != nil {
		return a.fail(context.Cause(ctx))
	}
	return worst.ExitCode()
}

// checkupOf turns the configuration into what the doctor tries.
func checkupOf(ctx context.Context, c *config.Config) (o doctor.Options, err error) {
	s, err := settingsOf(c)
	if err != nil {
		return o, err
	}
	o = doctor.Options{AMI: s.AMI, UserEvent: s.UserEvent, Database: s.Database, CSeq: string(s.CSeq), SIP: s.SIP, Proxy: s.Proxy, Domain: s.Domain}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err = admin.NewClient(c.Admin.Listen, c.Admin.Token.Reveal()).Status(ctx)
	o.Running = err == nil
	return o, nil
}
