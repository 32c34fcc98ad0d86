package watchers

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"zonkeymwi/internal/pgtest"
)

// ownServer is an OpenSIPS database in a server that the test may stop.
func ownServer(t *testing.T) (*pgtest.Server, subject, AoR) {
	t.Helper()
	server := pgtest.NewServer(t)
	e := engine{"postgres", func(testing.TB) string { return server.URL("postgres") }, "postgres"}
	db := e.open(t, "opensips")
	a := user("a")
	db.insert(t, a, row{})
	return server, subject{db, db.store(t, Config{MaxConns: 4}), false}, a
}

// busy makes s open all its connections: each caller waits until all have one.
func busy(t *testing.T, s subject, a AoR) {
	t.Helper()
	db := s.database
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("LOCK TABLE active_watchers"); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { s.one(t, a) })
	}
	for waiting := 0; waiting < 4; {
		if err := tx.QueryRow("SELECT count(*) FROM pg_locks WHERE NOT granted").Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
}

func TestPostgresConnectionsTerminated(t *testing.T) {
	_, s, a := ownServer(t)
	busy(t, s, a)
	var ended int
	err := s.QueryRow(`SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE application_name = 'zonkeymwi'`).Scan(&ended)
	if err != nil || ended != 4 {
		t.Fatalf("ended %d connections, want 4: %v", ended, err)
	}
	if _, err := s.Dialogs(t.Context(), []AoR{a}); err == nil {
		t.Error("a lookup on a dead connection succeeded: is it retried now? Then say so")
	}
	s.one(t, a) // one error for all four connections
}

