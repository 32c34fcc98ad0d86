package doctor

import (
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"zonkeymwi/internal/pgtest"
	"zonkeymwi/sim"
	"zonkeymwi/watchers"
)

// newPostgres is newWell, on PostgreSQL with the table of a flavour, as a user with the least rights.
func newPostgres(t *testing.T, flavour string) *well {
	t.Helper()
	w := newWell(t, sim.AsteriskConfig{})
	super := pgtest.Start(t)
	w.db = start(t, func() (*sql.DB, error) { return sql.Open("pgx", super) })
	t.Cleanup(func() { w.db.Close() })
	ddl := start(t, func() ([]byte, error) { return os.ReadFile("../watchers/testdata/" + flavour + ".postgres.sql") })
	exec(t, w.db, string(ddl))
	if flavour == "kamailio" {
		for _, column := range []string{"from_user", "from_domain", "updated", "updated_winfo"} {
			exec(t, w.db, "ALTER TABLE active_watchers ALTER COLUMN "+column+" SET DEFAULT '0'")
		}
	}
	insert(t, w.db, domain, time.Hour)
	user := fmt.Sprint("bridge", time.Now().UnixNano()) // roles belong to the whole cluster
	exec(t, w.db, "CREATE ROLE "+user+" LOGIN PASSWORD '"+secret+"'", "GRANT SELECT ON active_watchers TO "+user)
	t.Cleanup(func() { exec(t, w.db, "DROP OWNED BY "+user, "DROP ROLE "+user) })
	u := start(t, func() (*url.URL, error) { return url.Parse(super) })
	u.User = url.UserPassword(user, secret)
	w.Database = watchers.Config{URL: u.String()}
	w.user, w.super = user, super
	return w
}

func TestPostgres(t *testing.T) {
	for _, flavour := range []string{"opensips", "kamailio"} {
		t.Run(flavour, func(t *testing.T) {
			w := newPostgres(t, flavour)
			insert(t, w.db, domain, -time.Hour)
			fs := check(t, w.Options)
			fs.allOK()
			fs.want(OK, "database", "connect", "PostgreSQL 1", w.user)
			fs.want(OK, "database", "rows", "1 subscriptions of phones are live, 1 are not (2 rows in all)")
			fs.want(OK, "clock", "database")
			fs.want(OK, "settings", "mailbox.domains")

			w.CSeq = "database"
			fs = check(t, w.Options)
			fs.want(Fault, "database", "grants", fmt.Sprintf(`GRANT UPDATE (local_cseq) ON "active_watchers" TO %q`, w.user))
			exec(t, w.db, "GRANT UPDATE (local_cseq) ON active_watchers TO "+w.user)
			fs = check(t, w.Options)
			if flavour == "kamailio" {
				fs.allOK()
				fs.want(OK, "database", "cseq", "subs_db_mode is 3")
			} else {
				fs.only(Warning, "database", "cseq", "Kamailio alone", `sip.cseq = "clock"`)
			}
		})
	}
}

func TestPostgresIndex(t *testing.T) {
	w := newPostgres(t, "opensips")
	w.Database.ByWatcher = true
	const mend = `CREATE INDEX CONCURRENTLY ON "active_watchers" (watcher_username, watcher_domain)`
	check(t, w.Options).only(Warning, "database", "index", mend)
	exec(t, w.db, mend)
	check(t, w.Options).allOK()
	w.Database.ByWatcher = false
	exec(t, w.db, "ALTER TABLE active_watchers DROP CONSTRAINT active_watchers_active_watchers_idx")
	check(t, w.Options).only(Warning, "database", "index", `CREATE INDEX CONCURRENTLY ON "active_watchers" (presentity_uri, event)`, "1 rows")
}

func TestPostgresRows(t *testing.T) {
	w := newPostgres(t, "opensips")
	exec(t, w.db, "UPDATE active_watchers SET expires = 1600000000")
	check(t, w.Options).only(Warning, "database", "rows", "0 subscriptions of phones are live", "2020-09-13", "fallback2db")
	exec(t, w.db, "UPDATE active_watchers SET event = 'presence'")
	check(t, w.Options).only(Warning, "database", "rows", "no phone's subscription", "1 rows in all")
	w = newPostgres(t, "kamailio")
	exec(t, w.db, "DELETE FROM active_watchers")
	check(t, w.Options).only(Warning, "database", "rows", "subs_db_mode", "kamailio.cfg")
}

