package watchers

import (
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// With the least rights: what is missing is told, with the statement that grants it.
func TestMySQLRights(t *testing.T) {
	_, s, a := ownMySQL(t)
	s.exec(t, "CREATE USER bridge@127.0.0.1 IDENTIFIED BY 'hunter2'; CREATE TABLE theirs (x INT); GRANT SELECT ON theirs TO bridge@127.0.0.1")
	bridge := s.as(t, "bridge")
	s.Store = bridge.store(t, Config{})
	_, err := s.Dialogs(t.Context(), []AoR{a})
	wantError(t, err, "active_watchers", "SELECT command denied", "GRANT SELECT ON `active_watchers` TO 'bridge'@'%'", "CURRENT_USER()")
	s.exec(t, "GRANT SELECT ON active_watchers TO bridge@127.0.0.1")
	d := s.one(t, a)
	_, err = s.NextCSeq(t.Context(), []Dialog{d})
	wantError(t, err, "active_watchers", "denied", "GRANT SELECT, UPDATE ON `active_watchers` TO 'bridge'@'%'")
	s.exec(t, "GRANT UPDATE (local_cseq) ON active_watchers TO bridge@127.0.0.1")
	if _, err := s.NextCSeq(t.Context(), []Dialog{d}); err != nil {
		t.Error(err)
	}
	if got, err := s.Flavour(t.Context()); err != nil || got != Kamailio {
		t.Errorf("%v, %v", got, err)
	}

	bridge.url = strings.Replace(bridge.url, "hunter2", "hunter3", 1)
	for _, err := range []error{
		func() error { _, err := bridge.store(t, Config{}).Dialogs(t.Context(), []AoR{a}); return err }(),
		func() error { _, err := Inspect(t.Context(), Config{URL: bridge.url}); return err }(),
	} {
		if wantError(t, err, "Access denied", "bridge"); strings.Contains(err.Error(), "hunter") {
			t.Errorf("%v shows the password", err)
		}
	}
}

func TestInspectMySQLRights(t *testing.T) {
	_, s, _ := ownMySQL(t)
	s.exec(t, "CREATE USER bridge@127.0.0.1 IDENTIFIED BY 'hunter2'; CREATE TABLE theirs (x INT); GRANT SELECT ON theirs TO bridge@127.0.0.1")
	bridge := s.as(t, "bridge")
	for _, grant := range []string{"DO 1", "GRANT SELECT (callid) ON active_watchers TO bridge@127.0.0.1"} {
		s.exec(t, grant)
		in, err := Inspect(t.Context(), Config{URL: bridge.url})
		if wantError(t, err, "denied", "GRANT SELECT ON `active_watchers`"); in.Exists || in.Missing != nil || in.User != "bridge@127.0.0.1" || in.Grantee != "'bridge'@'127.0.0.1'" {
			t.Errorf("after %s: %+v", grant, in)
		}
	}
	for _, c := range []struct {
		grant       string
		read, write bool
	}{
		{"GRANT INSERT ON active_watchers TO bridge@127.0.0.1", false, false},
		{"GRANT SELECT ON active_watchers TO bridge@127.0.0.1", true, false},
		{"GRANT UPDATE (status) ON active_watchers TO bridge@127.0.0.1", true, false},
		{"GRANT UPDATE (local_cseq) ON active_watchers TO bridge@127.0.0.1", true, true},
	} {
		s.exec(t, c.grant)
		in := bridge.inspect(t, Config{})
		if in.CanSelect != c.read || in.CanUpdate != c.write || !in.Exists || in.Flavour != Kamailio || in.Index == "" {
			t.Errorf("after %s: %+v", c.grant, in)
		}
	}
	s.exec(t, "CREATE DATABASE proxy; RENAME TABLE active_watchers TO proxy.active_watchers; GRANT ALL ON proxy.* TO bridge@127.0.0.1; GRANT ALL ON kamailio.* TO bridge@127.0.0.1")
	if in := bridge.inspect(t, Config{}); in.Exists || !slices.Equal(in.Elsewhere, []string{"proxy.active_watchers"}) {
		t.Errorf("elsewhere: %+v", in)
	}
	s.exec(t, "CREATE VIEW active_watchers AS SELECT * FROM proxy.active_watchers")
	if in := bridge.inspect(t, Config{}); in.CreateIndex != "" || in.Domains == nil {
		t.Errorf("a view: %+v", in)
	}
	if in := bridge.inspect(t, Config{Table: "proxy.active_watchers"}); in.Index == "" || in.Table != "`proxy`.`active_watchers`" {
		t.Errorf("in another database: %+v", in)
	}
}

// The bridge has the rights that the comments name, and no more.
func TestMigrateMySQLRoles(t *testing.T) {
	_, s, a := ownMySQL(t)
	s.exec(t, "CREATE USER bridge IDENTIFIED BY 'hunter2'; GRANT SELECT ON active_watchers TO bridge")
	bridge, config := s.as(t, "bridge"), Config{Ledger: true}
	err := Migrate(t.Context(), Config{URL: bridge.url})
	if wantError(t, err, "active_watchers", "bridge", "CREATE", "--print"); strings.Contains(err.Error(), "hunter") {
		t.Errorf("%v shows the password", err)
	}
	s.migrate(t)
	s.Store = bridge.store(t, config)
	d := s.one(t, a)
	wantError(t, s.LedgerErr(), ledgerTable, "GRANT SELECT, INSERT, UPDATE, DELETE ON `zonkeymwi_ledger` TO 'bridge'")
	s.minuteLater()
	wantError(t, s.surveyErr(t), ledgerTable, "GRANT SELECT, INSERT, UPDATE, DELETE ON `zonkeymwi_ledger` TO 'bridge'")
	if in := bridge.inspect(t, config); in.CanRecord {
		t.Errorf("without a right: %+v", in)
	}
	for _, right := range []string{"SELECT", "INSERT", "UPDATE"} {
		s.exec(t, "GRANT "+right+" ON zonkeymwi_ledger TO bridge")
		if in := bridge.inspect(t, config); !in.Ledger || in.CanRecord {
			t.Errorf("after %s: %+v", right, in)
		}
	}
	sql, err := Migrations(Config{URL: bridge.url})
	if err != nil {
		t.Fatal(err)
	}
	s.exec(t, commented(t, sql, "GRANT ", 3))
	if in := bridge.inspect(t, config); !in.CanRecord || !in.CanUpdate {
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
	s.insert(t, user("b"), row{})
	if got := s.poll(t, &mark); len(got) != 1 {
		t.Errorf("changed: %v", got)
	}

	hostile, err := Migrations(Config{URL: `mysql://a%0ADROP%27TABLE%5C@127.0.0.1/db`})
	if err != nil || !strings.Contains(hostile, `TO 'aDROP''TABLE\\'@'%';`) {
		t.Errorf("%v\n%s", err, hostile)
	}
}

// A server whose binary log is of statements says what to do.
func TestMySQLStatementLog(t *testing.T) {
	m := &mysqlStore{table: &table{name: "active_watchers"}}
	wantError(t, m.explain(&mysql.MySQLError{Number: 1665}, ""), "active_watchers", "binlog_format")
}
