package doctor

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"zonkeymwi/sim"
	"zonkeymwi/watchers"
)

func migrate(t *testing.T, c watchers.Config) {
	t.Helper()
	if err := watchers.Migrate(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

func openSQLite(t *testing.T, path string) *sql.DB {
	t.Helper()
	db := start(t, func() (*sql.DB, error) { return sql.Open("sqlite", path) })
	t.Cleanup(func() { db.Close() })
	return db
}

func TestPostgresTrigger(t *testing.T) {
	w := newPostgres(t, "opensips")
	w.Listen = true
	check(t, w.Options).only(Warning, "database", "trigger", `zonkeymwi migrate, as the owner of "active_watchers"`, "poll_interval")
	migrate(t, watchers.Config{URL: w.super})
	fs := check(t, w.Options)
	fs.allOK()
	fs.want(OK, "database", "trigger", "tells of new subscriptions")
	exec(t, w.db, "ALTER TABLE active_watchers DISABLE TRIGGER zonkeymwi_update")
	check(t, w.Options).only(Warning, "database", "trigger")
	w.Listen = false
	check(t, w.Options).allOK()
}

func TestPostgresLedger(t *testing.T) {
	w := newPostgres(t, "kamailio")
	w.Database.Ledger = true
	const table = `"zonkeymwi_ledger"`
	check(t, w.Options).only(Warning, "database", "ledger", "no table "+table, "zonkeymwi migrate")
	migrate(t, watchers.Config{URL: w.super})
	grant := fmt.Sprintf(`GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %q`, table, w.user)
	check(t, w.Options).only(Warning, "database", "ledger", "may not", grant)
	exec(t, w.db, grant)
	fs := check(t, w.Options)
	fs.allOK()
	fs.want(OK, "database", "ledger", table+" can be read and written")
	exec(t, w.db, "REVOKE UPDATE ON zonkeymwi_ledger FROM "+w.user)
	check(t, w.Options).only(Warning, "database", "ledger", grant)
	exec(t, w.db, grant, "ALTER TABLE zonkeymwi_ledger DROP COLUMN etag")
	check(t, w.Options).only(Warning, "database", "ledger", "lacks a column", "zonkeymwi migrate")
	exec(t, w.db, "REVOKE SELECT ON active_watchers FROM "+w.user)
	check(t, w.Options).want(Warning, "database", "ledger", "zonkeymwi migrate")
	exec(t, w.db, "DROP TABLE active_watchers") // then that alone is told
	check(t, w.Options).only(Fault, "database", "table")

	if got := ledgerName(watchers.Inspection{Table: `"proxy"."active_watchers"`}); got != `"proxy"."zonkeymwi_ledger"` {
		t.Error(got)
	}
}

// A replica may show every right, and takes nothing.
func TestLedgerReadOnly(t *testing.T) {
	for user, mend := range map[string]string{"bridge": "target_session_attrs", "": "directory"} {
		fs := findings{t: t}
		c := &checkup{report: func(f Finding) { fs.all = append(fs.all, f) }}
		c.Database.Ledger = true
		in := watchers.Inspection{Table: `"active_watchers"`, User: user, Ledger: true, CanRecord: user != "", ReadOnly: true}
		c.ledger(c.in("database"), in)
		fs.only(Warning, "database", "ledger", "can be read only", mend)
	}
}

func TestSQLiteTrigger(t *testing.T) {
	w := newWell(t, sim.AsteriskConfig{})
	w.Listen, w.Database.Ledger = true, true
	fs := check(t, w.Options)
	fs.want(OK, "database", "trigger", "poll_interval")
	fs.only(Warning, "database", "ledger", "zonkeymwi migrate")
	migrate(t, w.Database)
	check(t, w.Options).allOK()
}

func TestShares(t *testing.T) {
	w := newWell(t, sim.AsteriskConfig{})
	fs := check(t, w.Options)
	if strings.Contains(fs.String(), "mailbox.share") {
		t.Errorf("there is none: %s", fs)
	}
	w.Shares = []string{"202@" + domain, "203@" + domain}
	fs = check(t, w.Options)
	fs.allOK()
	fs.want(OK, "settings", "mailbox.share", "every mailbox")
	w.Shares = append(w.Shares, "600@sales", "600@sales", "202")
	fs = check(t, w.Options)
	fs.want(Warning, "settings", "mailbox.share", "mailbox.share names 202, which", "voicemail show users")
	if got := slices.DeleteFunc(fs.of("settings"), func(f Finding) bool { return f.Level == OK }); len(got) != 2 || got[1].Detail != "mailbox.share names 600@sales, which Asterisk does not list" {
		t.Errorf("%+v", got)
	}
	for n := range 20 {
		w.Shares = append(w.Shares, fmt.Sprint(n, "@sales"))
	}
	fs = check(t, w.Options)
	fs.want(Warning, "settings", "mailbox.share", "names 0@sales")
	if got := fs.of("settings"); got[mostContexts].Detail != "and 12 more mailboxes like these" {
		t.Errorf("%+v", got)
	}

	w.asterisk.ShortList(1) // a list with holes says nothing of what is missing
	if fs := check(t, w.Options); len(slices.DeleteFunc(fs.of("settings"), func(f Finding) bool { return f.Check != "mailbox.share" })) != 0 {
		t.Errorf("%s", fs)
	}
}