func TestPostgresStoppedAndBack(t *testing.T) {
	server, s, a := ownServer(t)
	d := s.one(t, a)
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

func TestPostgresRestartedBehindOurBack(t *testing.T) {
	server, s, a := ownServer(t)
	busy(t, s, a)
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	s.Dialogs(t.Context(), []AoR{a}) // may notice the loss; the next may not
	s.one(t, a)
}

// A server that no longer answers holds a caller up to its deadline only.
func TestPostgresPaused(t *testing.T) {
	server, s, a := ownServer(t)
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

// In a LATIN1 database, say, bytes are the
// proxy's as they are, and a name that LATIN1 lacks does not take the batch down.
func TestPostgresOtherEncoding(t *testing.T) {
	server := pgtest.NewServer(t)
	if err := server.Exec("postgres", "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"); err != nil {
		t.Fatal(err)
	}
	e := engine{"postgres", func(testing.TB) string { return server.URL("latin") }, "postgres"}
	db := e.open(t, "opensips")
	a, chinese := user("é"), user("世界")
	db.insert(t, a, row{})
	db.insert(t, chinese, row{})
	for _, byWatcher := range []bool{false, true} {
		s := subject{db, db.store(t, Config{ByWatcher: byWatcher}), byWatcher}
		if found := s.dialogs(t, a, chinese, user("世")); len(found[a]) != 1 || len(found[chinese]) != 1 {
			t.Errorf("by watcher %v: found %v", byWatcher, found)
		}
	}
}

// An unreachable server holds a caller up for connectTimeout, or what the URL says.
func TestPostgresConnectTimeout(t *testing.T) {
	for url, want := range map[string]time.Duration{
		"postgres://127.0.0.1/db":                   connectTimeout,
		"postgres://127.0.0.1/db?connect_timeout=9": 9 * time.Second,
	} {
		s, err := Open(Config{URL: url, MaxConns: 7})
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		config := s.(*postgres).pool.Config()
		if got := config.ConnConfig.ConnectTimeout; got != want || config.MaxConns != 7 {
			t.Errorf("%s: %v and %d connections, want %v and 7", url, got, config.MaxConns, want)
		}
	}
}

func TestPostgresReplica(t *testing.T) {
	db := engines[1].open(t, "kamailio")
	u, _ := url.Parse(db.url)
	q := u.Query()
	q.Set("default_transaction_read_only", "on")
	u.RawQuery = q.Encode()
	db.url = u.String()
	_, err := db.store(t, Config{}).NextCSeq(t.Context(), []Dialog{{}})
	wantError(t, err, "read-only", "target_session_attrs=read-write")
}

// PgBouncer in transaction mode runs a statement where it was not prepared.
func TestPostgresPreparedStatementLost(t *testing.T) {
	db := engines[1].open(t, "opensips")
	s := subject{db, db.store(t, Config{MaxConns: 1}), false}
	s.dialogs(t, user("a"))
	if _, err := s.Store.(*postgres).pool.Exec(t.Context(), "DEALLOCATE ALL"); err != nil {
		t.Fatal(err)
	}
	_, err := s.Dialogs(t.Context(), []AoR{user("a")})
	wantError(t, err, "default_query_exec_mode=exec")
}

// The presentity lookup reads an index, whether PostgreSQL plans for the batch at hand or for any.
func TestPostgresPlan(t *testing.T) {
	many := "'{" + strings.Join(newBatch(filled(500), false).pgArgs()[0].([]string), ",") + "}'"
	for flavour, index := range map[string]string{"opensips": "active_watchers_active_watchers_idx", "kamailio": "active_watchers_active_watchers_pres"} {
		db := engines[1].open(t, flavour)
		db.migrate(t)
		db.fill(t, 100_000)
		db.fillLedger(t)
		s := db.store(t, Config{}).(*postgres)
		for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
			checkPlan(t, s, s.many, many, mode, index, "presentity_uri)::text = ANY")
			checkPlan(t, s, s.one, "'sip:u1@example.com'", mode, index, "presentity_uri)::text = ")
		}
	}
}

func checkPlan(t *testing.T, s *postgres, lookup pgLookup, arg, mode, index, condition string) {
	t.Helper()
	withLedger := explainPlan(t, s, lookup.withLedger, arg, mode)
	for _, plan := range []string{explainPlan(t, s, lookup.plain, arg, mode), withLedger} {
		if !strings.Contains(plan, index) || !strings.Contains(plan, condition) || strings.Contains(plan, "Seq Scan") {
			t.Errorf("%s, %s:\n%.300s", index, mode, plan)
		}
		if generic := strings.Contains(plan, "$1"); generic != (mode == "force_generic_plan") {
			t.Errorf("%s: not that plan:\n%.300s", mode, plan)
		}
	}
	if !strings.Contains(withLedger, "zonkeymwi_ledger_pkey") {
		t.Errorf("%s, %s: the ledger's index is not used:\n%s", index, mode, withLedger)
	}
}

// One AoR's plan is made five times at most, and then kept; a batch's is made each time.
func TestPostgresKeepsThePlanOfOne(t *testing.T) {
	db := engines[1].open(t, "opensips")
	db.fill(t, 1000)
	s := subject{db, db.store(t, Config{MaxConns: 1}), false}
	for i := range 50 {
		s.dialogs(t, user(fmt.Sprint("u", i+1)))
	}
	var kept, made int
	err := s.Store.(*postgres).pool.QueryRow(t.Context(), "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement LIKE 'SELECT w.%= $1::text%'").Scan(&kept, &made)
	if err != nil || kept != 45 || made != 5 {
		t.Errorf("%d kept, %d made, %v", kept, made, err)
	}
}

func explainPlan(t *testing.T, s *postgres, lookup, arg, mode string) string {
	t.Helper()
	conn, err := s.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for _, statement := range []string{"SET plan_cache_mode = " + mode, "DEALLOCATE ALL", "PREPARE lookup AS " + lookup} {
		if _, err := conn.Exec(t.Context(), statement, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := conn.Query(t.Context(), "EXPLAIN EXECUTE lookup("+arg+")", pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	if err := scanStrings(rows, &lines); err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}
