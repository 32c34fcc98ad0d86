package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"zonkeymwi/ami"
)

// patient is an Asterisk that let us in.
type patient struct {
	c *checkup
	a area
	s *ami.Session
	w *witness
}

// soon is how long what comes at once may take on a busy Asterisk.
const soon = time.Second

// Sessions keep the rights that they logged in with, hence the restart.
const apply = `, then: asterisk -rx "manager reload", and restart the bridge`

// grant is the mend for a missing right.
func (p *patient) grant(text string) string {
	return fmt.Sprintf("in [%s] of manager.conf: %s%s", p.c.AMI.Username, text, apply)
}

const (
	readLine  = "read = call,user,system"
	writeLine = "write = reporting,user"
)

// booted looks for FullyBooted, which comes right after a login when Asterisk
// is up, past every eventfilter. Without it the bridge never reads mailboxes.
func (p *patient) booted(ctx context.Context) {
	soonCtx, cancel := context.WithTimeout(ctx, min(soon, p.c.Patience))
	defer cancel()
	err := p.s.Booted(soonCtx)
	if err == nil {
		p.a.ok("read=system", "FullyBooted came")
		return
	}
	if p.s.Err() != nil {
		return
	}
	classes, known := p.readClasses(ctx)
	switch {
	case known && !grants(classes, "system"):
		p.a.fault("read=system", p.grant(readLine), "no FullyBooted: manager.conf has only read = %s", classes)
	case known:
		p.a.fault("read=system", "wait for asterisk -rx \"core waitfullybooted\"; if it has booted, apply manager.conf"+apply,
			"no FullyBooted although manager.conf has read = %s: Asterisk is still starting, or has not read that line yet", classes)
	default:
		p.a.fault("read=system", "if asterisk -rx \"core waitfullybooted\" says that it has, "+p.grant(readLine),
			"no FullyBooted: Asterisk is still starting, or the user lacks read=system")
	}
}

// list reads the mailboxes, which needs write=reporting (or call).
func (p *patient) list(ctx context.Context) {
	stepCtx, cancel := p.c.step(ctx)
	defer cancel()
	n, err := p.s.Mailboxes(stepCtx)
	var refused *ami.ActionError
	switch {
	case errors.Is(err, ami.ErrPermission):
		p.a.fault("write=reporting", p.grant(writeLine), "the user may not list mailboxes (VoicemailUsersList)")
	case errors.Is(err, ami.ErrIncomplete):
		p.a.ok("write=reporting", "mailboxes may be listed")
		p.a.warn("mailboxes", "check again; if it stays so, look at the load of this machine and of Asterisk's", "%v", err)
	case errors.As(err, &refused) && strings.Contains(refused.Message, "unknown command"):
		p.a.fault("mailboxes", `where asterisk -rx "module show like voicemail" lists app_voicemail_odbc or app_voicemail_imap too, as in Debian's Asterisk: noload = both in modules.conf, and restart Asterisk; where it lists none: asterisk -rx "module load app_voicemail.so"; if Asterisk is starting, wait`, "Asterisk has no voicemail (app_voicemail is not loaded, or another voicemail module has replaced it)")
	case err != nil:
		p.a.fault("mailboxes", "look at Asterisk's log", "%v", err)
	case n == 0:
		p.a.ok("write=reporting", "mailboxes may be listed")
		p.a.warn("mailboxes", "define them in voicemail.conf, then: asterisk -rx \"voicemail reload\"",
			"none is listed; those of a realtime database never are, so their lamps follow events alone")
	default:
		p.a.ok("write=reporting", "mailboxes may be listed")
		p.a.ok("mailboxes", "%d, the whole list", n)
		p.c.shares(p.w.missed())
	}
}

