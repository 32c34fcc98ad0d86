//go:build linux

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var builtIn string // the directory of the program, once there is one

// build makes the program once for all tests of a run.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "zonkeymwi-e2e-")
	if err != nil {
		return "", err
	}
	builtIn = dir
	path := filepath.Join(dir, "zonkeymwi")
	cmd := exec.Command("go", "build", "-race", "-o", path, "zonkeymwi")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, os.Chmod(dir, 0o755)
})

// Program is a running `zonkeymwi run`, as an operator would start it.
type Program struct {
	dir     string
	stderr  string // the file that gets it
	t       testing.TB
	process *process
}

// StartProgram runs the bridge with a configuration, as text; it ends with t.
func StartProgram(t testing.TB, config string) *Program {
	t.Helper()
	p := NewProgram(t, config)
	p.Start()
	return p
}

// NewProgram is the program with a configuration, not yet started.
func NewProgram(t testing.TB, config string) *Program {
	t.Helper()
	p := &Program{dir: workDir(t, ""), t: t}
	p.stderr = p.logFile()
	p.Configure(config)
	logOnFailure(t, p.logFile())
	return p
}

// Start starts a program that does not run.
func (p *Program) Start() {
	p.t.Helper()
	path, err := build()
	if err != nil {
		p.t.Fatal(err)
	}
	p.process = command{path: path, args: []string{"run", "--config", p.config()}, dir: p.dir, log: p.stderr,
		deathSignal: syscall.SIGKILL}.start(p.t)
}

// Kill is kill -9.
func (p *Program) Kill() {
	p.t.Helper()
	if err := p.process.stop(syscall.SIGKILL, patience); err != nil {
		p.t.Error(err)
	}
}

func (p *Program) logFile() string { return filepath.Join(p.dir, "zonkeymwi.log") }

// Command runs another command of the program against this bridge, as an
// operator would type it.
func (p *Program) Command(args ...string) (out string, code int) {
	p.t.Helper()
	path, err := build()
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.Command(path, append(args, "--config", p.config())...)
	cmd.Env = environ()
	text, err := cmd.CombinedOutput()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	p.t.Logf("$ zonkeymwi %s\n%s(exit %d)", strings.Join(args, " "), text, cmd.ProcessState.ExitCode())
	return string(text), cmd.ProcessState.ExitCode()
}

func (p *Program) config() string { return filepath.Join(p.dir, "zonkeymwi.toml") }

// Configure writes the configuration anew; the running bridge does not know yet.
func (p *Program) Configure(text string) {
	p.t.Helper()
	if err := os.WriteFile(p.config(), []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// Event is one line of the log.
type Event map[string]any

// Text is a field of the line as text, "" where it has none.
func (e Event) Text(field string) string {
	if v, ok := e[field]; ok {
		return fmt.Sprint(v)
	}
	return ""
}

// Log returns the lines so far, each of which must be JSON.
func (p *Program) Log() (events []Event) {
	p.t.Helper()
	data, err := os.ReadFile(p.logFile())
	if err != nil {
		p.t.Fatal(err)
	}
	data = data[:bytes.LastIndexByte(data, '\n')+1] // the last line may be under way
	for line := range strings.Lines(string(data)) {
		var e Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			p.t.Fatalf("the log holds %q: %v", line, err)
		}
		events = append(events, e)
	}
	return events
}

// Find returns the lines whose fields have these values.
func (p *Program) Find(want Event) (found []Event) {
	p.t.Helper()
	for _, e := range p.Log() {
		match := true
		for field := range want {
			match = match && e.Text(field) == want.Text(field)
		}
		if match {
			found = append(found, e)
		}
	}
	return found
}

// Await waits for n such lines.
func (p *Program) Await(n int, want Event) []Event {
	p.t.Helper()
	var found []Event
	eventually(p.t, 20*time.Second, fmt.Sprintf("%d lines like %v in the log", n, want), func() bool {
		found = p.Find(want)
		return len(found) >= n
	})
	return found
}

// Stop sends SIGTERM and wants the exit code 0.
func (p *Program) Stop() {
	p.t.Helper()
	if err := p.process.stop(syscall.SIGTERM, patience); err != nil {
		p.t.Error(err)
	}
	if code := p.process.cmd.ProcessState.ExitCode(); code != 0 {
		p.t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
}
