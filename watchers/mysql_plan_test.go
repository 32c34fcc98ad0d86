package watchers

import (
	"fmt"
	"strings"
	"testing"
)

// The lookups read an index: with the most keys, in both character sets, and with the ledger.
func TestMySQLPlan(t *testing.T) {
	for _, e := range engines[mysqlEngine:] {
		for flavour, index := range map[string]string{"opensips": "active_watchers_idx", "kamailio": "active_watchers_pres"} {
			db := e.open(t, flavour)
			db.migrate(t)
			db.fill(t, 20_000)
			db.fillLedger(t)
			byURI, byWatcher := db.store(t, Config{}).(*mysqlStore), db.store(t, Config{ByWatcher: true}).(*mysqlStore)
			db.exec(t, db.inspect(t, Config{ByWatcher: true}).CreateIndex)
			aors := filled(mySize)
			var dialogs []any
			for _, a := range aors {
				n := a.User[1:]
				dialogs = append(dialogs, a.URI(), "call"+n+"@127.0.0.2", "server"+n, "phone"+n)
			}
			lookup, args := batch{aors: aors}.fill(byURI.lookup)
			withLog, _ := batch{aors: aors}.fill(byURI.withLog)
			watcher, pairs := batch{aors, true}.fill(byWatcher.lookup)
			for name, c := range map[string]struct {
				sql  string
				args []any
				want []string
			}{
				"Dialogs":            {lookup, args, []string{"w range " + index}},
				"Dialogs, ledger":    {withLog, args, []string{"w range " + index, "l eq_ref PRIMARY"}},
				"Dialogs by watcher": {watcher, pairs, []string{"w range zonkeymwi_lookup"}},
				"NextCSeq":           {anyOf(byURI.sql(myLock), myDialog, mySize), dialogs, []string{"active_watchers range active_watchers_"}},
				"NextCSeq, counting": {anyOf(byURI.sql(myDraw), myDialog, mySize), dialogs, []string{"active_watchers range active_watchers_"}},
			} {
				plan := byURI.plan(t, c.sql, c.args)
				for _, want := range c.want {
					if !strings.Contains(plan, want) {
						t.Errorf("%s, %s, %s:\n%s", e.name, flavour, name, plan)
					}
				}
			}
		}
	}
}

// plan is one line a table: its name, how it is read, and by which index.
func (m *mysqlStore) plan(t *testing.T, sql string, args []any) string {
	t.Helper()
	rows, err := m.db.QueryContext(t.Context(), "EXPLAIN "+sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var lines []string
	for rows.Next() {
		var id, kind, table, access, possible, key, length, ref, n, extra *string
		if err := rows.Scan(&id, &kind, &table, &access, &possible, &key, &length, &ref, &n, &extra); err != nil {
			t.Fatal(err)
		}
		text := func(s *string) string {
			if s == nil {
				return "NULL"
			}
			return *s
		}
		lines = append(lines, fmt.Sprint(text(table), " ", text(access), " ", text(key), " ", text(n), " ", text(extra)))
	}
	return strings.Join(lines, "\n")
}

// In a latin1 table, over a connection that is not, a name that latin1 lacks does
// not take its batch down.
func TestMySQLOtherCharset(t *testing.T) {
	for _, flavour := range []string{"opensips", "kamailio"} {
		db := engines[mysqlEngine+1].open(t, flavour)
		db.migrate(t)
		a, french := user("a"), user("é")
		db.insert(t, a, row{})
		db.url = strings.TrimSuffix(db.url, "?charset=latin1")
		db.DB = connect(t, db.url)
		db.insert(t, french, row{"callid": "é"})
		for _, byWatcher := range []bool{false, true} {
			s := subject{db, db.store(t, Config{ByWatcher: byWatcher, Ledger: true}), byWatcher}
			found := s.dialogs(t, user("世界"), a, user("世"), user("?"), french, user("🐴"))
			if len(found) != 2 || len(found[a]) != 1 || len(found[french]) != 1 {
				t.Errorf("%s, by watcher %v: found %v", flavour, byWatcher, found)
			}
			d := found[french][0]
			if drawn, err := s.NextCSeq(t.Context(), []Dialog{d}); err != nil || len(drawn) != 1 {
				t.Errorf("drew %v, %v", drawn, err)
			}
			s.record(t, Entry{d.Key, fullAck})
			if got := s.one(t, french); !got.HasAcked || s.LedgerErr() != nil {
				t.Errorf("%+v, %v", got, s.LedgerErr())
			}
		}
	}
}

// What is longer than the ledger's columns is left out, and takes nothing with it.
func TestMySQLLedgerHolds(t *testing.T) {
	db := engines[mysqlEngine].open(t, "kamailio")
	db.migrate(t)
	s := subject{db, db.store(t, Config{}), false}
	long := Key{strings.Repeat("é", 510), strings.Repeat("t", 512), strings.Repeat("f", 512)}
	longer := Key{long.CallID + "x", "", ""}
	s.record(t, Entry{long, Acked{Contact: strings.Repeat("c", 1<<16-1)}}, Entry{longer, fullAck}, Entry{Key{"huge", "", ""}, Acked{Contact: strings.Repeat("c", 1<<16)}})
	if got := s.acked(t, long, longer, Key{"huge", "", ""}); len(got) != 1 || len(got[long].Contact) != 1<<16-1 {
		t.Errorf("%d found", len(got))
	}
}
