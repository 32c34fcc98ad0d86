//go:build linux

package e2e

import (
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// AsteriskConfig is what a test may choose.
type AsteriskConfig struct {
	Mailboxes []string // "202@domain.example.com"; without "@" the context is "default"
	Manager   string   // appended to manager.conf, for users with other rights
}

// Asterisk is a real Asterisk 22 with voicemail and AMI. Its ports, secret and
// messages stay over Stop, Kill and Start. Its methods fail the test by themselves.
type Asterisk struct {
	Username, Secret string // an AMI user with the rights that a bridge needs
	CAFile           string // PEM certificate of the TLS port, valid for 127.0.0.1
	port, tlsPort    int
	root, dir        string // the chroot; our directory in it, as seen from outside
	config           AsteriskConfig
	t                testing.TB
	process          *process
}

// StartAsterisk returns when Asterisk is fully booted; it ends with t.
func StartAsterisk(t testing.TB, config AsteriskConfig) *Asterisk {
	t.Helper()
	need(t, os.Getuid() == 0, "Asterisk is run in a chroot", "run the tests as root")
	root := asteriskRoot(t)
	a := &Asterisk{
		Username: "zonkeymwi", Secret: rand.Text(),
		port: freePort(t), tlsPort: freePort(t),
		root: root, dir: workDir(t, filepath.Join(root, "tmp")),
		config: config, t: t,
	}
	a.configure()
	logOnFailure(t, filepath.Join(a.dir, "messages.log"))
	a.Start()
	return a
}

// asteriskRoot is the chroot that scripts/asterisk.sh makes.
func asteriskRoot(t testing.TB) string {
	t.Helper()
	cache := os.Getenv("ZONKEYMWI_CACHE")
	if cache == "" {
		cache = filepath.Join(os.Getenv("HOME"), ".cache", "zonkeymwi")
	}
	root := filepath.Join(cache, "asterisk")
	_, err := os.Stat(filepath.Join(root, ".done"))
	need(t, err == nil, "no Asterisk in "+root, "run scripts/asterisk.sh as root")
	return root
}

// AMIAddr is where AMI listens in the clear.
func (a *Asterisk) AMIAddr() string { return fmt.Sprintf("127.0.0.1:%d", a.port) }

// TLSAddr is where AMI listens with TLS; CAFile vouches for it.
func (a *Asterisk) TLSAddr() string { return fmt.Sprintf("127.0.0.1:%d", a.tlsPort) }

// inside is path as the processes in the chroot see it.
func (a *Asterisk) inside(path ...string) string {
	return filepath.Join(append([]string{"/tmp", filepath.Base(a.dir)}, path...)...)
}

// Start starts a stopped Asterisk and waits until it is fully booted.
func (a *Asterisk) Start() {
	a.t.Helper()
	a.process = command{
		path: "/usr/sbin/asterisk", args: []string{"-f", "-C", a.inside("asterisk.conf")},
		chroot: a.root, dir: a.inside(), log: filepath.Join(a.dir, "stdout.log"),
		deathSignal: syscall.SIGKILL,
	}.start(a.t)
	a.waitBooted()
}

func (a *Asterisk) waitBooted() {
	a.t.Helper()
	eventually(a.t, 30*time.Second, "fully booted Asterisk", func() bool {
		if !a.process.running() {
			a.t.Fatalf("Asterisk ended at once, see %s", filepath.Join(a.dir, "stdout.log"))
		}
		out, err := a.rx("core waitfullybooted")
		return err == nil && strings.Contains(out, "fully booted")
	})
}

func (a *Asterisk) rx(cli string) (string, error) {
	cmd := exec.Command("/usr/sbin/asterisk", "-C", a.inside("asterisk.conf"), "-rx", cli)
	cmd.Dir = "/"
	cmd.SysProcAttr = command{chroot: a.root, deathSignal: syscall.SIGKILL}.attr()
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// RX runs a command of Asterisk's own command line and returns what it prints.
func (a *Asterisk) RX(cli string) string {
	a.t.Helper()
	out, err := a.rx(cli)
	if err != nil {
		a.t.Fatalf("asterisk -rx %q: %v: %s", cli, err, out)
	}
	return out
}

// Stop is "core stop now": AMI says Shutdown, then the connection ends.
func (a *Asterisk) Stop() {
	a.t.Helper()
	_, _ = a.rx("core stop now") // its own connection may be cut before the exit status
	if err := a.process.stop(syscall.SIGTERM, patience); err != nil {
		a.t.Error(err)
	}
}

// Kill is kill -9: AMI connections end without a word. It does nothing to a stopped Asterisk.
func (a *Asterisk) Kill() {
	a.t.Helper()
	if err := a.process.stop(syscall.SIGKILL, patience); err != nil {
		a.t.Error(err)
	}
}

// Restart is "core restart now", in the same process; it returns when Asterisk is fully booted again.
func (a *Asterisk) Restart() {
	a.t.Helper()
	conn, err := net.Dial("tcp", a.AMIAddr())
	if err != nil {
		a.t.Fatal(err)
	}
	defer conn.Close()
	_, _ = a.rx("core restart now")
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.Copy(io.Discard, conn); os.IsTimeout(err) { // its end tells the old Asterisk from the new
		a.t.Fatal("Asterisk did not restart within 10 s")
	}
	a.waitBooted()
}

// Freeze stops Asterisk in mid-step, as a vanished host does: connections stay, nothing answers.
func (a *Asterisk) Freeze() { a.signal(syscall.SIGSTOP) }

// Thaw ends Freeze.
func (a *Asterisk) Thaw() { a.signal(syscall.SIGCONT) }

func (a *Asterisk) signal(s syscall.Signal) {
	a.t.Helper()
	if err := a.process.signal(s); err != nil {
		a.t.Fatal(err)
	}
}
