//go:build linux

package bench

import (
	"fmt"
	"strings"
	"testing"
)

// parts is the table of what the program's own time is for, by its profiles.
func (r *report) parts() string {
	head := []string{"part of zonkeymwi"}
	for _, a := range r.accounts {
		head = append(head, a.column+": µs a NOTIFY", "share")
	}
	if r.hops.profile != nil {
		head = append(head, fmt.Sprintf("single events, %d/s: µs each", paced), "share")
	}
	if r.resync.profile != nil {
		head = append(head, "resync: ms in all", "share")
	}
	text := heading(head...)
	for _, part := range partNames() {
		cells := []string{part}
		for _, a := range r.accounts {
			cells = append(cells, fmt.Sprintf("%.1f", a.profile.of(part)*a.profiled()), percent(a.profile.of(part)))
		}
		if r.hops.profile != nil {
			cells = append(cells, fmt.Sprintf("%.0f", r.hops.profile.of(part)*r.hops.cpu), percent(r.hops.profile.of(part)))
		}
		if r.resync.profile != nil {
			cells = append(cells, fmt.Sprintf("%.0f", r.resync.profile[part]), percent(r.resync.profile.of(part)))
		}
		text += line(cells...)
	}
	return text
}

// shared is the table of who had the cores, and of what would be the most.
func (r *report) shared() string {
	head := []string{"a NOTIFY's processor time, µs"}
	for _, a := range r.accounts {
		head = append(head, a.column)
	}
	text := heading(head...)
	for _, row := range []struct {
		name, format string
		of           func(a *account) float64
	}{
		{"zonkeymwi", "%.1f", (*account).own},
		{"PostgreSQL", "%.1f", func(a *account) float64 { return a.each[byPostgreSQL].median() }},
		{"source and phones", "%.1f", func(a *account) float64 { return a.each[byBench].median() }},
		{"so busy were the cores, whoever had them", "%.0f %%", func(a *account) float64 { return 100 * a.busy.median() }},
		{"in the floor: the transaction", "%.1f", func(a *account) float64 { return a.transaction.median() }},
		{"in the floor: the phones", "%.1f", func(a *account) float64 { return a.phones.median() }},
		{"the rows by hand: PostgreSQL", "%.1f", func(a *account) float64 { return a.rows.median() }},
		{"the rows by hand: its client", "%.1f", func(a *account) float64 { return a.client.median() }},
		{"**what must be done:** source and phones, the floor's transaction, the rows by hand", "%.1f", (*account).needs},
		{"with which the cores do at most, NOTIFYs a second", "%.0f", (*account).mostRate},
		{"and that is, of the floor's rate", "%.2f", (*account).mostRatio},
	} {
		cells := []string{row.name}
		for _, a := range r.accounts {
			cells = append(cells, fmt.Sprintf(row.format, row.of(a)))
		}
		text += line(cells...)
	}
	return text
}

// notifies is how many seconds a resync's NOTIFYs take at the most that is possible.
func (r *report) notifies() float64 {
	if len(r.accounts) == 0 {
		return 0
	}
	return changed / r.accounts[len(r.accounts)-1].mostRate() // the ledger's
}

// survey is the table of a resync's seconds; "" where none was measured.
func (r *report) survey() string {
	a := &r.resync
	if len(a.floor) == 0 {
		return ""
	}
	text := heading("a resync's time", "s")
	for _, row := range []struct {
		name    string
		seconds float64
	}{
		{"the floor: the bytes of the list", a.list.median()},
		{"the floor: the rows of the ledger", a.ledger.median()},
		{"by hand: the list into a map of numbers, and the dialogs with what the ledger has of them beside it", a.byHand.median()},
		{fmt.Sprintf("%d NOTIFYs at the most that the cores do, as above", changed), r.notifies()},
		{"zonkeymwi's resync", a.ours.median()},
		{"its processor time: zonkeymwi", a.own()},
		{"its processor time: PostgreSQL", a.each[byPostgreSQL].median()},
		{"its processor time: source and phones", a.each[byBench].median()},
	} {
		text += line(row.name, fmt.Sprintf("%.2f", row.seconds))
	}
	return text + line("so busy were the cores, whoever had them", percent(a.busy.median()))
}

// verdicts are of what was not reached.
func (r *report) verdicts() (all []string) {
	for _, a := range r.accounts {
		all = append(all, a.verdict())
	}
	if len(r.hops.floor) > 0 {
		all = append(all, r.hops.verdict())
	}
	if len(r.resync.floor) > 0 {
		all = append(all, r.resync.verdict(r.notifies()))
	}
	if len(r.rendering.floor) > 0 {
		all = append(all, r.rendering.verdict())
	}
	return keep(all)
}

func keep(all []string) (some []string) {
	for _, s := range all {
		if s != "" {
			some = append(some, s)
		}
	}
	return some
}

func percent(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }

func TestWhereTheTimeGoes(t *testing.T) {
	a, reached := unit(), unit()
	reached.column, reached.reached = "with the ledger", true
	r := &report{accounts: []*account{a, reached}}
	r.resync = resyncAccount{account: *unit(), ours: sample{9}, list: sample{1}, ledger: sample{2}, byHand: sample{4}}
	r.resync.floor = sample{2.5}
	r.hops = hopAccount{ours: sample{150}, floor: sample{100}, handOvers: sample{120}, cpu: 250, floorCPU: 80, profile: shares{"AMI": 1, "rendering": 3}}
	r.rendering = renderAccount{ours: sample{330}, floor: sample{100}, checked: sample{190}}
	text := r.markdown(t, "PostgreSQL 15")
	for _, want := range []string{"## Where the time goes", "| AMI | 45.0 | 75 % | 45.0 | 75 % | 62 | 25 % | 30 | 75 % |",
		"| 40.0 | 40.0 |", "| 0.50 | 0.50 |", "no program that reads the rows for each NOTIFY can reach it here: 0.50 would be the most", "zonkeymwi takes 45.0 µs for that",
		"1.6 times the floor; at most 1.5 is to be reached", "So no program can that does the one after the other. zonkeymwi also keeps", "the same takes 120 µs (p50), which is 1.20 of the floor", "So no program can that", "zonkeymwi takes 30 µs more", "250 µs of processor time an event, and the floor 80",
		"it takes 190 ns, which is 1.90 of the floor. The other 140 ns"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	a.least, r.resync.reached, r.rendering.reached, r.hops.handOvers = 0.25, true, true, sample{105}
	if text := r.markdown(t, ""); !strings.Contains(text, "0.50 would be the most, and 40.0 µs are left for everything else") || strings.Contains(text, "The resync: the floor") || strings.Contains(text, "So no program can that") || strings.Contains(text, "The other 140 ns") {
		t.Error(text)
	}
	a.reached = true
	if text := r.markdown(t, ""); strings.Contains(text, "would be the most") {
		t.Error(text)
	}
	if text := (&report{}).markdown(t, ""); strings.Contains(text, "## Where the time goes") {
		t.Error(text)
	}
}
