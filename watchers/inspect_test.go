package watchers

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// inspect wants no error.
func (d *database) inspect(t *testing.T, c Config) Inspection {
	t.Helper()
	c.URL = d.url
	in, err := Inspect(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func TestInspect(t *testing.T) {
	soon := time.Now().Add(time.Hour).Unix()
	for _, e := range engines {
		for flavour, want := range map[string]Flavour{"opensips": OpenSIPS, "kamailio": Kamailio} {
			t.Run(e.name+"/"+flavour, func(t *testing.T) {
				db := e.open(t, flavour)
				if in := db.inspect(t, Config{}); !in.LastExpires.IsZero() || in.Rows != 0 || len(in.Domains) != 0 {
					t.Errorf("an empty table: %+v", in)
				}
				db.insert(t, AoR{"a", "one.example.com"}, row{"expires": soon})
				db.insert(t, AoR{"b@c", "one.example.com"}, row{"expires": soon + 5})
				db.insert(t, AoR{"*97", "two.example.com"}, row{"expires": soon, "watcher_domain": "three.example.com"})
				db.insert(t, AoR{"d", "dead.example.com"}, row{"expires": 1_600_000_000})
				db.insert(t, AoR{"e", "pending.example.com"}, row{"expires": soon, "status": 2})
				db.insert(t, AoR{"f", "presence.example.com"}, row{"expires": soon + 99, "event": "presence"})
				in := db.inspect(t, Config{})
				if in.Rows != 6 || in.Summaries != 5 || in.Live != 3 || in.LastExpires.Unix() != soon+5 {
					t.Errorf("counted %+v", in)
				}
				if domains := map[string]int64{"one.example.com": 2, "two.example.com": 1}; !maps.Equal(in.Domains, domains) {
					t.Errorf("domains %v, want %v", in.Domains, domains)
				}
				if !in.Exists || in.Missing != nil || in.Flavour != want || !in.CanSelect || !in.CanUpdate || in.ReadOnly || in.Index == "" || in.CreateIndex != "" {
					t.Errorf("got %+v", in)
				}
				if in.Skew.Abs() > time.Second || (in.User == "postgres") != (e.ddl == "postgres") || !strings.Contains(strings.NewReplacer("mariadb", "mysql").Replace(strings.ToLower(in.Server)), e.ddl) {
					t.Errorf("got %+v", in)
				}

				in = db.inspect(t, Config{ByWatcher: true})
				if in.Index != "" || in.Domains["three.example.com"] != 1 || in.Domains["two.example.com"] != 0 {
					t.Errorf("by watcher: %+v", in)
				}
				db.exec(t, in.CreateIndex)
				if in := db.inspect(t, Config{ByWatcher: true}); in.Index == "" || in.CreateIndex != "" {
					t.Errorf("with the index: %+v", in)
				}
			})
		}
	}
}

func TestInspectMissing(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			db := e.open(t, "")
			if in := db.inspect(t, Config{}); in.Exists || in.Server == "" || in.Elsewhere != nil {
				t.Errorf("no table: %+v", in)
			}
			db.exec(t, "CREATE TABLE active_watchers (id INTEGER, event TEXT)")
			in := db.inspect(t, Config{})
			if !in.Exists || !slices.Equal(in.Missing, columns) || in.Domains != nil || in.CreateIndex != "" {
				t.Errorf("no columns: %+v", in)
			}
		})
	}
}

func TestInspectPostgresIndex(t *testing.T) {
	db := engines[1].open(t, "opensips")
	db.exec(t, "ALTER TABLE active_watchers DROP CONSTRAINT active_watchers_active_watchers_idx")
	for _, c := range []struct {
		index string
		good  bool
	}{
		{"(callid, presentity_uri)", false},
		{"(lower(presentity_uri))", false},
		{"(presentity_uri) WHERE status = 1", false},
		{"(presentity_uri) WHERE event = 'message-summary'", true},
		{"USING brin (presentity_uri)", false},
		{"USING hash (presentity_uri)", true},
	} {
		db.exec(t, "CREATE INDEX odd ON active_watchers "+c.index)
		if in := db.inspect(t, Config{}); (in.Index == "odd") != c.good || (in.CreateIndex == "") != c.good {
			t.Errorf("%s: %q, %q", c.index, in.Index, in.CreateIndex)
		}
		db.exec(t, "DROP INDEX odd")
	}
	db.exec(t, "ALTER TABLE active_watchers RENAME TO real; CREATE VIEW active_watchers AS SELECT * FROM real")
	if in := db.inspect(t, Config{}); in.CreateIndex != "" || in.Domains == nil {
		t.Errorf("a view: %+v", in)
	}
}

