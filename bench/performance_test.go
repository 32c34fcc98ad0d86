//go:build linux

package bench

import (
	"testing"

	"zonkeymwi/internal/pgtest"
)

// users is how many mailboxes there are, each with one phone.
const users = 100_000

// world is what the measurements share.
type world struct {
	pg     *pgtest.Server
	phones *responder
	report *report

	postmaster int // PostgreSQL's first process
}

// TestPerformance measures everything and writes docs/performance.md and .svg.
// With -run TestPerformance/PART it only shows what it would write.
func TestPerformance(t *testing.T) {
	if !*measure {
		t.Skip("this measures, and tests nothing: make bench")
	}
	w := &world{pg: pgtest.NewServer(t), phones: startResponder(t, 1_000_000), report: &report{}}
	w.postmaster = postmaster(t, w.pg)
	parts := []struct {
		name string
		run  func(*testing.T, *world)
	}{
		{"main", measureMain},     // sustained, event to wire, memory, and the script on the same dialogs
		{"ledger", measureLedger}, // sustained with the ledger, resync
		{"packages", measurePackages},
		{"start", measureStart},
		{"growth", measureGrowth},
		{"kamailio", compareKamailio},
		{"asterisk", compareAsterisk},
	}
	ran := 0
	for _, part := range parts {
		if !t.Run(part.name, func(t *testing.T) { ran++; part.run(t, w) }) {
			w.report.failed = append(w.report.failed, part.name)
		}
	}
	text := w.report.markdown(t, w.pgVersion(t))
	if ran < len(parts) {
		t.Logf("not all was measured, nothing is written:\n%s", text)
		return
	}
	w.report.write(t, text)
}
