package watchers

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// Applied twice, by Migrate and as printed, the same is there.
func TestMigrate(t *testing.T) {
	for _, e := range engines {
		for _, flavour := range []string{"opensips", "kamailio"} {
			t.Run(e.name+"/"+flavour, func(t *testing.T) {
				db := e.open(t, flavour)
				if in := db.inspect(t, Config{}); in.Trigger || in.Ledger || in.CanRecord {
					t.Errorf("before: %+v", in)
				}
				db.migrate(t)
				s := subject{db, db.store(t, Config{Ledger: true}), false}
				s.record(t, Entry{Key{"kept", "", ""}, fullAck})
				db.migrate(t)
				sql, err := Migrations(Config{URL: db.url})
				if err != nil || strings.Contains(sql, "{") && e.ddl == "sqlite" {
					t.Fatalf("%v\n%s", err, sql)
				}
				db.exec(t, sql)
				if in := db.inspect(t, Config{}); in.Trigger != (e.ddl == "postgres") || !in.Ledger || !in.CanRecord {
					t.Errorf("after: %+v", in)
				}
				var kept int
				if err := db.QueryRow("SELECT count(*) FROM zonkeymwi_ledger").Scan(&kept); err != nil || kept != 1 {
					t.Errorf("%d rows in the ledger, %v", kept, err)
				}
				db.exec(t, commented(t, sql, "DROP ", 1))
				if in := db.inspect(t, Config{}); in.Trigger || in.Ledger {
					t.Errorf("removed: %+v", in)
				}
				db.insert(t, user("a"), row{})
			})
		}
	}
}

// For publications alone the ledger needs no table of the proxy's.
func TestMigrateLedgerAlone(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			c := Config{URL: e.open(t, "").url, Ledger: true, NoTable: true}
			if err := Migrate(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			s, err := Open(c)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			key := Key{"sip:202@example.com", "", ""}
			if err := s.Record(t.Context(), []Entry{{key, fullAck}}); err != nil {
				t.Fatal(err)
			}
			if got, err := s.Acked(t.Context(), []Key{key}); err != nil || got[key] != fullAck {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// commented returns the statements in the comments of sql that begin so, at least n.
func commented(t *testing.T, sql, begin string, n int) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^-- +(`+begin+`[^;]*;)`).FindAllStringSubmatch(sql, -1)
	if len(found) < n {
		t.Fatalf("%d %sstatements in\n%s", len(found), begin, sql)
	}
	var statements []string
	for _, f := range found {
		statements = append(statements, f[1])
	}
	return strings.Join(statements, "\n")
}

// as returns the database seen by another role, who may log in.
func (d *database) as(t *testing.T, role string) *database {
	t.Helper()
	d.exec(t, `CREATE ROLE `+role+` LOGIN PASSWORD 'hunter2'`)
	t.Cleanup(func() { d.exec(t, "DROP OWNED BY "+role+" CASCADE"); d.exec(t, "DROP ROLE "+role) })
	u, _ := url.Parse(d.url)
	u.User = url.UserPassword(strings.Trim(role, `"`), "hunter2")
	other := *d
	other.url = u.String()
	return &other
}

// The proxy owns its table, in a schema that is not the first; the bridge has
// the rights that the comments name, and no more.
func TestMigrateRoles(t *testing.T) {
	db := engines[1].open(t, "opensips")
	proxy, bridge := db.as(t, `"the proxy"`), db.as(t, `bridge`)
	db.exec(t, `CREATE SCHEMA "of Proxy" AUTHORIZATION "the proxy"; GRANT USAGE ON SCHEMA "of Proxy" TO bridge;
ALTER TABLE active_watchers OWNER TO "the proxy"; ALTER TABLE active_watchers SET SCHEMA "of Proxy"`)
	path := "&search_path=" + strings.ReplaceAll(url.QueryEscape(`public,"of Proxy"`), "+", "%20")
	for _, d := range []*database{proxy, bridge} {
		d.url += path
	}
	err := Migrate(t.Context(), Config{URL: bridge.url})
	wantError(t, err, "active_watchers", "bridge", "owner", "--print")
	if strings.Contains(err.Error(), "hunter") {
		t.Errorf("%v shows the password", err)
	}
	proxy.migrate(t)
	proxy.migrate(t)

	config := Config{Ledger: true}
	s := subject{bridge, bridge.store(t, config), false}
	db.SetMaxOpenConns(1)
	db.exec(t, `SET search_path = "of Proxy"; GRANT SELECT ON active_watchers TO bridge`)
	a := user("a")
	db.insert(t, a, row{})
	d := s.one(t, a)
	wantError(t, s.LedgerErr(), ledgerTable, "GRANT SELECT, INSERT, UPDATE, DELETE", `TO "bridge"`)
	s.minuteLater()
	wantError(t, s.surveyErr(t), ledgerTable, "GRANT SELECT, INSERT, UPDATE, DELETE", `TO "bridge"`)
	if in := bridge.inspect(t, config); !in.Trigger || !in.Ledger || in.CanRecord {
		t.Errorf("before the grants: %+v", in)
	}
	sql, err := Migrations(Config{URL: bridge.url})
	if err != nil {
		t.Fatal(err)
	}
	db.exec(t, commented(t, sql, "GRANT ", 3))
	if in := bridge.inspect(t, config); !in.CanRecord {
		t.Errorf("after the grants: %+v", in)
	}
	s.minuteLater()
	s.record(t, Entry{d.Key, fullAck})
	if d := s.one(t, a); d.Acked != fullAck || s.LedgerErr() != nil {
		t.Errorf("%+v, %v", d, s.LedgerErr())
	}
	if _, err := s.Prune(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := s.NextCSeq(t.Context(), []Dialog{d}); err != nil {
		t.Error(err)
	}
	mark := s.settled(t)
	h := s.listen(t)
	db.exec(t, `SET ROLE "the proxy"; UPDATE "of Proxy".active_watchers SET expires = expires + 1; RESET ROLE`)
	if heard := h.until(t, a); heard != nil {
		t.Errorf("heard %v", heard)
	}
	if got := s.poll(t, &mark); len(got) != 1 {
		t.Errorf("changed: %v", got)
	}
}

func TestMigrateRefuses(t *testing.T) {
	for _, e := range engines {
		if e.ddl == "postgres" {
			wantError(t, Migrate(t.Context(), Config{URL: e.open(t, "").url}), "active_watchers", mendTable)
		}
		db := e.open(t, "opensips")
		wantError(t, Migrate(t.Context(), Config{URL: db.url, Table: "no such"}), "no such")
	}
	_, err := Migrations(Config{URL: "http://x"})
	wantError(t, err, "must begin with")
}

// Somebody's long transaction is not waited for: the proxy would have to wait too.
func TestMigrateTableInUse(t *testing.T) {
	db := engines[1].open(t, "opensips")
	run(t, db.begin(t), "UPDATE active_watchers SET status = 1")
	wantError(t, Migrate(t.Context(), Config{URL: db.url}), "active_watchers", "lock timeout", "a long transaction")
	if in := db.inspect(t, Config{}); in.Trigger || in.Ledger {
		t.Errorf("half of it is there: %+v", in)
	}
}

// A role's name cannot leave its comment.
func TestMigrationsHostileRole(t *testing.T) {
	sql, err := Migrations(Config{URL: "postgres://a%0ADROP%22TABLE@127.0.0.1/db"})
	if err != nil || !strings.Contains(sql, `TO "aDROP""TABLE";`) {
		t.Errorf("%v\n%s", err, sql)
	}
}
