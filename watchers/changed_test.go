package watchers

import (
	"database/sql"
	"math"
	"slices"
	"strings"
	"testing"

	"zonkeymwi/internal/pgtest"
)

// poll asks what changed and moves the mark; the AoRs are in order.
func (s subject) poll(t *testing.T, mark *Mark) []AoR {
	t.Helper()
	aors, next, err := s.Changed(t.Context(), *mark)
	if err != nil || next == (Mark{}) {
		t.Fatalf("next %v, %v", next, err)
	}
	*mark = next
	slices.SortFunc(aors, func(a, b AoR) int { return strings.Compare(a.User, b.User) })
	return aors
}

// settled is the mark when nothing has changed since: a transaction of the
// server's own, such as an ANALYZE, may make a poll or two say more.
func (s subject) settled(t *testing.T) (mark Mark) {
	t.Helper()
	s.poll(t, &mark)
	for range 100 {
		if len(s.poll(t, &mark)) == 0 {
			return mark
		}
	}
	t.Fatal("it changes and changes")
	return mark
}

func changed(t *testing.T, s subject) {
	var mark Mark
	a, b, c := user("changed a"), user("changed b"), user("changed c")
	s.insert(t, a, row{"callid": "ch-a"})
	if got := s.poll(t, &mark); len(got) != 0 {
		t.Errorf("after the zero mark: %v", got)
	}
	mark = s.settled(t)
	for _, step := range []struct {
		do   string
		want []AoR
	}{
		{"SELECT 1", nil},
		{"UPDATE active_watchers SET expires = expires + 1 WHERE callid = 'ch-a'", []AoR{a}},
		{"SELECT 1", nil},
		{"UPDATE active_watchers SET remote_cseq = remote_cseq + 1 WHERE callid = 'ch-a'", []AoR{a}},
		{"UPDATE active_watchers SET contact = 'sip:moved' WHERE callid = 'ch-a'", []AoR{a}},
		{"UPDATE active_watchers SET status = 2 WHERE callid = 'ch-a'", []AoR{a}},
		{"", []AoR{b, c}},
		{"UPDATE active_watchers SET expires = expires + 1 WHERE callid LIKE 'ch-_'", []AoR{a, b, c}},
		{"DELETE FROM active_watchers WHERE callid = 'ch-b'", nil},
	} {
		if step.do != "" {
			s.exec(t, step.do)
		} else {
			s.insert(t, b, row{"callid": "ch-b"})
			s.insert(t, c, row{"callid": "ch-c"})
			s.insert(t, c, row{})
			s.insert(t, user("changed d"), row{"event": "presence"})
		}
		if got := s.poll(t, &mark); !slices.Equal(got, step.want) {
			t.Errorf("%s: got %v, want %v", step.do, got, step.want)
		}
	}
}

func changedOdd(t *testing.T, s subject) {
	mark := s.settled(t)
	phone := user("odd phone")
	for _, uri := range []string{"", "tel:+441", "sip:nobody", "sips:a@b", "sip:@example.com", "sip:*97@example.com", "sip:a@b@c"} {
		s.insert(t, phone, row{"presentity_uri": uri})
	}
	want := []AoR{user("*97"), {"a@b", "c"}}
	if s.byWatcher {
		want = []AoR{phone}
	}
	if got := s.poll(t, &mark); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// What is NULL in a table that somebody has altered, or in a view, fails no poll, nor the trigger.
func TestChangedNULLs(t *testing.T) {
	for _, e := range engines {
		db := e.open(t, "")
		db.exec(t, "CREATE TABLE active_watchers ("+strings.Join(needed(), " TEXT, ")+" TEXT)")
		db.migrate(t)
		s := subject{db, db.store(t, Config{}), false}
		mark := s.settled(t)
		db.exec(t, "INSERT INTO active_watchers (event) VALUES ('message-summary')")
		db.exec(t, "INSERT INTO active_watchers (event, presentity_uri) VALUES ('message-summary', 'sip:a@example.com')")
		if got := s.poll(t, &mark); !slices.Equal(got, []AoR{user("a")}) {
			t.Errorf("%s: %v", e.name, got)
		}
		db.exec(t, "UPDATE active_watchers SET contact = 'sip:c'")
		if got := s.poll(t, &mark); !slices.Equal(got, []AoR{user("a")}) {
			t.Errorf("%s: %v", e.name, got)
		}
	}
}

// begin is a transaction that has a number already.
func (d *database) begin(t *testing.T) *sql.Tx {
	t.Helper()
	tx, err := d.Begin()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tx.Rollback() })
	run(t, tx, "SELECT pg_current_xact_id()")
	return tx
}

