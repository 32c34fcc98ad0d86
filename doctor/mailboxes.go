package doctor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"zonkeymwi/watchers"
)

// mostContexts is how many contexts, or mailboxes, are worth a warning each.
const mostContexts = 10

// mailboxes looks whether the listed mailboxes light phones, and the right ones.
// It needs what both Asterisk and the database said.
func (c *checkup) mailboxes(ctx context.Context) {
	if c.domains() && len(c.Shares) == 0 { // whose lamps those light is not known here
		c.phones(ctx)
	}
	c.together()
}

// domains looks whether phones are subscribed in the domain of each context.
func (c *checkup) domains() (all bool) {
	a, warned := c.in("settings"), 0
	for _, name := range slices.Sorted(maps.Keys(c.contexts)) {
		warn, mend := c.lost(name)
		if warn == "" {
			continue
		}
		if warned++; warned > mostContexts {
			a.warn("mailbox.domains", "see those above", "and more contexts like these")
			return false
		}
		a.warn("mailbox.domains", mend, "%s", warn)
	}
	if warned == 0 && len(c.contexts) > 0 && len(c.live) > 0 {
		a.ok("mailbox.domains", "phones are subscribed in the domain of every voicemail context (%d)", len(c.contexts))
		return true
	}
	return false
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

// mapping gives a context the likely domain, unless another has a mailbox of one
// of its numbers there.
func (c *checkup) mapping(name, otherwise string) string {
	domain := c.likely(otherwise)
	for _, number := range slices.Sorted(maps.Keys(c.numbers)) {
		if !slices.Contains(c.numbers[number], name) {
			continue
		}
		for _, other := range c.numbers[number] {
			if to, ok := c.Domain(other); ok && to == domain && other != name {
				return fmt.Sprintf("have its phones subscribe in a domain of their own, and give it that in [mailbox.domains]; in %q, where most phones are, %s@%s would share a lamp with %s@%s",
					domain, number, name, number, other)
			}
		}
	}
	return fmt.Sprintf("in [mailbox.domains]: %q = %q", name, domain)
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

// together warns of mailboxes of several contexts that light one lamp, which
// mailbox.share has not asked for.
func (c *checkup) together() {
	var first, second, lamp string
	n := 0
	for _, number := range slices.Sorted(maps.Keys(c.numbers)) {
		lit := make(map[string]string) // by domain
		for _, context := range c.numbers[number] {
			domain, ok := c.Domain(context)
			if !ok || slices.Contains(c.Shares, number+"@"+context) {
				continue
			}
			if other, taken := lit[domain]; !taken {
				lit[domain] = context
			} else if n++; n == 1 {
				first, second, lamp = number+"@"+other, number+"@"+context, "sip:"+number+"@"+domain
			}
		}
	}
	if n == 0 {
		return
	}
	more := ""
	if n > 1 {
		more = fmt.Sprintf(", and %d more like them", n-1)
	}
	c.in("settings").warn("lamps",
		"if they are one person's, nothing; else have the phones of one context subscribe in a domain of their own, and give it that in [mailbox.domains]",
		"%s and %s both light the lamp of %s, which shows their sum%s", first, second, lamp, more)
}

// phones looks for one live subscription of any listed mailbox.
func (c *checkup) phones(ctx context.Context) {
	ctx, cancel := c.step(ctx)
	defer cancel()
	store, err := watchers.Open(c.Database)
	if err != nil {
		return // the database's area has said so
	}
	defer store.Close()
	var users []watchers.AoR
	for number, contexts := range c.numbers {
		for _, name := range contexts {
			domain, _ := c.Domain(name)
			users = append(users, watchers.AoR{User: number, Domain: domain})
		}
	}
	const atOnce = 500
	for batch := range slices.Chunk(users, atOnce) {
		found, err := store.Dialogs(ctx, batch)
		if err != nil {
			return
		}
		for _, dialogs := range found {
			for i := range dialogs {
				if dialogs[i].Live(time.Now()) == "" {
					return
				}
			}
		}
	}
	c.in("database").warn("phones", `nothing, if they are of realtime mailboxes, which are never listed; else compare presentity_uri in the table with the mailboxes (asterisk -rx "voicemail show users"); for phones that subscribe to another user than themselves, such as *97, database.lookup = "watcher"`,
		"no subscription is of a mailbox that Asterisk lists")
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
