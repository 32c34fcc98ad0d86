package mytest

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(Wrap(m)) }

func TestStartGivesEachTestItsOwnDatabase(t *testing.T) {
	a, b := Start(t), Start(t)
	if a == b {
		t.Fatalf("both got %s", a)
	}
	for _, url := range []string{a, b} {
		name := url[strings.LastIndexByte(url, '/')+1:]
		must(t, shared.server.Exec(name, "CREATE TABLE only_here (x int)"))
	}
}

func TestServerRestartKeepsDataAndPort(t *testing.T) {
	var pid int
	var dir string
	t.Run("server", func(t *testing.T) {
		s := NewServer(t)
		must(t, s.CreateDB("opensips"))
		must(t, s.Exec("opensips", "CREATE TABLE kept (x int); INSERT INTO kept VALUES (1)"))
		url := s.URL("opensips")
		must(t, s.Pause())
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
		must(t, os.WriteFile(s.file("init"), []byte("NO SUCH STATEMENT;\n"), 0o600))
		must(t, s.Start())
		if !strings.Contains(s.Log(), "NO SUCH STATEMENT") {
			t.Errorf("the log lacks the complaint:\n%s", s.Log())
		}
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

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
