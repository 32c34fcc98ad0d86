//go:build linux

package bench

import (
	"os"
	"strings"
	"testing"
	"time"
)

// spent is processor time, by who had it.
type spent [5]time.Duration

const (
	byProgram = iota
	byPostgreSQL
	byBench  // this process, which is the source and the phones
	byNobody // idle
	byAll    // the sum of all cores
)

// spent is what has been used up to now.
func (w *world) spent(t testing.TB, p *program) (s spent) {
	t.Helper()
	stat, err := os.ReadFile("/proc/stat")
	must(t, err)
	first, _, _ := strings.Cut(string(stat), "\n")
	cpu := strings.Fields(first)[1:9] // user, nice, system, idle, iowait, irq, softirq, steal: proc(5)
	return spent{p.cpu(), w.pgCPU(t), cpuTime(t, os.Getpid()), ticks(cpu[3:5]), ticks(cpu)}
}

func (s spent) since(before spent) spent {
	for i := range s {
		s[i] -= before[i]
	}
	return s
}

// busy is the share of the cores' time that anybody had.
func (s spent) busy() float64 { return 1 - s[byNobody].Seconds()/max(s[byAll].Seconds(), 0.01) }

func TestSpent(t *testing.T) {
	before := spent{0, 0, 0, time.Second, 2 * time.Second}
	now := spent{time.Second, 0, 0, 2 * time.Second, 6 * time.Second}
	if got := now.since(before); got[byProgram] != time.Second || got.busy() != 0.75 {
		t.Error(got, got.busy())
	}
}
