package doctor

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"zonkeymwi/internal/mytest"
	"zonkeymwi/sim"
	"zonkeymwi/watchers"
)

// newMySQL is newWell, on MariaDB with Kamailio's table, as a user with the least rights.
func newMySQL(t *testing.T) *well {
	t.Helper()
	w := newWell(t, sim.AsteriskConfig{})
	w.super = mytest.Start(t)
	w.db = mytest.Open(t, w.super)
	ddl := start(t, func() ([]byte, error) { return os.ReadFile("../watchers/testdata/kamailio.mysql.sql") })
	exec(t, w.db, string(ddl), "SET GLOBAL sql_mode = ''") // the columns that a test leaves out are empty
	w.db = mytest.Open(t, w.super)
	insert(t, w.db, domain, time.Hour)
	w.user = fmt.Sprint("bridge", time.Now().UnixNano()) // accounts belong to the whole server
	account := w.user + "@127.0.0.1"
	exec(t, w.db, "CREATE USER "+account+" IDENTIFIED BY '"+secret+"'", "GRANT SELECT ON active_watchers TO "+account)
	t.Cleanup(func() { exec(t, w.db, "DROP USER "+account) })
	u := start(t, func() (*url.URL, error) { return url.Parse(w.super) })
	u.User = url.UserPassword(w.user, secret)
	w.Database = watchers.Config{URL: u.String()}
	return w
}

func TestMySQL(t *testing.T) {
	w := newMySQL(t)
	w.Listen = true
	grantee := fmt.Sprintf("TO '%s'@'127.0.0.1'", w.user)
	insert(t, w.db, domain, -time.Hour)
	fs := check(t, w.Options)
	fs.allOK()
	fs.want(OK, "database", "connect", "MariaDB 1", w.user)
	fs.want(OK, "database", "rows", "1 subscriptions of phones are live, 1 are not (2 rows in all)")
	fs.want(OK, "database", "trigger", "MariaDB tells of nothing", "poll_interval")
	fs.want(OK, "clock", "database")
	fs.want(OK, "settings", "mailbox.domains")

	w.CSeq = "database"
	grant := "GRANT UPDATE (local_cseq) ON `active_watchers` " + grantee
	check(t, w.Options).only(Fault, "database", "grants", grant)
	exec(t, w.db, grant)
	check(t, w.Options).allOK()

	w.Database.Ledger = true
	check(t, w.Options).only(Warning, "database", "ledger", "no table `zonkeymwi_ledger`", "zonkeymwi migrate")
	migrate(t, watchers.Config{URL: w.super})
	exec(t, w.db, "GRANT SELECT ON zonkeymwi_ledger "+grantee)
	grant = "GRANT SELECT, INSERT, UPDATE, DELETE ON `zonkeymwi_ledger` " + grantee
	check(t, w.Options).only(Warning, "database", "ledger", "may not", grant)
	exec(t, w.db, grant)
	check(t, w.Options).allOK()

	exec(t, w.db, "SET GLOBAL read_only = 1")
	fs = check(t, w.Options)
	exec(t, w.db, "SET GLOBAL read_only = 0")
	fs.want(Fault, "database", "grants", "replica", "set database.url to the primary")

	w.Database.ByWatcher = true
	const index = "CREATE INDEX zonkeymwi_lookup ON `active_watchers` (watcher_username, watcher_domain)"
	check(t, w.Options).only(Warning, "database", "index", index)
	exec(t, w.db, index)
	check(t, w.Options).allOK()
}

func TestMySQLTable(t *testing.T) {
	w := newMySQL(t)
	w.Patience = 3 * time.Second
	tx := start(t, w.db.Begin)
	defer tx.Rollback()
	if _, err := tx.Exec("LOCK TABLES active_watchers WRITE"); err != nil {
		t.Fatal(err)
	}
	check(t, w.Options).only(Fault, "database", "table", "SHOW FULL PROCESSLIST")
	if _, err := tx.Exec("UNLOCK TABLES"); err != nil {
		t.Fatal(err)
	}
	w.Patience = 0
	revoke := fmt.Sprintf("REVOKE SELECT ON active_watchers FROM '%s'@'127.0.0.1'; CREATE TABLE theirs (x INT); GRANT SELECT ON theirs TO '%[1]s'@'127.0.0.1'", w.user)
	exec(t, w.db, revoke)
	check(t, w.Options).only(Fault, "database", "table", "denied", fmt.Sprintf("GRANT SELECT ON `active_watchers` TO '%s'@'127.0.0.1'", w.user))
	w.Database.URL = w.super
	exec(t, w.db, "CREATE DATABASE elsewhere; RENAME TABLE active_watchers TO elsewhere.active_watchers")
	t.Cleanup(func() { exec(t, w.db, "DROP DATABASE elsewhere") })
	fs := check(t, w.Options)
	fs.only(Fault, "database", "table", `database.table = "elsewhere.active_watchers"`)
	if strings.Contains(fmt.Sprint(fs.all), "SCHEMA") {
		t.Errorf("of PostgreSQL: %s", fs)
	}
}

func TestMySQLConnect(t *testing.T) {
	w := newMySQL(t)
	good := w.Database.URL
	for _, c := range []struct {
		from, to string
		texts    []string
	}{
		{secret + "@", "wrong@", []string{"Access denied", "IDENTIFIED BY"}},
		{"/test", "/nosuch", []string{"Access denied", "nosuch", "the database's name"}},
		{w.user, "nobody", []string{"Access denied", "nobody"}},
	} {
		w.Database.URL = strings.Replace(good, c.from, c.to, 1)
		check(t, w.Options).only(Fault, "database", "connect", c.texts...)
	}
	w.Database.URL = good + "?tls=true"
	check(t, w.Options).only(Fault, "database", "connect", "TLS")
	w.Database.URL = strings.Replace(w.super, "/test", "/nosuch", 1)
	check(t, w.Options).only(Fault, "database", "connect", "Unknown database", "SHOW DATABASES")
	w.Patience = 300 * time.Millisecond
	w.Database.URL = "mysql://u:" + secret + "@" + silent(t) + "/db"
	check(t, w.Options).only(Fault, "database", "connect", "firewall")
	w.Database.URL = "mysql://u:" + secret + "@" + nothing(t) + "/db"
	check(t, w.Options).only(Fault, "database", "connect", "refused", "database.url")
	for _, number := range []uint16{1130, 1040, 1053} {
		if noMySQL(fmt.Errorf("database: %w", &mysql.MySQLError{Number: number})) == "" {
			t.Errorf("%d has no mend", number)
		}
	}
}
