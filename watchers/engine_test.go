package watchers

import (
	"database/sql"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	"go.uber.org/goleak"

	"zonkeymwi/internal/mytest"
	"zonkeymwi/internal/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(mytest.Wrap(pgtest.Wrap(m))) }

// An engine makes databases for the tests: each call of url a fresh one.
type engine struct {
	name string
	url  func(testing.TB) string
	ddl  string // testdata/{flavour}.{ddl}.sql
}

var engines = []engine{
	{"sqlite", sqliteURL, "sqlite"},
	{"postgres", pgtest.Start, "postgres"},
	{"postgres as through PgBouncer", func(t testing.TB) string {
		return pgtest.Start(t) + "&default_query_exec_mode=exec"
	}, "postgres"},
	{"mysql", mytest.Start, "mysql"},
	{"mysql, latin1", latin1URL, "mysql"}, // what kamdbctl makes, with whatever bytes the proxy has put there
}

func latin1URL(t testing.TB) string {
	u, err := url.Parse(mytest.Start(t))
	if err != nil {
		t.Fatal(err)
	}
	db := connect(t, u.String())
	if _, err := db.Exec("ALTER DATABASE " + u.Path[1:] + " CHARACTER SET latin1"); err != nil {
		t.Fatal(err)
	}
	return u.String() + "?charset=latin1"
}

// connect is the proxy's or the operator's connection.
func connect(t testing.TB, url string) *sql.DB {
	t.Helper()
	if strings.HasPrefix(url, "mysql:") {
		return mytest.Open(t, url)
	}
	driver, dsn := "pgx", url
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		escaped := strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)
		driver, dsn = "sqlite", "file:"+escaped+"?_pragma=busy_timeout(5000)&_pragma=synchronous(OFF)"
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func sqliteURL(t testing.TB) string {
	path := filepath.Join(t.TempDir(), "a name with %41 ? # and spaces.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return "sqlite:" + path
}

// database is the proxy's side of a test: it writes the rows.
type database struct {
	*sql.DB
	url     string
	flavour string
	rows    int
}

// open makes a database with the table of flavour, "" for none.
func (e engine) open(t testing.TB, flavour string) *database {
	t.Helper()
	url := e.url(t)
	db := connect(t, url)
	d := &database{DB: db, url: url, flavour: flavour}
	if flavour != "" {
		ddl, err := os.ReadFile("testdata/" + flavour + "." + e.ddl + ".sql")
		if err != nil {
			t.Fatal(err)
		}
		for statement := range strings.SplitSeq(strings.TrimSuffix(string(ddl), ";\n"), ";\n") {
			d.exec(t, statement)
		}
	}
	return d
}

func (d *database) exec(t testing.TB, statement string, args ...any) {
	t.Helper()
	if _, err := d.Exec(statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// row overrides columns of an ordinary live row.
type row map[string]any

// insert adds a row for a phone of a; callid is unique, "call-1" and so on.
func (d *database) insert(t testing.TB, a AoR, r row) {
	t.Helper()
	d.rows++
	full := row{
		"presentity_uri": a.URI(), "watcher_username": a.User, "watcher_domain": a.Domain,
		"to_user": a.User, "to_domain": a.Domain, "event": "message-summary", "event_id": "",
		"to_tag": "server", "from_tag": "phone", "callid": fmt.Sprintf("call-%d", d.rows),
		"local_cseq": 1, "remote_cseq": 1, "contact": "sip:phone@127.0.0.2:5070", "record_route": "",
		"expires": future, "status": 1, "reason": "", "version": 0,
		"socket_info": "udp:127.0.0.1:5060", "local_contact": "sip:127.0.0.1:5060",
	}
	if d.flavour == "kamailio" {
		maps.Copy(full, row{"from_user": a.User, "from_domain": a.Domain, "updated": -1, "updated_winfo": -1})
	}
	maps.Copy(full, r)
	names := slices.Sorted(maps.Keys(full))
	var marks []string
	var values []any
	for i, name := range names {
		mark := "?"
		if strings.HasPrefix(d.url, "postgres") {
			mark = fmt.Sprintf("$%d", i+1)
		}
		marks = append(marks, mark)
		values = append(values, full[name])
	}
	d.exec(t, "INSERT INTO active_watchers ("+strings.Join(names, ", ")+") VALUES ("+strings.Join(marks, ", ")+")", values...)
}

// store opens the Store under test.
func (d *database) store(t testing.TB, c Config) Store {
	t.Helper()
	c.URL = d.url
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// migrate installs what zonkeymwi has in the database.
func (d *database) migrate(t testing.TB) {
	t.Helper()
	if err := Migrate(t.Context(), Config{URL: d.url}); err != nil {
		t.Fatal(err)
	}
}
