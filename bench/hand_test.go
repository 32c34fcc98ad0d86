//go:build linux

package bench

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// byHand reads and writes the rows that a NOTIFY needs with the least there is:
// one connection, a batch of dialogs a statement, in copies of the tables that
// nobody else touches and that have no trigger.
type byHand struct {
	conn *pgx.Conn
	next int
}

const (
	handBatch  = 500
	handCopies = `CREATE SCHEMA hand;
CREATE TABLE hand.dialogs (LIKE active_watchers INCLUDING ALL) WITH (autovacuum_enabled = off);
INSERT INTO hand.dialogs SELECT * FROM active_watchers;
CREATE TABLE hand.ledger (LIKE zonkeymwi_ledger INCLUDING ALL) WITH (autovacuum_enabled = off, fillfactor = 70);
INSERT INTO hand.ledger SELECT callid, to_tag, from_tag, 1, 0, 0, 0, remote_cseq, expires, contact, local_cseq, 0, '' FROM hand.dialogs`
	handColumns = "presentity_uri, callid, to_tag, from_tag, local_cseq, remote_cseq, contact, record_route, local_contact, socket_info, expires, status"
	handWhere   = " WHERE presentity_uri = ANY($1::text[]) AND event = 'message-summary'"
	handRead    = "SELECT " + handColumns + " FROM hand.dialogs" + handWhere
	handDraw    = "UPDATE hand.dialogs SET local_cseq = local_cseq + 1" + handWhere + " RETURNING " + handColumns
	handRecord  = `INSERT INTO hand.ledger SELECT callid, to_tag, from_tag, 1, 0, 0, 0, 2, 2000000000, 'sip:1000000@127.0.0.1:5060;line=1', 2, 0, ''
FROM unnest($1::text[], $2::text[], $3::text[]) AS k(callid, to_tag, from_tag)
ON CONFLICT (callid, to_tag, from_tag) DO UPDATE SET (new_messages, old_messages, new_urgent, old_urgent, remote_cseq, expires, contact, cseq, acked_at, etag) =
(excluded.new_messages, excluded.old_messages, excluded.new_urgent, excluded.old_urgent, excluded.remote_cseq, excluded.expires, excluded.contact, excluded.cseq, excluded.acked_at, excluded.etag)`
)

// byHand measures what the rows of a stage's NOTIFYs cost at least.
func (st *stage) byHand(t testing.TB, a *account, writes bool) {
	t.Helper()
	st.db.exec(t, handCopies)
	defer st.db.exec(t, "DROP SCHEMA hand CASCADE")
	st.db.exec(t, "VACUUM ANALYZE hand.dialogs")
	st.db.exec(t, "VACUUM ANALYZE hand.ledger")
	c, err := pgx.Connect(t.Context(), st.db.url())
	must(t, err)
	defer c.Close(context.Background())
	h := &byHand{conn: c}
	for range runs {
		rows, client := h.cost(t, st.world, writes)
		a.rows, a.client = append(a.rows, rows), append(a.client, client)
	}
}

// cost is the processor time, in microseconds a dialog, that PostgreSQL and its
// client take for reading the dialog; or, with writes, for reading it while its
// CSeq is drawn, and for writing its ledger entry before the NOTIFY and after.
func (h *byHand) cost(t testing.TB, w *world, writes bool) (postgreSQL, client float64) {
	t.Helper()
	beforePG, before, n := w.pgCPU(t), cpuTime(t, os.Getpid()), 0
	for start := time.Now(); time.Since(start) < time.Second/2; n += handBatch {
		must(t, h.batch(t.Context(), writes))
	}
	return micros(w.pgCPU(t)-beforePG) / float64(n), micros(cpuTime(t, os.Getpid())-before) / float64(n)
}

func (h *byHand) batch(ctx context.Context, writes bool) error {
	statement := handRead
	if writes {
		statement = handDraw
	}
	rows, err := h.conn.Query(ctx, statement, h.uris())
	if err != nil {
		return err
	}
	var keys [3][]string
	for rows.Next() {
		for i, v := range rows.RawValues()[1:4] {
			keys[i] = append(keys[i], string(v))
		}
	}
	if rows.Err() != nil || !writes {
		return rows.Err()
	}
	for range 2 {
		if _, err := h.conn.Exec(ctx, handRecord, keys[0], keys[1], keys[2]); err != nil {
			return err
		}
	}
	return nil
}

// uris are the next batch's, in the order of load's events.
func (h *byHand) uris() []string {
	uris := make([]string, handBatch)
	for i := range uris {
		uris[i] = boxURI(h.next % users * step % users)
		h.next++
	}
	return uris
}
