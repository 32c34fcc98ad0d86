//go:build linux

package bench

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const changed = users / 100 // mailboxes, while the program was down

// measureLedger has the program with what makes it slower, and the resync after
// a restart that the ledger is for.
func measureLedger(t *testing.T, w *world) {
	s := settings{cseq: "database", ledger: true}
	st := newStage(t, w, "ledger", s)
	st.sustained(t, `the same with the ledger and <code>cseq = "database"</code>`, "at least 0.55", 0.55, true)
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
	a := &st.report.resync
	exact := true
	for run := range runs {
		for i := run; i < users; i += users / changed {
			st.source.boxes[i].Add(1)
		}
		st.phones.reset()
		floor = append(floor, st.listAndLedger(t, a))
		a.byHand = append(a.byHand, st.resyncByHand(t))
		took, ok := st.restart(t, s, run)
		ours, exact = append(ours, took), exact && ok
	}
	ratios := ours.by(floor)
	a.ours, a.floor, a.reached = ours, floor, ratios.median() <= mostOfList
	verdict := "exactly the changed ones were told"
	if !exact {
		verdict = "NOT exactly the changed ones were told"
	}
	st.report.add(row{"resync of 100 000 mailboxes, 1 % changed, with the ledger", "reading the list and the ledger: " + floor.text("%.2f s"),
		ours.text("%.2f s") + " from the list's start to the last NOTIFY; " + verdict, ratios, "%.2f", "at most 1.5, exactly the changed ones", exact && a.reached})
}

// mostOfList is how many times the floor a resync may take.
const mostOfList = 1.5

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
		profiled := profile(t, p, "resync", 3)
		defer func() { st.report.resync.profile = profiled() }()
	}
	before := st.spent(t, p)
	first := st.phones.answered.Load()
	for deadline := time.Now().Add(60 * time.Second); st.phones.answered.Load()-first < changed && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	seconds = time.Since(asked).Seconds()
	st.report.resync.add(st.spent(t, p).since(before), 1e6) // in seconds
	time.Sleep(time.Second)                                 // for NOTIFYs that nobody wants
	exact = true
	for i := range users {
		want := uint32(0)
		if i%(users/changed) == run {
			want = 1
		}
		exact = exact && st.phones.told[i].Load() == want
	}
	return seconds, exact
}

// listAndLedger returns the seconds of a resync's floor.
func (st *stage) listAndLedger(t testing.TB, a *resyncAccount) float64 {
	t.Helper()
	cmd := floorCommand(t, "list and ledger", task{Source: st.source.addr(), Database: st.db.url()})
	out, err := cmd.Output()
	must(t, err)
	var list, ledger float64
	_, err = fmt.Sscan(string(out), &list, &ledger)
	must(t, err)
	a.list, a.ledger = append(a.list, list), append(a.ledger, ledger)
	return list + ledger
}

// askForList connects to both, and asks Asterisk for the list.
func askForList(ctx context.Context, work task) (*pgx.Conn, net.Conn, error) {
	db, err := pgx.Connect(ctx, work.Database)
	if err != nil {
		return nil, nil, err
	}
	asterisk, err := logIn(work.Source)
	if err == nil {
		_, err = asterisk.Write([]byte("Action: VoicemailUsersList\r\nActionID: 2\r\n\r\n"))
	}
	return db, asterisk, err
}

// readListAndLedger prints the seconds that it takes to read the list, and the
// ledger.
func readListAndLedger(work task) error {
	ctx := context.Background()
	db, asterisk, err := askForList(ctx, work)
	if err != nil {
		return err
	}
	start := time.Now()
	buf := make([]byte, 64<<10)
	for kept := 0; !bytes.Contains(buf[:kept], []byte("ListItems: ")); {
		kept = copy(buf, buf[max(0, kept-32):kept]) // the end may come in two parts
		n, err := asterisk.Read(buf[kept:])
		if err != nil {
			return err
		}
		kept += n
	}
	list := time.Since(start)
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
	fmt.Fprintln(os.Stdout, list.Seconds(), (time.Since(start) - list).Seconds())
	if n < users && rows.Err() == nil {
		return fmt.Errorf("the ledger holds %d rows of %d", n, users)
	}
	return rows.Err()
}
