package doctor

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"zonkeymwi/sim"
	"zonkeymwi/sipua"
	"zonkeymwi/watchers"
)

// newPublishing is newWell with sip.method = "publish" and no database.
func newPublishing(t *testing.T) *well {
	t.Helper()
	w := newWell(t, sim.AsteriskConfig{})
	w.Publish, w.Listen, w.Database = true, true, watchers.Config{}
	w.Proxy = answering(t, "412 Conditional request failed")
	return w
}

func TestPublishAnswers(t *testing.T) {
	w := newPublishing(t)
	fs := check(t, w.Options)
	fs.allOK()
	fs.want(OK, "proxy", "publish", "answered PUBLISH with 412", "it takes our publications, for the domain "+domain)
	for status, want := range map[string]struct {
		level Level
		text  string
	}{
		"423 Interval Too Brief":            {OK, "takes our publications"},
		"200 OK":                            {Warning, "no server ever gave"},
		"503 Service Unavailable":           {Warning, "cannot serve"},
		"403 Forbidden":                     {Fault, "sip.bindip"},
		"489 Bad Event":                     {Fault, "presence_mwi"},
		"500 Server Internal Error":         {Fault, "database"},
		"404 Not Found":                     {Fault, "responsible for " + domain},
		"480 Temporarily Unavailable":       {Fault, "before it looks for users"},
		"405 Method Not Allowed":            {Fault, "deploy/opensips/zonkeymwi.cfg"},
		"501 Not Implemented":               {Fault, "deploy/kamailio/zonkeymwi.cfg"},
		"407 Proxy Authentication Required": {Fault, "set sip.username and sip.password"},
	} {
		w.Proxy = answering(t, status)
		check(t, w.Options).want(want.level, "proxy", "publish", status+" in ", want.text)
	}
	w.SIP.Username, w.SIP.Password = "asterisk", secret
	w.Proxy = answering(t, "401 Unauthorized")
	check(t, w.Options).want(Fault, "proxy", "publish", "correct sip.username")

	w.Patience = 300 * time.Millisecond
	w.Proxy = silent(t)
	check(t, w.Options).want(Fault, "proxy", "publish", w.Proxy, "drop PUBLISH")
	w.Publish = false
	if fs := check(t, w.Options); strings.Contains(fs.String(), "PUBLISH") {
		t.Errorf("asked although not wanted: %s", fs)
	}
}

// Whom the PUBLISH is for: the domain of most mailboxes, in which no user is
// called zonkeymwi, and never what a context may hold beside.
func TestPublishFor(t *testing.T) {
	names := map[string]string{"sales": "sales.example.com", "": ""}
	c := &checkup{contexts: map[string]int{}}
	c.Domain = func(context string) (string, bool) {
		if to, ok := names[context]; ok {
			return to, to != ""
		}
		return context, true
	}
	for _, add := range []struct {
		context string
		n       int
		want    string
	}{{"", 9, "[::1]"}, {"a b>\r\nX: y", 9, "[::1]"}, {domain, 2, domain}, {"sales", 2, domain}, {"sales", 3, "sales.example.com"}, {"unmapped", 99, "sales.example.com"}} {
		c.contexts[add.context] = add.n
		if got := c.mostLamps("[::1]"); got != add.want {
			t.Errorf("with %q: %q, want %q", add.context, got, add.want)
		}
	}

	r := request(publishText, "sip:zonkeymwi@"+domain)
	text := string(start(t, func() ([]byte, error) {
		return r.Render(nil, sipua.Attempt{Transport: "UDP", SentBy: "h:1", Branch: "z9hG4bK1", CSeq: 2, Authorization: "Authorization: Digest x"})
	}))
	head, body, _ := strings.Cut(text, "\r\n\r\n")
	for _, line := range []string{"PUBLISH sip:zonkeymwi@" + domain + " SIP/2.0", "CSeq: 2 PUBLISH", "Event: message-summary", "Authorization: Digest x",
		"From: <sip:zonkeymwi@" + domain + ">;tag=", fmt.Sprintf("Content-Length: %d", len(body))} {
		if !strings.Contains(head+"\r\n", line) {
			t.Errorf("no %q in\n%s", line, head)
		}
	}
	if r.Method != "PUBLISH" || body != "Messages-Waiting: no\r\n" || strings.ContainsAny(text, "{}") || strings.Count(text, "\n") != strings.Count(text, "\r\n") {
		t.Errorf("%s: %q", r.Method, text)
	}
}

// Lamps do without the database, so nothing about it is a fault.
func TestPublishDatabase(t *testing.T) {
	w := newPublishing(t)
	fs := check(t, w.Options)
	if of := fs.of("database"); len(of) != 1 || of[0].Level != OK || !strings.Contains(of[0].Detail, "not needed") {
		t.Errorf("%+v", of)
	}
	insert(t, w.proxy.DB(), "elsewhere.example.com", time.Hour) // no dialog is looked for

	w.Database = watchers.Config{URL: "sqlite:/no/such/file", Ledger: true}
	check(t, w.Options).only(Warning, "database", "connect", "/no/such/file")
}

func TestPublishLedgerSQLite(t *testing.T) {
	w := newPublishing(t)
	path := t.TempDir() + "/ledger.db"
	old := newWell(t, sim.AsteriskConfig{})
	w.Database = watchers.Config{URL: old.Database.URL, Ledger: true}
	check(t, w.Options).only(Warning, "database", "ledger", "zonkeymwi migrate")
	migrate(t, w.Database)
	fs := check(t, w.Options)
	fs.allOK()
	fs.want(OK, "database", "ledger", "read and written")
	if n := len(fs.of("database")); n != 2 {
		t.Errorf("%d findings, want connect and ledger: %s", n, fs)
	}

	exec(t, openSQLite(t, path), "CREATE TABLE other (x)") // no active_watchers
	w.Database.URL = "sqlite:" + path
	check(t, w.Options).only(Warning, "database", "ledger", "zonkeymwi migrate")
	migrate(t, w.Database)
	fs = check(t, w.Options)
	fs.allOK()
	fs.want(OK, "database", "ledger", "read and written")
}

func TestPublishLedgerPostgres(t *testing.T) {
	p := newPostgres(t, "kamailio")
	w := newPublishing(t)
	w.Database = watchers.Config{URL: p.super, Ledger: true}
	migrate(t, w.Database)
	w.Database.URL = p.Database.URL
	grant := fmt.Sprintf(`GRANT SELECT, INSERT, UPDATE, DELETE ON "zonkeymwi_ledger" TO %q`, p.user)
	check(t, w.Options).only(Warning, "database", "ledger", grant)
	exec(t, p.db, grant)
	check(t, w.Options).allOK()

	exec(t, p.db, "DROP TABLE active_watchers")
	check(t, w.Options).allOK()
	exec(t, p.db, "REVOKE ALL ON zonkeymwi_ledger FROM "+p.user)
	check(t, w.Options).only(Warning, "database", "ledger", grant)
	w.Database.Table = "closed.active_watchers"
	exec(t, p.db, "CREATE SCHEMA closed", "CREATE TABLE closed.zonkeymwi_ledger (x int)")
	check(t, w.Options).only(Warning, "database", "ledger", "permission denied for schema closed", "GRANT USAGE")
}