// With the least rights, and with the catalogue alone: nothing is refused, so nothing is in the server's log.
func TestInspectPostgresRights(t *testing.T) {
	server, s, _ := ownServer(t)
	s.exec(t, "CREATE ROLE bridge LOGIN PASSWORD 'hunter2'")
	u, _ := url.Parse(s.url)
	u.User = url.UserPassword("bridge", "hunter2")
	s.url = u.String()
	for _, c := range []struct {
		grant          string
		read, write    bool
		elsewhere, fit bool
	}{
		{"SELECT 1", false, false, false, true},
		{"GRANT SELECT (callid) ON active_watchers TO bridge", false, false, false, true},
		{"GRANT SELECT ON active_watchers TO bridge", true, false, false, true},
		{"GRANT UPDATE (status) ON active_watchers TO bridge", true, false, false, true},
		{"GRANT UPDATE (local_cseq) ON active_watchers TO bridge", true, true, false, true},
		{"CREATE SCHEMA proxy; ALTER TABLE active_watchers SET SCHEMA proxy", false, false, true, false},
	} {
		s.exec(t, c.grant)
		in := s.inspect(t, Config{})
		if in.CanSelect != c.read || in.CanUpdate != c.write || in.Exists != c.fit || in.User != "bridge" {
			t.Errorf("after %s: %+v", c.grant, in)
		}
		if slices.Equal(in.Elsewhere, []string{"proxy.active_watchers"}) != c.elsewhere {
			t.Errorf("after %s: elsewhere %v", c.grant, in.Elsewhere)
		}
	}
	if strings.Contains(server.Log(), "ERROR") {
		t.Errorf("the server's log:\n%s", server.Log())
	}
	in, err := Inspect(t.Context(), Config{URL: s.url, Table: "proxy.active_watchers"})
	if code(err) != "42501" || in.Server == "" {
		t.Errorf("in a closed schema: %+v, %v", in, err)
	}
	s.url = strings.Replace(s.url, "hunter2", "hunter3", 1)
	in, err = Inspect(t.Context(), Config{URL: s.url})
	if code(err) != "28P01" || in.Server != "" || strings.Contains(err.Error(), "hunter") {
		t.Errorf("a wrong password: %+v, %v", in, err)
	}
}

// What had been found comes with the error.
func TestInspectLocked(t *testing.T) {
	db := engines[1].open(t, "kamailio")
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec("LOCK TABLE active_watchers"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	in, err := Inspect(ctx, Config{URL: db.url})
	if !errors.Is(err, context.DeadlineExceeded) || in.Flavour != Kamailio || in.Index == "" || in.Domains != nil {
		t.Errorf("%+v, %v", in, err)
	}
}

// Looking leaves an SQLite file as it is, and waits for no writer.
func TestInspectSQLiteLeavesItAlone(t *testing.T) {
	db := engines[0].open(t, "kamailio")
	mode := func() (m string) {
		if err := db.QueryRow("PRAGMA journal_mode").Scan(&m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	before := mode()
	db.inspect(t, Config{})
	if before == "wal" || mode() != before {
		t.Errorf("the journal mode was %s, now it is %s", before, mode())
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec("UPDATE active_watchers SET status = 3"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if in, err := Inspect(ctx, Config{URL: db.url}); err != nil || !in.CanUpdate || in.Domains == nil {
		t.Errorf("while another writes: %+v, %v", in, err)
	}
}

func TestInspectSQLiteReadOnly(t *testing.T) {
	db := engines[0].open(t, "kamailio")
	s := db.store(t, Config{}).(*sqliteStore)
	s.db.Close() // root may write anything: the mode of opening stands in for the file's
	path := strings.TrimPrefix(db.url, "sqlite:")
	var err error
	if s.db, err = sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=ro"); err != nil {
		t.Fatal(err)
	}
	if in, err := s.inspect(t.Context()); err != nil || in.CanUpdate || !in.ReadOnly || !in.CanSelect {
		t.Errorf("%+v, %v", in, err)
	}
}
