package mytest

import (
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const startTimeout = 60 * time.Second

// Server is a MariaDB in a temporary directory. It listens on a loopback port,
// which it keeps across restarts. It flushes nothing to disk and has small
// files; all else that matters to a client is as installed.
// Its methods are not for concurrent use.
type Server struct {
	daemon, dir, password string
	port                  int
	cmd                   *exec.Cmd
	exited                chan error // the server's end, once
}

func newServer(install, daemon string) (*Server, error) {
	dir, err := os.MkdirTemp("", "mytest") // not t.TempDir: a socket's path is at most 107 bytes
	if err != nil {
		return nil, err
	}
	s := &Server{daemon: daemon, dir: dir, password: rand.Text(), port: freePort()}
	if err := s.initialise(install); err != nil {
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

func (s *Server) initialise(install string) error {
	text := fmt.Sprintf("ALTER USER root@localhost, root@127.0.0.1 IDENTIFIED BY '%[1]s';\n", s.password)
	if err := os.WriteFile(s.file("init"), []byte(text), 0o600); err != nil {
		return err
	}
	if err := giveAway(s.dir, s.file("init")); err != nil {
		return err
	}
	cmd := s.command(install, "--no-defaults", "--datadir="+s.file("data"), "--auth-root-authentication-method=normal",
		"--skip-test-db", "--skip-name-resolve", redo)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mariadb-install-db: %w\n%s", err, out)
	}
	return nil
}

const redo = "--innodb-log-file-size=16M" // 96 MB is the default

func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = s.dir // the caller's own may be closed to the unprivileged user
	cmd.Env = append(os.Environ(), "TMPDIR="+s.dir)
	cmd.SysProcAttr = unprivileged()
	return cmd
}

func (s *Server) file(name string) string { return filepath.Join(s.dir, name) }

// Address is the server's host:port.
func (s *Server) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// URL is root's, for database db.
func (s *Server) URL(db string) string {
	u := url.URL{Scheme: "mysql", User: url.UserPassword("root", s.password), Host: s.Address(), Path: "/" + db}
	return u.String()
}

// Start starts the server and returns when it answers queries.
func (s *Server) Start() error {
	log, err := os.OpenFile(s.file("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	s.cmd = s.command(s.daemon, "--no-defaults", "--datadir="+s.file("data"), "--bind-address=127.0.0.1", "--port="+strconv.Itoa(s.port),
		"--socket="+s.file("socket"), "--pid-file="+s.file("pid"), "--init-file="+s.file("init"), "--skip-name-resolve",
		"--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci", // Debian's
		redo, "--innodb-flush-log-at-trx-commit=0")
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
	for deadline := time.Now().Add(startTimeout); ; {
		err := s.Exec("", "SELECT 1")
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("mariadbd does not answer after %v: %w\n%s", startTimeout, err, s.Log())
		}
		select {
		case err := <-s.exited:
			s.cmd = nil
			return fmt.Errorf("mariadbd ended at once: %w\n%s", err, s.Log())
		case <-time.After(10 * time.Millisecond): // a real process: nothing tells when it is ready
		}
	}
}

// Log is what the server has written to its log so far.
func (s *Server) Log() string {
	text, err := os.ReadFile(s.file("log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Stop ends the server and cuts its connections; the data stay. It does nothing to a stopped server.
func (s *Server) Stop() error { return s.end(syscall.SIGTERM) }

// Restart is Stop and Start.
func (s *Server) Restart() error {
	if err := s.Stop(); err != nil {
		return err
	}
	return s.Start()
}

// Pause freezes the server: connections stay open, nothing is answered, and new
// connections are accepted by the kernel alone. Resume or Stop ends it.
func (s *Server) Pause() error {
	if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return untilStopped(s.cmd.Process.Pid)
}

// Resume lets a paused server go on.
func (s *Server) Resume() error { return s.cmd.Process.Signal(syscall.SIGCONT) }

func (s *Server) end(how syscall.Signal) error {
	if s.cmd == nil {
		return nil
	}
	if err := errors.Join(s.cmd.Process.Signal(how), s.Resume()); err != nil {
		return fmt.Errorf("mariadbd is gone: %w\n%s", err, s.Log())
	}
	select {
	case err := <-s.exited:
		s.cmd = nil
		if how == syscall.SIGKILL {
			return nil
		}
		return err
	case <-time.After(startTimeout):
		return errors.Join(fmt.Errorf("mariadbd did not stop within %v", startTimeout), s.cmd.Process.Kill())
	}
}

// remove does not have the server write what is deleted next.
func (s *Server) remove() error { return errors.Join(s.end(syscall.SIGKILL), os.RemoveAll(s.dir)) }
