// Package mytest gives tests a real MariaDB: a temporary server on a loopback
// port, under an unprivileged user, with nothing left behind.
package mytest

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// shared is the one server of a test binary: to make one takes seconds, a new
// database in it a millisecond. Wrap ends it.
var shared struct {
	sync.Mutex
	wrapped   bool
	server    *Server
	databases int
}

// Runner is testing.M, or what wraps it.
type Runner interface{ Run() int }

// Wrap returns m so that its Run also ends the server that Start shares. Every
// package that calls Start needs it, inside goleak where that is used:
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(mytest.Wrap(m)) }
func Wrap(m Runner) Runner {
	shared.wrapped = true
	return wrapped{m}
}

type wrapped struct{ m Runner }

func (w wrapped) Run() int {
	code := w.m.Run()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		return code
	}
	if err := shared.server.remove(); err != nil {
		fmt.Fprintln(os.Stderr, "mytest:", err)
		return max(code, 1)
	}
	shared.server = nil
	return code
}

// Start returns the URL, as root, of a fresh utf8mb4 database in the server that
// all tests of this binary share; the database is dropped when t ends.
// Where MariaDB is not installed it skips t, or fails it if CI=true.
// A test that stops or pauses the server takes NewServer instead.
func Start(t testing.TB) (url string) {
	t.Helper()
	s, name := shareServer(t)
	if err := s.CreateDB(name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Exec("", "DROP DATABASE "+quote(name)); err != nil {
			t.Error(err)
		}
	})
	return s.URL(name)
}

// shareServer returns the shared server, started at the first call, and a database name not used before.
func shareServer(t testing.TB) (*Server, string) {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if !shared.wrapped {
		t.Fatal("mytest.Start: TestMain must run the tests through mytest.Wrap(m), which ends the server")
	}
	if shared.server == nil {
		shared.server = create(t)
	}
	shared.databases++
	return shared.server, fmt.Sprintf("test%d", shared.databases)
}

// NewServer returns a started server of t's own, which t may stop, restart and
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
	install, err := exec.LookPath("mariadb-install-db")
	daemon := "/usr/sbin/mariadbd" // not in everybody's PATH
	if err == nil {
		if _, missing := os.Stat(daemon); missing != nil {
			daemon, err = exec.LookPath("mariadbd")
		}
	}
	if err != nil {
		what := "no MariaDB server on this machine: install Debian's package mariadb-server (mariadbd and mariadb-install-db)"
		if os.Getenv("CI") == "true" {
			t.Fatal(what)
		}
		t.Skip(what)
	}
	s, err := newServer(install, daemon)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// CreateDB makes the utf8mb4 database name.
func (s *Server) CreateDB(name string) error {
	return s.Exec("", "CREATE DATABASE "+quote(name)+" CHARACTER SET utf8mb4")
}

// Exec runs SQL, one statement or many, as root in database db, "" for none.
func (s *Server) Exec(db, statements string) error {
	pool, err := open(s.URL(db))
	if err != nil {
		return err
	}
	defer pool.Close()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	_, err = pool.ExecContext(ctx, statements)
	return err
}

// Open connects to a URL of Start's or a Server's, with another user perhaps and
// ?charset=latin1. An Exec may hold many statements. The pool is closed when t ends.
func Open(t testing.TB, url string) *sql.DB {
	t.Helper()
	pool, err := open(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close() })
	return pool
}

func open(address string) (*sql.DB, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	config := mysql.NewConfig()
	config.User = u.User.Username()
	config.Passwd, _ = u.User.Password()
	config.Net, config.Addr, config.DBName = "tcp", u.Host, strings.TrimPrefix(u.Path, "/")
	config.MultiStatements, config.InterpolateParams = true, true
	config.Logger = &mysql.NopLogger{} // it would tell of each try of ready
	if err := config.Apply(mysql.Charset(cmp.Or(u.Query().Get("charset"), "utf8mb4"), "")); err != nil {
		return nil, err
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

func quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }
