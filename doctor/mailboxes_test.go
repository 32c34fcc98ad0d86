package doctor

import (
	"testing"
	"time"

	"zonkeymwi/sim"
)

func TestContexts(t *testing.T) {
	boxes := []sim.Mailbox{{Name: "202@" + domain}, {Name: "203@" + domain}, {Name: "204@default"}, {Name: "205@default"}, {Name: "206@office"}}
	w := newWell(t, sim.AsteriskConfig{Mailboxes: boxes})
	insert(t, w.db, "small.example.com", time.Hour)
	insert(t, w.db, domain, time.Hour)
	names := map[string]string{"office": "sip.example.com"}
	w.Domain = func(context string) (string, bool) {
		if to, ok := names[context]; ok {
			return to, to != ""
		}
		return context, true
	}
	fs := check(t, w.Options)
	fs.want(Warning, "settings", "mailbox.domains",
		`mailbox context "default" (2 mailboxes) is taken for the SIP domain "default", in which no phone is subscribed`, `"default" = "domain.example.com"`)
	if n := len(fs.of("settings")); n != 2 {
		t.Errorf("%d findings, want one for default and one for office: %s", n, fs)
	}
	names["default"], names["office"] = domain, "small.example.com"
	check(t, w.Options).allOK()
	names["office"] = ""
	check(t, w.Options).only(Warning, "settings", "mailbox.domains", `"office"`, "has no SIP domain", "[mailbox]")

	names["office"] = "elsewhere.example.com"
	exec(t, w.db, "DELETE FROM active_watchers") // nothing is known of domains then
	if found := check(t, w.Options).of("settings"); len(found) != 0 {
		t.Errorf("%+v", found)
	}
}

// Two people's mailboxes of one number, whose contexts have one domain: one lamp
// for both, which nobody may have wanted.
func TestTwins(t *testing.T) {
	boxes := []sim.Mailbox{{Name: "202@" + domain}, {Name: "202@default"}, {Name: "203@default"}, {Name: "202@office"}, {Name: "202@elsewhere"}}
	w := newWell(t, sim.AsteriskConfig{Mailboxes: boxes})
	insert(t, w.db, domain, time.Hour)
	insert(t, w.db, "elsewhere", time.Hour)
	w.Domain = func(context string) (string, bool) {
		if context == "default" || context == "office" {
			return domain, true
		}
		return context, true
	}
	check(t, w.Options).only(Warning, "settings", "lamps",
		"202@"+domain+" and 202@default both light the lamp of sip:202@"+domain, "and 1 more like them", "a domain of their own")
	w.Shares = []string{"202@default", "202@office"}
	check(t, w.Options).allOK()
}

// The mend for an unmapped context does not lead to such a lamp.
func TestMendKeepsLampsApart(t *testing.T) {
	w := newWell(t, sim.AsteriskConfig{Mailboxes: []sim.Mailbox{{Name: "204@default"}, {Name: "205@default"}, {Name: "204@other"}}})
	names := map[string]string{"default": domain, domain: domain}
	w.Domain = func(context string) (string, bool) { return names[context], true }
	for _, other := range []string{"other", "nowhere.example.com"} {
		names["other"] = other
		check(t, w.Options).only(Warning, "settings", "mailbox.domains", `"`+other+`", in which no phone is subscribed`,
			"a domain of their own", "204@other would share a lamp with 204@default")
	}
}

// Subscriptions in the right domain, of nobody's mailbox.
func TestNoPhoneOfAMailbox(t *testing.T) {
	w := newWell(t, sim.AsteriskConfig{})
	exec(t, w.db, "UPDATE active_watchers SET presentity_uri = 'sip:*97@"+domain+"'")
	check(t, w.Options).only(Warning, "database", "phones", "no subscription is of a mailbox", `database.lookup = "watcher"`)
	shared := w.Options
	shared.Shares = []string{"202@" + domain}
	w.Database.ByWatcher = true
	for _, o := range []Options{shared, w.Options} {
		for _, f := range check(t, o).of("database") {
			if f.Check == "phones" {
				t.Errorf("%+v", f)
			}
		}
	}
}
