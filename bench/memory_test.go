//go:build linux

package bench

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

const (
	million  = 1_000_000
	perBox   = 1 << 10 // bytes of resident memory that a mailbox may take
	perTimer = 256     // and a transaction for the 5 s of RFC 3261's Timer K
)

// memory compares the program's with that of a process that has its libraries
// and does nothing, and looks whether it grows over a million NOTIFYs. At load it
// is more or less by how long ago garbage was collected.
func (st *stage) memory(t *testing.T, told int) {
	pid := st.program.cmd.Process.Pid
	idle := idleMemory(t)
	const passes, some = 13, 3 // passes at each end that are compared: in the middle of them a million lies
	var during sample
	start, answered := time.Now(), st.phones.answered.Load()
	for range passes {
		st.load.pass(million / (passes - some))
		during = append(during, float64(resident(t, pid))/(1<<20))
	}
	st.load.drain()
	rate := float64(st.phones.answered.Load()-answered) / time.Since(start).Seconds()
	allowed := float64(idle+users*perBox) + 5*rate*perTimer
	ratio := during.by(constant(allowed/(1<<20), len(during)))
	st.report.add(row{"resident memory, 100 000 mailboxes, at full load",
		fmt.Sprintf("an idle process with the same libraries: %.0f MiB; with 1 KiB a mailbox and 256 bytes a transaction in Timer K: %.0f MiB", mib(idle), allowed/(1<<20)),
		fmt.Sprintf("%s MiB (%.1f KiB a mailbox); %.0f MiB when each phone had been told once", during.text("%.0f"), (during.median()*(1<<20)-float64(idle))/users/1024, mib(told)),
		ratio, "%.2f", "at most 1", ratio.median() <= 1})
	before, after := during[:some].median(), during[passes-some:].median()
	growth := sample{after / before}
	st.report.add(row{"the same over a million NOTIFYs", fmt.Sprintf("at first, at full load: %.0f MiB", before),
		fmt.Sprintf("in the end: %.0f MiB, meanwhile %s", after, during.spread("%.0f")), growth, "%.2f", "flat: at most 1.1", growth[0] <= 1.1})
}

func mib(bytes int) float64 { return float64(bytes) / (1 << 20) }

func constant(v float64, n int) (s sample) {
	for range n {
		s = append(s, v)
	}
	return s
}

// build makes a command of this directory as the program is made.
func build(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "./"+name)
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

func idleMemory(t testing.TB) int {
	cmd := exec.Command(build(t, "idle"))
	in, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	time.Sleep(500 * time.Millisecond) // for its start
	rss := resident(t, cmd.Process.Pid)
	in.Close()
	must(t, cmd.Wait())
	return rss
}
