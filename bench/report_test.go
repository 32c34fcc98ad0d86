//go:build linux

package bench

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"
)

//go:embed performance.md.tmpl
var performanceTemplate string

// report is all that was measured.
type report struct {
	rows    []row
	others  []other
	curves  []curve
	missing []string // what could not be measured, and why
	failed  []string // parts that ended early

	accounts  []*account // where the time of the sustained stages went
	hops      hopAccount
	resync    resyncAccount
	rendering renderAccount
}

// row is one figure that is to be reached.
type row struct {
	what, floor, ours string
	ratio             sample
	format            string // of the ratio
	reach             string
	reached           bool
}

// other is one way of telling phones.
type other struct {
	what     string
	rate     sample // NOTIFYs a second, as fast as it can
	at       int    // events a second while the next were measured
	p50, p99 sample // microseconds from the change to the wire
}

func (r *report) add(row row)           { r.rows = append(r.rows, row) }
func (r *report) compare(o other)       { r.others = append(r.others, o) }
func (r *report) lack(what, why string) { r.missing = append(r.missing, what+": "+why) }
func line(cells ...string) string       { return "| " + strings.Join(cells, " | ") + " |\n" }
func heading(cells ...string) string {
	return line(cells...) + strings.Repeat("|---", len(cells)) + "|\n"
}

func (r *report) figures() string {
	text := heading("what", "floor", "ours", "ratio", "spread", "to reach", "reached")
	for _, f := range r.rows {
		verdict := map[bool]string{true: "yes", false: "**no**"}[f.reached]
		ratio, spread := "", ""
		if f.ratio != nil {
			ratio, spread = f.ratio.text(f.format), f.ratio.spread(f.format)
		}
		text += line(f.what, f.floor, f.ours, ratio, spread, f.reach, verdict)
	}
	return text
}

func (r *report) comparison() string {
	text := heading("what tells the phones", "NOTIFYs a second", "spread", "change to wire, p50", "p99", "measured at")
	for _, o := range r.others {
		text += line(o.what, o.rate.text("%.0f"), o.rate.spread("%.0f"), millis(o.p50), millis(o.p99), fmt.Sprintf("%d/s", o.at))
	}
	return text
}

func millis(s sample) string { return fmt.Sprintf("%.2f ms", s.median()/1e3) }

func (r *report) growth() string {
	text := heading("", "NOTIFYs a second", "spread", "processor time of zonkeymwi, each", "of PostgreSQL, each")
	for _, c := range r.curves {
		for _, p := range c.points {
			text += line(fmt.Sprintf("%s: %d", c.name, p.at), p.rate.text("%.0f"), p.rate.spread("%.0f"), p.program.text("%.0f µs"), p.postgreSQL.text("%.0f µs"))
		}
	}
	return text
}

func (r *report) markdown(t testing.TB, postgreSQL string) string {
	t.Helper()
	var text strings.Builder
	err := template.Must(template.New("").Parse(performanceTemplate)).Execute(&text, map[string]any{
		"Figures": r.figures(), "Comparison": r.comparison(), "Growth": r.growth(), "Missing": r.missing, "Failed": r.failed,
		"Machine": machine(), "PostgreSQL": postgreSQL, "Date": time.Now().UTC().Format(time.DateOnly),
		"Accounts": r.accounts, "Parts": r.parts(), "Shared": r.shared(), "Survey": r.survey(), "Verdicts": r.verdicts(),
		"Runs": runs, "Batch": handBatch, "Window": window, "Paced": paced,
	})
	must(t, err)
	return text.String()
}

func (r *report) write(t testing.TB, text string) {
	t.Helper()
	must(t, os.WriteFile("../docs/performance.md", []byte(text), 0o644))
	must(t, os.WriteFile("../docs/performance.svg", []byte(plot(r.curves)), 0o644))
}

// machine is what the figures depend on.
func machine() string {
	model, memory := "an unknown processor", ""
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, after, found := strings.Cut(string(text), "model name\t: "); found {
			model, _, _ = strings.Cut(after, "\n")
		}
	}
	var info syscall.Sysinfo_t
	if syscall.Sysinfo(&info) == nil {
		memory = fmt.Sprintf(", %.0f GiB", float64(info.Totalram)*float64(info.Unit)/(1<<30))
	}
	kernel, _ := exec.Command("uname", "-sr").Output() // "" says as much
	return fmt.Sprintf("%s, %d cores%s, %s, %s", model, runtime.NumCPU(), memory, strings.TrimSpace(string(kernel)), runtime.Version())
}
