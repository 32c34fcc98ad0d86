package pgtest

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(Wrap(m)) }

func TestStartGivesEachTestItsOwnDatabase(t *testing.T) {
	a, b := Start(t), Start(t)
	if a == b {
		t.Fatalf("both got %s", a)
	}
	for _, url := range []string{a, b} {
		c, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(context.Background())
		if _, err := c.Exec(t.Context(), "CREATE TABLE only_here (x int)"); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestServerRestartKeepsDataAndPort(t *testing.T) {
	s := NewServer(t)
	must(t, s.CreateDB("opensips"))
	must(t, s.Exec("opensips", "CREATE TABLE kept (x int); INSERT INTO kept VALUES (1)"))
	url := s.URL("opensips")
	must(t, s.Restart())
	if s.URL("opensips") != url {
		t.Errorf("URL %s became %s", url, s.URL("opensips"))
	}
	must(t, s.Exec("opensips", "DROP TABLE kept"))
	must(t, s.Stop())
	must(t, s.Stop())
	if err := s.Exec("opensips", "SELECT 1"); err == nil {
		t.Error("a stopped server answered")
	}
}

func TestPauseHoldsAnswersBack(t *testing.T) {
	s := NewServer(t)
	c, err := pgx.Connect(t.Context(), s.URL("postgres"))
	must(t, err)
	defer c.Close(context.Background())
	must(t, s.Pause())
	answered := make(chan error, 1)
	go func() { answered <- c.Ping(context.Background()) }()
	select {
	case err := <-answered:
		t.Fatalf("a paused server answered: %v", err)
	case <-time.After(100 * time.Millisecond): // nothing can tell that an answer will not come
	}
	must(t, s.Resume())
	must(t, <-answered)
}

func TestRemoveLeavesNothing(t *testing.T) {
	var pid int
	var dir string
	t.Run("server", func(t *testing.T) {
		s := NewServer(t)
		pid, dir = s.cmd.Process.Pid, s.dir
	})
	if pid == 0 {
		t.Skip("no server")
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is still there: %v", pid, err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", dir, err)
	}
}

func TestErrorsShowTheLog(t *testing.T) {
	s := NewServer(t)
	must(t, s.Stop())
	must(t, os.WriteFile(s.data()+"/postgresql.conf", []byte("no_such_setting = 1\n"), 0o600))
	if err := s.Start(); err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("got %v, want the log's complaint", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// In transaction mode what a client sets is gone, or another's, after its transaction.
func TestBouncerLendsConnections(t *testing.T) {
	s := NewServer(t)
	url := s.Bouncer(t, "postgres") + "&default_query_exec_mode=exec"
	const clients = 8
	pids := map[int]bool{}
	for range clients {
		c, err := pgx.Connect(t.Context(), url)
		must(t, err)
		defer c.Close(context.Background())
		var pid int
		must(t, c.QueryRow(t.Context(), "SELECT pg_backend_pid()").Scan(&pid))
		pids[pid] = true
	}
	if len(pids) >= clients {
		t.Errorf("%d clients have %d connections", clients, len(pids))
	}
}
