// Package pgtest gives tests a real PostgreSQL: a temporary cluster on a
// loopback port, under an unprivileged user, with nothing left behind.
package pgtest

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// shared is the one cluster of a test binary: initdb takes a second, a new
// database in a running cluster 30 ms. Wrap ends it.
var shared struct {
	sync.Mutex
	wrapped   bool
	server    *Server
	databases int
}

// Wrap returns m so that its Run also stops the cluster that Start shares.
// Every package that calls Start needs it, inside goleak where that is used:
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Wrap(m)) }
func Wrap(m *testing.M) interface{ Run() int } {
	shared.wrapped = true
	return wrapped{m}
}

type wrapped struct{ m *testing.M }

func (w wrapped) Run() int {
	code := w.m.Run()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		return code
	}
	if err := shared.server.remove(); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		return max(code, 1)
	}
	shared.server = nil
	return code
}

// Start returns the URL, as superuser, of a fresh UTF-8 database in the cluster
// that all tests of this binary share; the database is dropped when t ends.
// Where PostgreSQL is not installed it skips t, or fails it if CI=true.
// A test that stops or pauses the server takes NewServer instead.
func Start(t testing.TB) (url string) {
	t.Helper()
	s, name := shareServer(t)
	if err := s.CreateDB(name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Exec("postgres", "DROP DATABASE "+quote(name)+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return s.URL(name)
}

// shareServer returns the shared cluster, started at the first call, and a database name not used before.
func shareServer(t testing.TB) (*Server, string) {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if !shared.wrapped {
		t.Fatal("pgtest.Start: TestMain must run the tests through pgtest.Wrap(m), which stops the server")
	}
	if shared.server == nil {
		shared.server = create(t)
	}
	shared.databases++
	return shared.server, fmt.Sprintf("test%d", shared.databases)
}

// NewServer returns a started cluster of t's own, which t may stop, restart and
// pause; it is removed when t ends. It skips and fails as Start does.
func NewServer(t testing.TB) *Server {
	t.Helper()
	s := create(t)
	t.Cleanup(func() {
		if err := s.remove(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func create(t testing.TB) *Server {
	t.Helper()
	bin := binaries()
	if bin == "" {
		lacking(t, "no PostgreSQL server on this machine: install Debian's package postgresql (initdb and postgres in /usr/lib/postgresql/*/bin or PATH)")
	}
	s, err := newServer(bin)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// lacking skips t, or fails it if CI=true.
func lacking(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// CreateDB makes the UTF-8 database name.
func (s *Server) CreateDB(name string) error {
	return s.Exec("postgres", "CREATE DATABASE "+quote(name))
}

// Exec runs SQL, one statement or many, as superuser in database db.
func (s *Server) Exec(db, sql string) error {
	return s.with(db, func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.PgConn().Exec(ctx, sql).ReadAll()
		return err
	})
}

func (s *Server) with(db string, f func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	c, err := pgx.Connect(ctx, s.URL(db))
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	return f(ctx, c)
}

func quote(name string) string {
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}
