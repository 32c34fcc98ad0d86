//go:build linux

package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// measureLedger has the program with what makes it slower, and the resync after
// a restart that the ledger is for.
func measureLedger(t *testing.T, w *world) {
	s := settings{cseq: "database", ledger: true}
	st := newStage(t, w, "ledger", s)
	st.sustained(t, `the same with the ledger and <code>cseq = "database"</code>`, "at least 0.55", 0.55)
	st.program.stop()
	s.rate = 1_000_000 // what it can, not what the proxy is to be spared
	st.resync(t, s)
}

// resync restarts the program while one mailbox in a hundred has changed.
func (st *stage) resync(t *testing.T, s settings) {
	st.db.exec(t, "VACUUM ANALYZE active_watchers")
	st.db.exec(t, "VACUUM ANALYZE zonkeymwi_ledger")
	st.source.list.Store(true)
	var ours, floor sample
	exact := true
	for run := range runs {
		for i := run; i < users; i += 100 {
			st.source.boxes[i].Add(1)
		}
		st.phones.reset()
		floor = append(floor, listAndLedger(t, st))
		took, ok := st.restart(t, s, run)
		ours, exact = append(ours, took), exact && ok
	}
	ratios := ours.by(floor)
	verdict := "exactly the changed ones were told"
	if !exact {
		verdict = "NOT exactly the changed ones were told"
	}
	st.report.add(row{"resync of 100 000 mailboxes, 1 % changed, with the ledger", "reading the list and the ledger: " + floor.text("%.2f s"),
		ours.text("%.2f s") + " from the list's start to the last NOTIFY; " + verdict, ratios, "%.2f", "at most 1.5, exactly the changed ones", exact && ratios.median() <= 1.5})
}

// restart returns the seconds from the question for the list to the last NOTIFY,
// and whether exactly the changed mailboxes' phones were told.
func (st *stage) restart(t testing.TB, s settings, run int) (seconds float64, exact bool) {
	for len(st.source.lists) > 0 {
		<-st.source.lists
	}
	p := newProgram(t, st.db, st.source.addr(), st.phones.addr(), s).start()
	defer p.stop()
	asked := <-st.source.lists
	if run == runs-1 {
		defer profile(t, p, "resync")()
	}
	first := st.phones.answered.Load()
	const changed = users / 100
	for deadline := time.Now().Add(60 * time.Second); st.phones.answered.Load()-first < changed && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	seconds = time.Since(asked).Seconds()
	time.Sleep(time.Second) // for NOTIFYs that nobody wants
	exact = true
	for i := range users {
		want := uint32(0)
		if i%100 == run {
			want = 1
		}
		exact = exact && st.phones.told[i].Load() == want
	}
	return seconds, exact
}

func listAndLedger(t testing.TB, st *stage) float64 {
	t.Helper()
	cmd := floorCommand(t, "list and ledger", task{Source: st.source.addr(), Database: st.db.url()})
	out, err := cmd.Output()
	must(t, err)
	seconds, err := strconv.ParseFloat(string(bytes.TrimSpace(out)), 64)
	must(t, err)
	return seconds
}

// readListAndLedger prints the seconds that it takes to read all that a resync
// must read.
func readListAndLedger(work task) error {
	ctx := context.Background()
	db, err := pgx.Connect(ctx, work.Database)
	if err != nil {
		return err
	}
	asterisk, err := logIn(work.Source)
	if err != nil {
		return err
	}
	start := time.Now()
	if _, err := asterisk.Write([]byte("Action: VoicemailUsersList\r\nActionID: 2\r\n\r\n")); err != nil {
		return err
	}
	buf := make([]byte, 64<<10)
	for kept := 0; !bytes.Contains(buf[:kept], []byte("ListItems: ")); {
		kept = copy(buf, buf[max(0, kept-32):kept]) // the end may come in two parts
		n, err := asterisk.Read(buf[kept:])
		if err != nil {
			return err
		}
		kept += n
	}
	rows, err := db.Query(ctx, `SELECT callid, to_tag, from_tag, new_messages, old_messages, new_urgent, old_urgent, remote_cseq, expires, contact, cseq, acked_at FROM zonkeymwi_ledger`)
	if err != nil {
		return err
	}
	var text [4]string
	var number [8]int64
	n := 0
	for ; rows.Next(); n++ {
		if err := rows.Scan(&text[0], &text[1], &text[2], &number[0], &number[1], &number[2], &number[3], &number[4], &number[5], &text[3], &number[6], &number[7]); err != nil {
			return err
		}
	}
	fmt.Fprintln(os.Stdout, time.Since(start).Seconds())
	if n < users && rows.Err() == nil {
		return fmt.Errorf("the ledger holds %d rows of %d", n, users)
	}
	return rows.Err()
}
