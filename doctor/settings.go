package doctor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

func (c *checkup) template(context.Context) {
	if c.Template == nil {
		return
	}
	a := c.in("settings")
	if err := c.Template(); err != nil {
		a.fault("template", "correct the file, or take sip.template out for the built-in one", "%v", err)
		return
	}
	a.ok("template", "the NOTIFY's template can be used")
}

// clock looks whether ours can be right. CSeq and the subscriptions' expires
// are Unix seconds, and CSeq ends at 2^31 (RFC 3261 8.1.1.5), which is in 2038.
func (c *checkup) clock(context.Context) {
	now, a := c.Now().UTC(), c.in("clock")
	text := now.Format(time.RFC3339)
	if now.Year() < 2025 || now.Unix() >= 1<<31 {
		a.fault("time", "set this machine's clock, and keep it set: timedatectl set-ntp true", "it is %s here, which cannot be", text)
		return
	}
	a.ok("time", "%s", text)
}

// mostContexts is how many contexts, or mailboxes, are worth a warning each.
const mostContexts = 10

// domains looks whether the listed mailboxes' phones can be found. It needs
// what both Asterisk and the database said.
func (c *checkup) domains(context.Context) {
	a, warned := c.in("settings"), 0
	for _, name := range slices.Sorted(maps.Keys(c.contexts)) {
		warn, mend := c.lost(name)
		if warn == "" {
			continue
		}
		if warned++; warned > mostContexts {
			a.warn("mailbox.domains", "see those above", "and more contexts like these")
			return
		}
		a.warn("mailbox.domains", mend, "%s", warn)
	}
	if warned == 0 && len(c.contexts) > 0 && len(c.live) > 0 {
		a.ok("mailbox.domains", "phones are subscribed in the domain of every voicemail context (%d)", len(c.contexts))
	}
}

// shares complains of mailboxes that mailbox.share names and Asterisk did not list.
func (c *checkup) shares(missed []string) {
	a := c.in("settings")
	if len(missed) == 0 && len(c.Shares) > 0 {
		a.ok("mailbox.share", "Asterisk lists every mailbox that it names")
	}
	for i, name := range missed {
		if i == mostContexts {
			a.warn("mailbox.share", "see those above", "and %d more mailboxes like these", len(missed)-i)
			return
		}
		a.warn("mailbox.share", `write it as asterisk -rx "voicemail show users" has it, user@context; nothing, if it is a realtime mailbox: those are never listed`,
			"mailbox.share names %s, which Asterisk does not list", name)
	}
}

// together warns of mailboxes of several contexts that light one lamp, which
// mailbox.share has not asked for.
func (c *checkup) together(t twins) {
	if t.n == 0 {
		return
	}
	more := ""
	if t.n > 1 {
		more = fmt.Sprintf(", and %d more like them", t.n-1)
	}
	_, context, _ := strings.Cut(t.mailbox, "@")
	c.in("settings").warn("mailbox.domains",
		fmt.Sprintf("if they are one person's, nothing; else give %q a domain of its own in [mailbox.domains], in which its phones subscribe", context),
		"%s and %s both light the lamp of sip:%s, which shows their sum%s", t.first, t.mailbox, t.user, more)
}

// lost says what keeps the mailboxes of a context from their phones, or "".
func (c *checkup) lost(name string) (warn, mend string) {
	const example = "domain.example.com"
	domain, ok := c.Domain(name)
	switch {
	case !ok:
		return fmt.Sprintf("mailbox context %q (%d mailboxes) has no SIP domain", name, c.contexts[name]),
			fmt.Sprintf("in [mailbox]: domain = %q", c.likely(example))
	case len(c.live) > 0 && c.live[domain] == 0 && domain == name:
		return fmt.Sprintf("mailbox context %q (%d mailboxes) is taken for the SIP domain %q, in which no phone is subscribed", name, c.contexts[name], domain),
			c.mapping(name, example)
	case len(c.live) > 0 && c.live[domain] == 0:
		return fmt.Sprintf("mailbox context %q (%d mailboxes) belongs to the SIP domain %q, in which no phone is subscribed", name, c.contexts[name], domain),
			c.mapping(name, example)
	}
	return "", ""
}

func (c *checkup) mapping(name, otherwise string) string {
	return fmt.Sprintf("in [mailbox.domains]: %q = %q", name, c.likely(otherwise))
}

// likely is the domain with the most subscriptions.
func (c *checkup) likely(otherwise string) string {
	best := otherwise
	for domain, n := range c.live {
		if n > c.live[best] || n == c.live[best] && domain < best {
			best = domain
		}
	}
	return best
}
