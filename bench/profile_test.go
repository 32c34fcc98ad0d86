//go:build linux

package bench

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// profile takes a processor profile of so many seconds, which -profiles keeps. What
// it returns waits for it.
func profile(t testing.TB, p *program, name string, seconds int) (wait func() shares) {
	dir := *profiles
	if dir == "" {
		dir = t.TempDir()
	}
	path := filepath.Join(dir, name+".pprof")
	done := make(chan error, 1)
	go func() { done <- fetch(fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", p.admin, seconds), path) }()
	return func() shares {
		must(t, <-done)
		text, err := exec.Command("go", "tool", "pprof", "-traces", "-unit=ms", path).Output()
		must(t, err)
		return readTraces(string(text))
	}
}

func fetch(url, path string) error {
	request, err := http.NewRequest("GET", url, nil)
	if err != nil {
		return err
	}
	request.Close = true
	r, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, r.Status)
	}
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// kind is a part of the program, and what its functions' names begin with.
type kind struct {
	name  string
	marks []string
}

// outright have a stack as soon as one function of it is theirs, the first of
// them before the others: whatever they call is for them.
func outright() []kind {
	return []kind{
		{"garbage collection, where the program had nothing else to do", []string{"runtime.gcDrainMarkWorkerIdle"}},
		{"garbage collection otherwise", []string{"runtime.gcBgMarkWorker", "runtime.gcDrain", "runtime.gcAssistAlloc", "runtime.gcStart", "runtime.gcMark", "gcWriteBarrier", "runtime.wbBufFlush", "runtime.bgsweep", "runtime.bgscavenge",
			"runtime.deductSweepCredit", "runtime.(*sweepLocked).sweep"}},
		{"sending, in the kernel", []string{"syscall.send"}},
		{"four log lines", []string{"go.uber.org/zap", "main.(*behind)"}},
		{"rendering", []string{"zonkeymwi/sipmsg."}},
	}
}

// nearest share the rest: they call each other, and a stack belongs to the one
// that has its innermost function.
func nearest() []kind {
	return []kind{
		{"the SIP transaction otherwise", []string{"zonkeymwi/sipua."}},
		{"the database's client", []string{"zonkeymwi/watchers.", "github.com/jackc/"}},
		{"AMI", []string{"zonkeymwi/ami."}},
		{"reconciling", []string{"zonkeymwi/bridge."}},
		{"Go's scheduler, and waiting", []string{"runtime.mcall", "runtime.schedule", "runtime.findRunnable", "runtime.mstart", "runtime.sysmon"}},
	}
}

const unnamed = "other"

// classify is the part that a stack belongs to; its innermost function is first.
func classify(stack []string) string {
	for _, k := range outright() {
		for _, function := range stack {
			if k.has(function) {
				return k.name
			}
		}
	}
	for _, function := range stack {
		for _, k := range nearest() {
			if k.has(function) {
				return k.name
			}
		}
	}
	return unnamed
}

func (k kind) has(function string) bool {
	for _, mark := range k.marks {
		if strings.HasPrefix(function, mark) {
			return true
		}
	}
	return false
}

// partNames are in the order in which they are shown.
func partNames() (names []string) {
	for _, k := range append(outright(), nearest()...) {
		names = append(names, k.name)
	}
	return append(names, unnamed)
}

// shares are the milliseconds of a profile by part.
type shares map[string]float64

func (s shares) total() (sum float64) {
	for _, ms := range s {
		sum += ms
	}
	return sum
}

// of is a part's share, 0 to 1.
func (s shares) of(part string) float64 { return s[part] / max(s.total(), 1) }

// readTraces reads what `go tool pprof -traces -unit=ms` prints: stacks between
// dashes, the first line of each with its time.
func readTraces(text string) shares {
	s := shares{}
	_, samples, _ := strings.Cut(text, "\n-----------+")
	for sample := range strings.SplitSeq(samples, "\n-----------+") {
		var stack []string
		ms := 0.0
		for i, line := range strings.Split(sample, "\n") {
			time, function, timed := strings.Cut(strings.TrimSpace(line), "ms ")
			if v, err := strconv.ParseFloat(time, 64); timed && err == nil && len(stack) == 0 {
				ms, line = v, function
			} else if len(stack) == 0 {
				continue // the rest of the dashes, a label
			}
			if i > 0 {
				stack = append(stack, strings.TrimSpace(line))
			}
		}
		if len(stack) > 0 {
			s[classify(stack)] += ms
		}
	}
	return s
}

func TestReadTraces(t *testing.T) {
	text, err := os.ReadFile("testdata/traces.txt")
	must(t, err)
	s := readTraces(string(text))
	want := shares{"sending, in the kernel": 140, "the SIP transaction otherwise": 10, "rendering": 20, "four log lines": 30,
		"the database's client": 40, "AMI": 50, "reconciling": 60, "Go's scheduler, and waiting": 70, unnamed: 5,
		"garbage collection otherwise": 100, "garbage collection, where the program had nothing else to do": 200}
	if fmt.Sprint(s) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", s, want)
	}
	for part := range s {
		if !strings.Contains(strings.Join(partNames(), "\n"), part) {
			t.Errorf("%q is not shown", part)
		}
	}
	if got := s.of("sending, in the kernel"); got != 140.0/725 {
		t.Error(got)
	}
	if got := (shares{}).of("AMI"); got != 0 {
		t.Error(got)
	}
}