func TestPostgresTable(t *testing.T) {
	w := newPostgres(t, "kamailio")
	exec(t, w.db, "ALTER TABLE active_watchers DROP COLUMN socket_info")
	check(t, w.Options).only(Fault, "database", "columns", "lacks socket_info")
	exec(t, w.db, "CREATE SCHEMA proxy", "ALTER TABLE active_watchers SET SCHEMA proxy")
	check(t, w.Options).only(Fault, "database", "table", `database.table = "proxy.active_watchers"`, "GRANT USAGE ON SCHEMA")
	w.Database.Table = "proxy.active_watchers"
	check(t, w.Options).only(Fault, "database", "table", "permission denied for schema proxy", `GRANT USAGE ON SCHEMA`)
	exec(t, w.db, "DROP SCHEMA proxy CASCADE")
	w.Database.Table = ""
	check(t, w.Options).only(Fault, "database", "table", "no table active_watchers in this database", "kamdbctl")
}

func TestPostgresGrant(t *testing.T) {
	w := newPostgres(t, "kamailio")
	exec(t, w.db, "REVOKE SELECT ON active_watchers FROM "+w.user)
	check(t, w.Options).only(Fault, "database", "grants", fmt.Sprintf(`GRANT SELECT ON "active_watchers" TO %q`, w.user))
}

func TestPostgresConnect(t *testing.T) {
	w := newPostgres(t, "kamailio")
	good := w.Database.URL
	for _, c := range []struct {
		from, to string
		texts    []string
	}{
		{secret + "@", "wrong@", []string{"password authentication failed", "database.url"}},
		{"/test", "/nosuch", []string{"does not exist", "psql -l"}},
		{"sslmode=disable", "sslmode=require", []string{"TLS"}},
	} {
		w.Database.URL = strings.Replace(good, c.from, c.to, 1)
		check(t, w.Options).only(Fault, "database", "connect", c.texts...)
	}
	w.Patience = 300 * time.Millisecond
	address := silent(t)
	w.Database.URL = "postgres://u:" + secret + "@" + address + "/db"
	check(t, w.Options).only(Fault, "database", "connect", "firewall", address+": no answer within 300ms")
	w.Database.URL = "oracle://u:" + secret + "@h/db"
	check(t, w.Options).only(Fault, "database", "connect", "postgres://")
}

// A lock on the table costs one step, and the rest is still told.
func TestPostgresLocked(t *testing.T) {
	w := newPostgres(t, "kamailio")
	tx := start(t, w.db.Begin)
	defer tx.Rollback()
	if _, err := tx.Exec("LOCK TABLE active_watchers"); err != nil {
		t.Fatal(err)
	}
	w.Patience = 3 * time.Second
	fs := check(t, w.Options)
	fs.want(OK, "database", "index")
	fs.only(Fault, "database", "table", "pg_stat_activity")
	fs.want(OK, "proxy", "options")
}

func TestSkew(t *testing.T) {
	for skew, want := range map[time.Duration]Level{0: -1, time.Millisecond: OK, -3 * time.Second: Warning, time.Hour: Warning} {
		var got []Finding
		c := &checkup{report: func(f Finding) { got = append(got, f) }}
		c.skew(watchers.Inspection{Skew: skew})
		if want < 0 && got != nil || want >= 0 && (len(got) != 1 || got[0].Level != want) {
			t.Errorf("%v: %+v", skew, got)
		}
	}
}

func TestSQLite(t *testing.T) {
	w := newWell(t, sim.AsteriskConfig{})
	w.CSeq = "database"
	check(t, w.Options).allOK()
	w.Database.ByWatcher = true
	fs := check(t, w.Options)
	fs.only(Warning, "database", "index", "CREATE INDEX")
	for _, f := range fs.of("database") {
		if f.Check == "index" {
			exec(t, w.db, f.Mend)
		}
	}
	check(t, w.Options).allOK()
	exec(t, w.db, "DROP TABLE active_watchers")
	check(t, w.Options).only(Fault, "database", "table", "no table")
	w.Database.URL = "sqlite:/no/such/file"
	check(t, w.Options).only(Fault, "database", "connect", "/no/such/file")
}
