package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const startTimeout = 30 * time.Second

// Server is a PostgreSQL cluster in a temporary directory. It listens on a
// loopback port, which it keeps across restarts, and on a socket in SocketDir.
// fsync is off; everything else that matters to a client is as installed.
// Its methods are not for concurrent use.
type Server struct {
	bin, dir, password string
	port               int
	cmd                *exec.Cmd
	exited             chan error // the postmaster's end, once
	paused             []int      // pids under SIGSTOP
}

// binaries returns the directory of the newest initdb, "" where there is none.
func binaries() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	version := func(path string) int {
		v, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		return v
	}
	if len(found) > 0 {
		newest := slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
		return filepath.Dir(newest)
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path)
	}
	return ""
}

func newServer(bin string) (*Server, error) {
	dir, err := os.MkdirTemp("", "pgtest") // not t.TempDir: a socket's path is at most 107 bytes
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, dir: dir, password: rand.Text(), port: freePort()}
	if err := s.initialise(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := s.Start(); err != nil {
		return nil, errors.Join(err, s.remove())
	}
	return s, nil
}

// freePort keeps below the ports that the kernel gives to outgoing
// connections, so that nobody takes it while the server is down.
func freePort() int {
	for {
		port := 20000 + mathrand.IntN(10000)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			l.Close()
			return port
		}
	}
}

func (s *Server) initialise() error {
	pwfile := filepath.Join(s.dir, "password")
	if err := os.WriteFile(pwfile, []byte(s.password), 0o600); err != nil {
		return err
	}
	if err := giveAway(s.dir, pwfile); err != nil {
		return err
	}
	initdb := s.command("initdb", "--pgdata="+s.data(), "--username=postgres", "--pwfile="+pwfile,
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir // the caller's own may be closed to the unprivileged user
	cmd.SysProcAttr = unprivileged()
	return cmd
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// SocketDir is the directory of the server's Unix socket.
func (s *Server) SocketDir() string { return s.dir }

// Port is the server's port on 127.0.0.1.
func (s *Server) Port() int { return s.port }

// Password is that of the superuser postgres.
func (s *Server) Password() string { return s.password }

// URL is the superuser's, for database db.
func (s *Server) URL(db string) string {
	u := url.URL{
		Scheme: "postgres",
		User:   url.UserPassword("postgres", s.password),
		Host:   net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)),
		Path:   "/" + db,
	}
	return u.String() + "?sslmode=disable"
}

// Start starts the server and returns when it answers queries.
func (s *Server) Start() error {
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	s.cmd = s.command("postgres", "-D", s.data(), "-p", strconv.Itoa(s.port), "-k", s.dir, "-h", "127.0.0.1",
		"-c", "fsync=off", "-c", "full_page_writes=off")
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		return err
	}
	exited := make(chan error, 1)
	s.exited = exited
	go func(cmd *exec.Cmd) { exited <- cmd.Wait(); close(exited) }(s.cmd)
	return s.ready()
}

// ready waits until a query is answered.
func (s *Server) ready() error {
	ping := func(ctx context.Context, c *pgx.Conn) error { return c.Ping(ctx) }
	for deadline := time.Now().Add(startTimeout); ; {
		err := s.with("postgres", ping)
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("postgres does not answer after %v: %w\n%s", startTimeout, err, s.Log())
		}
		select {
		case err := <-s.exited:
			s.cmd = nil
			return fmt.Errorf("postgres ended at once: %w\n%s", err, s.Log())
		case <-time.After(10 * time.Millisecond): // a real process: nothing tells when it is ready
		}
	}
}

// Log is what the server has written to its log so far.
func (s *Server) Log() string {
	text, err := os.ReadFile(s.logFile())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (s *Server) logFile() string { return filepath.Join(s.dir, "log") }

// Stop ends the server and cuts its connections; the data stay. It does nothing to a stopped server.
func (s *Server) Stop() error {
	if s.cmd == nil {
		return nil
	}
	if err := s.Resume(); err != nil {
		return err
	}
	if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil { // PostgreSQL's "fast shutdown"
		return fmt.Errorf("postgres is gone: %w\n%s", err, s.Log())
	}
	select {
	case err := <-s.exited:
		s.cmd = nil
		return err
	case <-time.After(startTimeout):
		return errors.Join(fmt.Errorf("postgres did not stop within %v", startTimeout), s.cmd.Process.Kill())
	}
}

// Restart is Stop and Start.
func (s *Server) Restart() error {
	if err := s.Stop(); err != nil {
		return err
	}
	return s.Start()
}

func (s *Server) remove() error { return errors.Join(s.Stop(), os.RemoveAll(s.dir)) }