func run(t *testing.T, tx *sql.Tx, statement string) {
	t.Helper()
	if _, err := tx.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

func postgresSubject(t *testing.T) subject {
	t.Helper()
	db := engines[1].open(t, "opensips")
	return subject{db, db.store(t, Config{}), false}
}

// What a poll did not see, because it was not committed, the next one does,
// though later transactions have been seen meanwhile.
func TestPostgresChangedCommittedLate(t *testing.T) {
	s := postgresSubject(t)
	early, late, nested := user("early"), user("late"), user("nested")
	for _, a := range []AoR{early, late, nested} {
		s.insert(t, a, row{"callid": a.User})
	}
	mark := s.settled(t)
	tx := s.begin(t)
	run(t, tx, "UPDATE active_watchers SET expires = expires + 1 WHERE callid = 'late'")
	run(t, tx, "SAVEPOINT sub")
	run(t, tx, "UPDATE active_watchers SET expires = expires + 1 WHERE callid = 'nested'")
	run(t, tx, "RELEASE sub")
	s.exec(t, "UPDATE active_watchers SET expires = expires + 1 WHERE callid = 'early'")
	if got := s.poll(t, &mark); !slices.Equal(got, []AoR{early}) {
		t.Errorf("while one is open: %v", got)
	}
	if got := s.poll(t, &mark); len(got) != 0 {
		t.Errorf("told again of %v", got)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := s.poll(t, &mark); !slices.Equal(got, []AoR{late, nested}) {
		t.Errorf("after it committed: %v", got)
	}
	if got := s.poll(t, &mark); len(got) != 0 {
		t.Errorf("told again of %v", got)
	}
	if mark.seen != nil {
		t.Errorf("%d rows are still remembered", len(*mark.seen))
	}
}

// Somebody's transaction that stays open has nothing told twice, and nothing kept untold.
func TestPostgresChangedWhileOneStaysOpen(t *testing.T) {
	s := postgresSubject(t)
	mark := s.settled(t)
	s.begin(t)
	a, b := user("a"), user("b")
	s.insert(t, a, row{"callid": "a"})
	for _, want := range [][]AoR{{a}, nil, {a}, {a, b}, nil} {
		switch {
		case len(want) == 2:
			s.insert(t, b, row{})
			fallthrough
		case len(want) == 1:
			s.exec(t, "UPDATE active_watchers SET expires = expires + 1 WHERE callid = 'a'")
		}
		if got := s.poll(t, &mark); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

// Where marks cannot be compared, every row is told of.
func TestPostgresChangedElsewhere(t *testing.T) {
	s := postgresSubject(t)
	a := user("a")
	s.insert(t, a, row{})
	for name, spoil := range map[string]func(*Mark){
		"another server":            func(m *Mark) { m.server-- },
		"a server that lost some":   func(m *Mark) { m.xid += 1000 },
		"transactions long ago":     func(m *Mark) { m.xid -= 1<<31 + 1 },
		"another server, same rows": func(m *Mark) { m.server--; m.seen = s.everyVersion(t) },
	} {
		mark := s.settled(t)
		spoil(&mark)
		if got := s.poll(t, &mark); !slices.Equal(got, []AoR{a}) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// everyVersion remembers all rows as told of.
func (s subject) everyVersion(t *testing.T) *seen {
	t.Helper()
	var version string
	if err := s.QueryRow("SELECT xmin::text || ctid::text FROM active_watchers").Scan(&version); err != nil {
		t.Fatal(err)
	}
	return &seen{s.table().hash(version): {}}
}

func TestPostgresChangedErrors(t *testing.T) {
	s := postgresSubject(t)
	mark := s.settled(t)
	s.exec(t, "ALTER TABLE active_watchers RENAME TO real; CREATE VIEW active_watchers AS SELECT * FROM real")
	_, next, err := s.Changed(t.Context(), mark)
	if wantError(t, err, "active_watchers", "is it a view?"); next != mark {
		t.Errorf("the mark moved to %v", next)
	}
	s.exec(t, "DROP VIEW active_watchers")
	_, _, err = s.Changed(t.Context(), mark)
	wantError(t, err, "active_watchers", mendTable)
}

// The 32 bits of xmin are through between two polls, and nothing is lost or told twice.
func TestPostgresChangedWrapsAround(t *testing.T) {
	server := pgtest.NewServer(t)
	if err := server.Renumber(math.MaxUint32 - 100); err != nil {
		t.Fatal(err)
	}
	e := engine{"postgres", func(testing.TB) string { return server.URL("postgres") }, "postgres"}
	db := e.open(t, "opensips")
	s := subject{db, db.store(t, Config{}), false}
	a := user("a")
	s.insert(t, user("old"), row{})
	s.insert(t, a, row{"callid": "a"})
	mark := s.settled(t)
	if mark.xid > math.MaxUint32 {
		t.Fatalf("the first mark is %d already", mark.xid)
	}
	for mark.xid < math.MaxUint32+100 {
		for range 7 {
			s.exec(t, "UPDATE active_watchers SET expires = expires + 1 WHERE callid = 'a'")
		}
		if got := s.poll(t, &mark); !slices.Equal(got, []AoR{a}) {
			t.Errorf("at %d: %v", mark.xid, got)
		}
		if got := s.poll(t, &mark); len(got) != 0 {
			t.Errorf("at %d, told again: %v", mark.xid, got)
		}
	}
}
