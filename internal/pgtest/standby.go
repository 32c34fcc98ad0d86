package pgtest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"testing"
)

// Standby starts a server that follows s by streaming replication. It ends with
// t; s must be one of NewServer's.
func (s *Server) Standby(t testing.TB) *Server {
	t.Helper()
	f, err := s.standby()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.remove(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func (s *Server) standby() (*Server, error) {
	dir, err := os.MkdirTemp("", "pgtest")
	if err != nil {
		return nil, err
	}
	f := &Server{bin: s.bin, dir: dir, password: s.password, port: freePort()}
	if err := giveAway(dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	from := fmt.Sprintf("host=127.0.0.1 port=%d user=postgres password=%s", s.port, s.password)
	backup := f.command("pg_basebackup", "--dbname="+from, "--pgdata="+f.data(), "--write-recovery-conf",
		"--wal-method=stream", "--checkpoint=fast", "--no-sync")
	if out, err := backup.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("pg_basebackup: %w\n%s", err, out), os.RemoveAll(dir))
	}
	if err := f.Start(); err != nil {
		return nil, errors.Join(err, f.remove())
	}
	return f, nil
}

// Promote makes a standby take writes.
func (s *Server) Promote() error { return s.Exec("postgres", "SELECT pg_promote()") }

// Host is host:port, for a URL that names several servers.
func (s *Server) Host() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }
