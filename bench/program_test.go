//go:build linux

package bench

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program is a running `zonkeymwi run`, as an operator starts it.
type program struct {
	t       testing.TB
	cmd     *exec.Cmd
	log     string // the file that gets its standard error
	admin   string
	started time.Time
	exited  chan struct{}
}

// settings are what differs from one measurement to the next.
type settings struct {
	cseq   string // "": "clock"
	ledger bool
	rate   int // 0: the default
}

func (s settings) file(db *database, amiAddr, proxy, admin string) string {
	text := fmt.Sprintf("[ami]\naddress = %q\nusername = \"zonkeymwi\"\nsecret = \"bench\"\n"+
		"[database]\nurl = %q\nledger = %t\n[sip]\nproxy = \"%s;transport=udp\"\nbindip = \"127.0.0.1\"\n",
		amiAddr, db.url(), s.ledger, proxy)
	if s.cseq != "" {
		text += fmt.Sprintf("cseq = %q\n", s.cseq)
	}
	if s.rate > 0 {
		text += fmt.Sprintf("rate = %d\n", s.rate)
	}
	return text + fmt.Sprintf("[admin]\nlisten = %q\n", admin)
}

// newProgram writes the configuration of a program.
func newProgram(t testing.TB, db *database, amiAddr, proxy string, s settings) *program {
	t.Helper()
	dir := t.TempDir()
	p := &program{t: t, log: filepath.Join(dir, "log"), admin: freeAddr(t)}
	config := filepath.Join(dir, "zonkeymwi.toml")
	must(t, os.WriteFile(config, []byte(s.file(db, amiAddr, proxy, p.admin)), 0o600))
	p.cmd = exec.Command(*binary, "run", "--config", config, "--pprof")
	return p
}

func migrate(t testing.TB, db *database) {
	t.Helper()
	config := filepath.Join(t.TempDir(), "zonkeymwi.toml")
	must(t, os.WriteFile(config, []byte(settings{}.file(db, "127.0.0.1:5038", "127.0.0.1", "127.0.0.1:9742")), 0o600))
	out, err := exec.Command(*binary, "migrate", "--config", config).CombinedOutput()
	if err != nil {
		t.Fatalf("migrate: %v: %s", err, out)
	}
}

// start starts it; it ends with the test, or by stop.
func (p *program) start() *program {
	p.t.Helper()
	log, err := os.Create(p.log)
	must(p.t, err)
	defer log.Close()
	p.cmd.Stderr, p.cmd.SysProcAttr = log, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.exited = make(chan struct{})
	p.started = time.Now()
	must(p.t, p.cmd.Start())
	go func() { _ = p.cmd.Wait(); close(p.exited) }()
	p.t.Cleanup(p.stop)
	return p
}

// stop is SIGTERM, and SIGKILL after 10 s.
func (p *program) stop() {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		if !errors.Is(err, os.ErrProcessDone) {
			p.t.Error(err)
		}
		return
	}
	select {
	case <-p.exited:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
}

// cpu is the processor time that it has used.
func (p *program) cpu() time.Duration { return cpuTime(p.t, p.cmd.Process.Pid) }

// cpuTime is that of a process (proc(5): utime and stime, in ticks of 10 ms).
func cpuTime(t testing.TB, pid int) time.Duration {
	t.Helper()
	f := statFields(fmt.Sprintf("/proc/%d/stat", pid))
	if len(f) < 13 {
		t.Fatalf("process %d has ended", pid)
	}
	return ticks(f[11:13])
}

// resident is a process's memory in bytes (VmRSS).
func resident(t testing.TB, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(t, err)
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	must(t, err)
	return kb << 10
}

// freeAddr is a port of 127.0.0.1 that nobody has.
func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().String()
}

// pgCPU is the processor time of PostgreSQL, ended backends included.
func (w *world) pgCPU(t testing.TB) (sum time.Duration) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	must(t, err)
	for _, path := range stats {
		f := statFields(path)
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		switch {
		case len(f) < 15:
		case pid == w.postmaster:
			sum += ticks(f[11:15])
		case f[1] == strconv.Itoa(w.postmaster):
			sum += ticks(f[11:13])
		}
	}
	return sum
}

// statFields are what follows a process's name in proc(5)'s stat, from its state
// on; none where it has just ended.
func statFields(path string) []string {
	stat, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
}

func ticks(fields []string) (sum time.Duration) {
	for _, f := range fields {
		n, _ := strconv.Atoi(f) // the kernel writes numbers
		sum += time.Duration(n) * 10 * time.Millisecond
	}
	return sum
}
