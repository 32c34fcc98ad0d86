//go:build linux

package e2e

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// fault is something that breaks. The world goes on all the while.
type fault struct {
	name     string
	during   func(*testing.T, *world) // breaks it, waits, and mends it
	patience time.Duration            // how long lamps may be wrong afterwards; 0: 20 s
	excess   int                      // NOTIFYs in a dialog that nothing called for; 0: defaultExcess
}

// A row of the table.
type row struct {
	fault         string
	phones, wrong int
	lasted, right time.Duration // the fault; from its end to the last lamp right
	changes       int
	mean          float64 // NOTIFYs a phone, the proxy's own empty ones apart
	most, packets int
	began         time.Time
	excess        int // most NOTIFYs in a dialog beyond its due
	excessOf      string
}

const tableHead = "| fault | lasted s | changes | phones | wrong lamps | last right after s | NOTIFYs a phone, mean | most |\n|---|---|---|---|---|---|---|---|\n"

func (r row) String() string {
	return fmt.Sprintf("| %s | %.1f | %d | %d | %d | %.1f | %.2f | %d |\n", r.fault, r.lasted.Seconds(), r.changes, r.phones, r.wrong,
		r.right.Seconds(), r.mean, r.most)
}

// defaultExcess is the bound on a storm: how many NOTIFYs may be sent in one
// dialog, during and after a fault, beyond one for each thing that calls for
// one. Those are retries, with growing pauses.
const defaultExcess = 5

// suffer lives through a fault and makes its row.
func (w *world) suffer(t *testing.T, f fault) row {
	t.Helper()
	w.spool.Forget()
	w.network.Count()
	w.starts = 0
	for _, d := range w.desks {
		d.subscribed = 0
	}
	r := row{fault: f.name, phones: len(w.desks), began: time.Now()}
	end := w.live(t)
	f.during(t, w)
	ended := time.Now()
	end()
	r.lasted = ended.Sub(r.began)
	last := w.settle(t, max(f.patience, 20*time.Second))
	r.right, r.wrong = last.Sub(ended), len(w.wrong())
	w.tally(&r)
	return r
}

// settle waits until every lamp is right, and returns when the last one was.
func (w *world) settle(t *testing.T, patience time.Duration) time.Time {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for ctx.Err() == nil && !w.refresh(ctx, time.Second) {
		pause(ctx, 50*time.Millisecond)
	}
	refreshed := time.Now()
	w.subscribeAll(ctx)
	t.Logf("all phones have a subscription %v later", time.Since(refreshed).Round(time.Millisecond))
	for began, slowest := time.Now(), (*desk)(nil); ; {
		now := time.Now()
		wrong := w.wrong()
		if len(wrong) == 0 {
			if slowest != nil && now.Sub(began) > 5*time.Second {
				t.Logf("the slowest was %s", slowest.uri)
				w.story(t, slowest.uri, began.Add(-10*time.Second))
			}
			return now
		}
		slowest = wrong[0]
		if ctx.Err() != nil {
			w.explain(t, wrong)
			return now
		}
		pause(ctx, 50*time.Millisecond)
	}
}

// explain tells of some wrong lamps what the bridge knows.
func (w *world) explain(t *testing.T, wrong []*desk) {
	t.Helper()
	for _, d := range wrong[:min(3, len(wrong))] {
		notes := d.Notifies()
		t.Errorf("%s shows %+v, want %+v; the last NOTIFYs:", d.uri, d.Lamp(), w.spool.Truth(d.mailbox))
		for _, n := range notes[max(0, len(notes)-5):] {
			t.Logf("%s CSeq %d answered %d %s %q", n.Time.Format(time.StampMilli), n.CSeq, n.Status, n.Reason, n.Body)
		}
		user, _, _ := strings.Cut(d.mailbox, "@")
		w.program.Command("explain", user, domain)
	}
}

// story tells what the bridge sent to a contact since a time, and what became of it.
func (w *world) story(t *testing.T, uri string, since time.Time) {
	t.Helper()
	outcomes := map[string]string{}
	events := w.program.Log()
	for _, e := range events {
		if e.Text("event") == "notify_result" {
			outcomes[e.Text("call_id")+e.Text("cseq")] = e.Text("outcome") + " " + e.Text("status") + " after " + e.Text("took")
		}
	}
	for _, e := range events {
		at, _ := time.Parse(time.RFC3339Nano, e.Text("ts"))
		if e.Text("event") == "notify_sent" && e.Text("request_uri") == uri && at.After(since) {
			t.Logf("%s %s CSeq %s %s/%s: %s", at.Format(time.StampMilli), e.Text("call_id"), e.Text("cseq"), e.Text("new"), e.Text("old"),
				outcomes[e.Text("call_id")+e.Text("cseq")])
		}
	}
}

// tally counts the NOTIFYs, and holds those of each dialog against what calls
// for one: a change, a subscription (two: the proxy's own NOTIFY may have taken
// this second's CSeq), a start of the bridge.
func (w *world) tally(r *row) {
	changes := w.spool.Forget()
	r.packets = w.network.Packets()
	for _, n := range changes {
		r.changes += n
	}
	for _, d := range w.desks {
		sum := 0
		for _, n := range w.network.Counted(d.uri) {
			sum += n
			if excess := n - changes[d.mailbox] - 2*d.subscribed - w.starts; excess > r.excess {
				r.excess, r.excessOf = excess, d.uri
			}
		}
		r.mean += float64(sum) / float64(len(w.desks))
		r.most = max(r.most, sum)
	}
}

// check fails t where the row tells of a wrong lamp or of a storm, or the bridge has gone.
func (w *world) check(t *testing.T, f fault, r row) {
	t.Helper()
	if !w.program.process.running() {
		t.Fatalf("%s: the bridge has ended", r.fault)
	}
	if limit := max(f.excess, defaultExcess); r.excess > limit {
		t.Errorf("%s: %s was sent %d NOTIFYs in one dialog more than was called for, want at most %d", r.fault, r.excessOf, r.excess, limit)
		w.story(t, r.excessOf, r.began)
	}
	if r.wrong > 0 {
		t.Errorf("%s: %d of %d lamps are wrong %v after its end", r.fault, r.wrong, r.phones, r.right)
		w.program.Kill() // the next fault is not to answer for them
		w.program.Configure(w.config)
		w.start()
		hold(5)
	}
}

// writeTable prints the rows, and writes them to the file that ZONKEYMWI_FAULT_TABLE names.
func writeTable(t *testing.T, rows []row) {
	t.Helper()
	table := tableHead
	for _, r := range rows {
		table += r.String()
	}
	t.Logf("\n%s", table)
	if name := os.Getenv("ZONKEYMWI_FAULT_TABLE"); name != "" {
		if err := os.WriteFile(name, []byte(table), 0o644); err != nil {
			t.Error(err)
		}
	}
}
