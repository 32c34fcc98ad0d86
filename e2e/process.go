//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nobody is whom root runs the servers as: every Debian has it, in a chroot too.
const nobody = 65534

// patience is how long a server may take to end.
const patience = 10 * time.Second

var errUnwilling = errors.New("the server did not end when asked to, and was killed")

// process is a server that a test started. It leads a process group of its own,
// which ends with the test; should the test binary be killed, the kernel sends
// the server deathSignal.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when the process has ended
}

type command struct {
	path        string
	args        []string
	chroot      string // "": none
	dir         string // working directory, inside chroot
	log         string // file that gets stdout and stderr, outside chroot
	deathSignal syscall.Signal
	asRoot      bool // keep root's rights, where we have them
}

func (c command) attr() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Chroot: c.chroot, Setpgid: true, Pdeathsig: c.deathSignal}
	if os.Getuid() == 0 && !c.asRoot {
		attr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	return attr
}

func (c command) start(t testing.TB) *process {
	t.Helper()
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(c.path, c.args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = c.dir, log, log, c.attr()
	cmd.Env = append(environ(), "LC_ALL=C", "HOME="+c.dir)
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", c.path, err)
	}
	p := &process{cmd: cmd, exited: make(chan struct{})}
	go func() { _ = cmd.Wait(); close(p.exited) }()
	t.Cleanup(func() { _ = p.stop(syscall.SIGKILL, patience) })
	return p
}

// environ is ours without what would configure the program, or is for these tests alone.
func environ() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "ZONKEYMWI_") })
}

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// signal reaches the whole group; that there is none left is no error.
func (p *process) signal(s syscall.Signal) error {
	if err := syscall.Kill(-p.cmd.Process.Pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal %v to %s: %w", s, p.cmd.Path, err)
	}
	return nil
}

// stop asks the process with s to end and kills what is left of its group. That it did not end by itself is errUnwilling.
func (p *process) stop(s syscall.Signal, patience time.Duration) error {
	if !p.running() {
		return nil
	}
	err := p.cmd.Process.Signal(s) // it ends its children itself
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	select {
	case <-p.exited:
		return errors.Join(err, p.signal(syscall.SIGKILL))
	case <-time.After(patience):
		err = errors.Join(err, errUnwilling, p.signal(syscall.SIGKILL))
		<-p.exited
		return err
	}
}

// need skips t where ok is false, or fails it where CI=true.
func need(t testing.TB, ok bool, missing, mend string) {
	t.Helper()
	switch {
	case testing.Short():
		t.Skip("end-to-end tests are left out by -short")
	case ok:
	case os.Getenv("CI") == "true":
		t.Fatalf("%s: %s", missing, mend)
	default:
		t.Skipf("%s: %s", missing, mend)
	}
}

// workDir makes a directory in parent ("": the system's) that the servers' user may write in.
func workDir(t testing.TB, parent string) string {
	t.Helper()
	dir, err := os.MkdirTemp(parent, "zonkeymwi-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	giveAway(t, dir)
	return dir
}

// giveAway makes the servers' user the owner of path.
func giveAway(t testing.TB, path string) {
	t.Helper()
	if os.Getuid() != 0 {
		return
	}
	if err := os.Chown(path, nobody, nobody); err != nil {
		t.Fatal(err)
	}
}

// freePort finds a port that is free on 127.0.0.1 for UDP and TCP. It keeps below the ports the kernel
// hands out by itself, so that nobody takes it while its server is down.
func freePort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := 10000 + rand.IntN(10000)
		tcp, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err != nil {
			continue
		}
		udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		tcp.Close()
		if err == nil {
			udp.Close()
			return port
		}
	}
	t.Fatal("no free port between 10000 and 20000 on 127.0.0.1")
	return 0
}

// eventually waits until ok says true: real processes do not tell when they have got there.
func eventually(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %s within %v", what, limit)
		}
	}
}

// logOnFailure shows the end of a server's log when t has failed.
func logOnFailure(t testing.TB, file string) {
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Log(err)
			return
		}
		lines := strings.SplitAfter(string(text), "\n")
		t.Logf("the end of %s:\n%s", file, strings.Join(lines[max(0, len(lines)-40):], ""))
	})
}
