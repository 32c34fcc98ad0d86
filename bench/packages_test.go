//go:build linux

package bench

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// measurePackages runs the benchmarks that packages have of their own, which
// print their floor and themselves in one run.
func measurePackages(t *testing.T, w *world) {
	lines := goBench(t, "sipmsg", "^BenchmarkAppend$/^NOTIFY$", runs, "300ms")
	floor, ours := lines.values("NOTIFY/floor", "ns/op"), lines.values("NOTIFY/template", "ns/op")
	allocated := lines.values("NOTIFY/template", "B/op").median()
	ratios := ours.by(floor)
	w.report.rendering = renderAccount{ours, floor, lines.values("NOTIFY/checked", "ns/op"), ratios.median() <= mostOfHand}
	w.report.add(row{"rendering with the built-in template", "appending the same bytes by hand: " + floor.text("%.0f ns"),
		ours.text("%.0f ns") + fmt.Sprintf(", %.0f bytes allocated", allocated), ratios, "%.2f", "at most 3; no allocation", w.report.rendering.reached && allocated == 0})

	lines = goBench(t, "ami", "^BenchmarkWaitingStream$", 3, "25x")
	for _, c := range []struct{ name, text string }{{"reload", "as sent by a reload, 1000 mailboxes"},
		{"reload-large", "as sent by a reload, 10 000 mailboxes"}, {"left", "as sent by a channel that left a message"}} {
		ratios := lines.values("WaitingStream/"+c.name, "of-raw")
		w.report.add(row{"AMI reading, MessageWaiting " + c.text, "reading the bytes",
			lines.values("WaitingStream/"+c.name, "events/s").text("%.0f events/s"), ratios, "%.2f", "at least 0.45", ratios.median() >= 0.45})
	}
}

type benchLines []string

func goBench(t testing.TB, pkg, pattern string, count int, benchtime string) benchLines {
	t.Helper()
	out, err := exec.Command("go", "test", "-run", "^$", "-bench", pattern, "-count", strconv.Itoa(count), "-benchtime", benchtime, "../"+pkg).CombinedOutput()
	if err != nil {
		t.Fatalf("go test -bench: %v\n%s", err, out)
	}
	return strings.Split(string(out), "\n")
}

// values are what the lines of a benchmark give in a unit.
func (l benchLines) values(name, unit string) (s sample) {
	value := regexp.MustCompile(`^Benchmark\S*` + regexp.QuoteMeta(name) + `-\d+\s.*?([0-9.]+) ` + regexp.QuoteMeta(unit) + `(\s|$)`)
	for _, line := range l {
		if m := value.FindStringSubmatch(strings.ReplaceAll(line, "\t", " ")); m != nil {
			v, _ := strconv.ParseFloat(m[1], 64) // digits and a point
			s = append(s, v)
		}
	}
	return s
}

func TestBenchLines(t *testing.T) {
	l := benchLines{"BenchmarkAppend/NOTIFY/floor-2         \t 2748792\t        86.36 ns/op\t       0 B/op\t       0 allocs/op", "PASS"}
	if got := fmt.Sprint(l.values("NOTIFY/floor", "ns/op"), l.values("NOTIFY/floor", "B/op"), l.values("other", "B/op")); got != "[86.36] [0] []" {
		t.Error(got)
	}
}
