//go:build linux

package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const unit = "systemd/zonkeymwi.service"

// TestUnit has systemd read the unit, and hold its exposure to less than 2 of 10.
func TestUnit(t *testing.T) {
	analyze := tool(t, "systemd-analyze", "systemd")
	// verify wants the program to be there.
	copied := filepath.Join(t.TempDir(), filepath.Base(unit))
	if err := os.WriteFile(copied, []byte(strings.ReplaceAll(read(t, unit), "/usr/bin/zonkeymwi", "/bin/true")), 0o600); err != nil {
		t.Fatal(err)
	}
	if said := output(t, analyze, "verify", "--man=no", copied); strings.Contains(said, filepath.Base(unit)) {
		t.Error(said)
	}
	output(t, analyze, "security", "--offline=true", "--threshold=19", "--no-pager", copied)
}

// without are calls that the unit refuses and the program does well without: Go asks for more open files, which
// LimitNOFILE gives.
var without = []string{"prlimit64"}

// TestSystemCalls has the program do all it can, its demo, and looks for a system call that the unit would refuse.
func TestSystemCalls(t *testing.T) {
	analyze, strace := tool(t, "systemd-analyze", "systemd"), tool(t, "strace", "strace")
	dir := t.TempDir()
	program, trace := filepath.Join(dir, "zonkeymwi"), filepath.Join(dir, "trace")
	build := exec.Command("go", "build", "-o", program, "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	output(t, strace, "-f", "--seccomp-bpf", "-o", trace, program, "demo")
	allowed := filterOf(t, analyze)
	refused := map[string]bool{}
	calls := regexp.MustCompile(`(?m)^\d+ +(\w+)\(`).FindAllStringSubmatch(read(t, trace), -1)
	for _, c := range calls {
		if !allowed[c[1]] && !slices.Contains(without, c[1]) {
			refused[c[1]] = true
		}
	}
	if len(refused) > 0 || len(calls) < 1000 {
		t.Errorf("of %d calls the unit refuses %v", len(calls), refused)
	}
}

// filterOf are the system calls that the unit's SystemCallFilter lines leave.
func filterOf(t *testing.T, analyze string) map[string]bool {
	t.Helper()
	allowed := map[string]bool{}
	for _, line := range regexp.MustCompile(`(?m)^SystemCallFilter=(~?)(.+)$`).FindAllStringSubmatch(read(t, unit), -1) {
		for _, set := range strings.Fields(line[2]) {
			for call := range callsOf(t, analyze, set) {
				allowed[call] = line[1] == ""
			}
		}
	}
	return allowed
}

func callsOf(t *testing.T, analyze, set string) map[string]bool {
	t.Helper()
	if set[0] != '@' {
		return map[string]bool{set: true}
	}
	calls := map[string]bool{}
	for line := range strings.Lines(output(t, analyze, "syscall-filter", "--no-pager", set)) {
		switch name := strings.TrimSpace(line); {
		case name == "" || name == set || name[0] == '#':
		case name[0] == '@':
			for call := range callsOf(t, analyze, name) {
				calls[call] = true
			}
		default:
			calls[name] = true
		}
	}
	return calls
}
