package watchers

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"zonkeymwi/internal/mytest"
)

const mysqlEngine = 3 // of engines

// ownMySQL is a Kamailio database in a server that the test may stop.
func ownMySQL(t *testing.T) (*mytest.Server, subject, AoR) {
	t.Helper()
	server := mytest.NewServer(t)
	if err := server.CreateDB("kamailio"); err != nil {
		t.Fatal(err)
	}
	db := engine{"mysql", func(testing.TB) string { return server.URL("kamailio") }, "mysql"}.open(t, "kamailio")
	db.SetMaxIdleConns(0)
	a := user("a")
	db.insert(t, a, row{})
	return server, subject{db, db.store(t, Config{MaxConns: 4}), false}, a
}

// mysqlBusy has s keep four idle connections.
func mysqlBusy(t *testing.T, s subject) {
	t.Helper()
	db := s.Store.(*mysqlStore).db
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := db.ExecContext(t.Context(), "DO sleep(0.2)"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := db.Stats().Idle; n != 4 {
		t.Fatalf("%d idle connections", n)
	}
}

func TestMySQLConnectionsLost(t *testing.T) {
	server, s, a := ownMySQL(t)
	d := s.one(t, a)
	mysqlBusy(t, s)
	ids, err := s.Query("SELECT id FROM information_schema.processlist WHERE user = 'root' AND id <> connection_id()")
	if err != nil {
		t.Fatal(err)
	}
	var kill []string
	if err := scanStrings(ids, &kill); err != nil || len(kill) != 4 {
		t.Fatalf("connections %v, %v", kill, err)
	}
	for _, id := range kill {
		s.exec(t, "KILL "+id)
	}
	if got := s.one(t, a); got != d { // the driver sees that they are closed
		t.Errorf("got %+v", got)
	}

	mysqlBusy(t, s)
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	s.one(t, a)

	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.Dialogs(t.Context(), []AoR{a}); err == nil || !strings.HasPrefix(err.Error(), "database: ") {
			t.Errorf("without a server: %v", err)
		}
		if _, err := s.NextCSeq(t.Context(), []Dialog{d}); err == nil {
			t.Error("without a server: NextCSeq succeeded")
		}
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	if got := s.one(t, a); got != d {
		t.Errorf("got %+v, want %+v", got, d)
	}
}

// A connection that ends in the middle of a statement costs one error, not one each.
func TestMySQLConnectionLostInUse(t *testing.T) {
	_, s, a := ownMySQL(t)
	mysqlBusy(t, s)
	tx, err := s.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	d := s.one(t, a)
	run(t, tx, "UPDATE active_watchers SET status = 1, expires = expires + 1")
	failed := make(chan error, 1)
	go func() { _, err := s.NextCSeq(t.Context(), []Dialog{d}); failed <- err }()
	var id string
	for id == "" {
		s.QueryRow("SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT callid%FOR UPDATE'").Scan(&id)
	}
	s.exec(t, "KILL "+id)
	if err := <-failed; err == nil {
		t.Error("its connection was killed, and it succeeded")
	}
	if n := s.Store.(*mysqlStore).db.Stats().Idle; n != 0 {
		t.Errorf("%d connections are still trusted", n)
	}
	s.one(t, a)
}

// A server that no longer answers holds a caller up to its deadline only.
func TestMySQLPaused(t *testing.T) {
	server, s, a := ownMySQL(t)
	s.one(t, a)
	if err := server.Pause(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.Dialogs(ctx, []AoR{a}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("from a paused server: %v", err)
	}
	if err := server.Resume(); err != nil {
		t.Fatal(err)
	}
	s.one(t, a)
}

// A primary that is demoted says so, and its connections are given up: a name or
// an address that has moved leads to the new one. What it holds can be read.
func TestMySQLReadOnly(t *testing.T) {
	_, s, a := ownMySQL(t)
	s.migrate(t)
	s.exec(t, "CREATE USER bridge IDENTIFIED BY 'hunter2'; GRANT SELECT, INSERT, UPDATE, DELETE ON kamailio.* TO bridge")
	bridge := s.as(t, "bridge")
	s.Store = bridge.store(t, Config{MaxConns: 4})
	mysqlBusy(t, s)
	d := s.one(t, a)
	s.exec(t, "SET GLOBAL read_only = 1")
	_, err := s.NextCSeq(t.Context(), []Dialog{d})
	wantError(t, err, "active_watchers", "1290", "read-only", "the primary")
	if n := s.Store.(*mysqlStore).db.Stats().Idle; n != 0 {
		t.Errorf("%d connections are still trusted", n)
	}
	wantError(t, s.Record(t.Context(), []Entry{{d.Key, fullAck}}), "read-only", "the primary")
	if in := bridge.inspect(t, Config{}); !in.ReadOnly || !in.CanRecord {
		t.Errorf("inspected %+v", in)
	}
	if got := s.one(t, a); got != d {
		t.Errorf("got %+v", got)
	}
	s.exec(t, "SET GLOBAL read_only = 0")
	if drawn, err := s.NextCSeq(t.Context(), []Dialog{d}); err != nil || drawn[d.Key] != 3 {
		t.Errorf("drew %v, %v", drawn, err)
	}
}

// as is the database seen by another account, which there is.
func (s subject) as(t *testing.T, user string) *database {
	t.Helper()
	u, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(user, "hunter2")
	other := *s.database
	other.url = u.String()
	return &other
}

// While NextCSeq waits for a lock, the proxy may insert; and whoever goes while it
// waits lets go of the locks it has, for which the proxy would wait.
func TestMySQLLocksAreLetGo(t *testing.T) {
	_, s, a := ownMySQL(t)
	s.insert(t, a, row{"callid": "zzz"})
	dialogs := s.dialogs(t, a)[a]
	tx, err := s.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	run(t, tx, "UPDATE active_watchers SET version = version + 1 WHERE callid = 'zzz'")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { _, err := s.NextCSeq(ctx, dialogs); ended <- err }()
	s.awaitLock(t)
	start := time.Now()
	s.insert(t, user("0"), row{"callid": "aaa"}) // just before the others in each index
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("an insert waited %v", took)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	start = time.Now()
	s.exec(t, "UPDATE active_watchers SET version = version + 1 WHERE callid = 'call-1'")
	if took := time.Since(start); took > 8*time.Second {
		t.Errorf("the proxy waited %v", took)
	}
}

// InnoDB ends one of two transactions that wait for each other: it is tried again.
func TestMySQLDeadlock(t *testing.T) {
	_, s, a := ownMySQL(t)
	s.insert(t, user("b"), row{"callid": "second"})
	s.exec(t, "CREATE TABLE ballast (x INT); INSERT INTO ballast SELECT 1 FROM information_schema.columns LIMIT 500")
	dialogs := append(s.dialogs(t, a)[a], s.dialogs(t, user("b"))[user("b")]...)
	tx, err := s.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	run(t, tx, "UPDATE ballast SET x = 2") // InnoDB ends the one that has changed less
	run(t, tx, "UPDATE active_watchers SET version = 1 WHERE callid = 'second'")
	drawn := make(chan map[Key]uint32, 1)
	go func() {
		numbers, err := s.NextCSeq(t.Context(), dialogs)
		if err != nil {
			t.Error(err)
		}
		drawn <- numbers
	}()
	s.awaitLock(t)
	run(t, tx, "UPDATE active_watchers SET version = 1 WHERE callid = 'call-1'")
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := <-drawn; len(got) != 2 || got[dialogs[0].Key] != 3 {
		t.Errorf("drew %v", got)
	}
	if n := s.deadlocks(t); n != 1 {
		t.Errorf("%d deadlocks, want 1", n)
	}
}

// awaitLock returns when somebody waits for a lock. (innodb_lock_waits is a cache
// that is not renewed while it is read more than ten times a second.)
func (s subject) awaitLock(t *testing.T) {
	t.Helper()
	for waits := 0; waits == 0; {
		if err := s.QueryRow("SELECT count FROM information_schema.innodb_metrics WHERE name = 'lock_row_lock_current_waits'").Scan(&waits); err != nil {
			t.Fatal(err)
		}
	}
}

func (s subject) deadlocks(t *testing.T) (n int) {
	t.Helper()
	if err := s.QueryRow("SELECT count FROM information_schema.innodb_metrics WHERE name = 'lock_deadlocks'").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// The server's modes are not ours.
func TestMySQLModes(t *testing.T) {
	server := mytest.NewServer(t)
	if err := server.Exec("", "SET GLOBAL sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH'; CREATE DATABASE opensips"); err != nil {
		t.Fatal(err)
	}
	db := engine{"mysql", func(testing.TB) string { return server.URL("opensips") }, "mysql"}.open(t, "opensips")
	db.migrate(t)
	s := subject{db, db.store(t, Config{Ledger: true}), false}
	everyColumn(t, s)
	hostileBytes(t, s)
	ledgerHostile(t, s)
}