// userEvent sends one and waits for it to come back. No bridge obeys it.
func (p *patient) userEvent(ctx context.Context) {
	stepCtx, cancel := p.c.step(ctx)
	defer cancel()
	err := p.s.SendUserEvent(stepCtx, p.c.UserEvent+"Check", ami.Header{Name: "Id", Value: p.w.id})
	switch {
	case errors.Is(err, ami.ErrPermission):
		p.a.warn("write=user", p.grant(writeLine), "the user may not send UserEvents, so a %s is not answered", p.c.UserEvent)
		p.userClass(ctx)
		return
	case err != nil:
		p.a.warn("write=user", "look at Asterisk's log", "%v", err)
		return
	}
	p.a.ok("write=user", "a UserEvent was sent")
	select {
	case <-p.w.echoed:
		p.a.ok("read=user", "it came back")
	case <-time.After(min(soon, p.c.Patience)):
		p.a.warn("read=user", p.grant(readLine+"; and let its eventfilter lines, if any, pass UserEvent"),
			"it did not come back: a %s that operators send is not heard", p.c.UserEvent)
	case <-ctx.Done():
	}
}

// userClass is for a user that can send none.
func (p *patient) userClass(ctx context.Context) {
	switch classes, known := p.readClasses(ctx); {
	case !known:
		p.a.warn("read=user", p.grant(readLine), "unknown: without write=user it cannot be tried")
	case grants(classes, "user"):
		p.a.ok("read=user", "manager.conf has read = %s", classes)
	default:
		p.a.warn("read=user", p.grant(readLine), "manager.conf has only read = %s: a %s that operators send is not heard", classes, p.c.UserEvent)
	}
}

// calls looks for read=call, without which no lamp ever changes. No answer of
// AMI depends on it, and what makes a MessageWaiting changes a mailbox or
// repeats those of all. So either an event happens to come, or Asterisk is
// asked for the line in its manager.conf.
func (p *patient) calls(ctx context.Context) {
	classes, known := p.readClasses(ctx)
	wait := soon
	if known {
		wait = 0
	}
	select {
	case <-p.w.called:
		p.a.ok("read=call", "an event of a call or mailbox came")
		return
	case <-time.After(min(wait, p.c.Patience)):
	case <-ctx.Done():
	}
	switch {
	case known && grants(classes, "call"):
		p.a.ok("read=call", "manager.conf has read = %s (its eventfilter lines, if any, must pass MessageWaiting)", classes)
	case known:
		p.a.fault("read=call", p.grant(readLine), "manager.conf has only read = %s: no change of a mailbox is heard", classes)
	default:
		p.a.warn("read=call", fmt.Sprintf(`see whether asterisk -rx "manager show user %s" has call in its read perm; if not, %s. To have it checked, load func_config.so (with write=reporting)`,
			p.c.AMI.Username, p.grant(readLine)), "unknown: AMI does not tell, and no event of a call or mailbox came meanwhile")
	}
}

// readClasses is the user's read line in manager.conf. Getvar gives the value
// of dialplan functions too, and needs write=reporting, as the list does; the
// function is in func_config.so, which most have (without it, Asterisk logs an
// error). Of several lines the last one counts.
func (p *patient) readClasses(ctx context.Context) (classes string, known bool) {
	const most = 8 // lines; a template's come first
	if strings.ContainsAny(p.c.AMI.Username, `,()"\$[]{}`) {
		return "", false // would be read as something else
	}
	for i := range most {
		m, err := p.s.Do(ctx, "Getvar", ami.Header{Name: "Variable", Value: fmt.Sprintf("AST_CONFIG(manager.conf,%s,read,%d)", p.c.AMI.Username, i)})
		if err != nil || m.Get("Value") == "" {
			break
		}
		classes, known = m.Get("Value"), true
	}
	return classes, known
}

// grants says whether a line of classes has one.
func grants(classes, class string) bool {
	list := strings.Split(strings.ReplaceAll(strings.ToLower(classes), " ", ""), ",")
	return slices.Contains(list, class) || slices.Contains(list, "all")
}
