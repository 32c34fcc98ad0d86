package watchers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"modernc.org/sqlite"
)

// "WHERE true" tells ON CONFLICT from the ON of a join.
const (
	liteRecord = `INSERT INTO {ledger} (callid, to_tag, from_tag, ` + ledgerColumns + `)
SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8, value->>9, value->>10, value->>11, value->>12
FROM json_each(?) WHERE true
ON CONFLICT (callid, to_tag, from_tag) DO UPDATE SET (` + ledgerColumns + `) =
(excluded.new_messages, excluded.old_messages, excluded.new_urgent, excluded.old_urgent,
excluded.remote_cseq, excluded.expires, excluded.contact, excluded.cseq, excluded.acked_at, excluded.etag)
WHERE excluded.cseq >= cseq`
	liteAcked = `SELECT callid, to_tag, from_tag, ` + ledgerColumns + ` FROM {ledger}
WHERE (callid, to_tag, from_tag) IN (SELECT value->>0, value->>1, value->>2 FROM json_each(?))`
	litePrune = `DELETE FROM {ledger} WHERE rowid IN (SELECT rowid FROM {ledger} WHERE expires < ? LIMIT ?) RETURNING 1`
)

func (s *sqliteStore) Record(ctx context.Context, entries []Entry) error {
	entries = lastEntries(entries)
	if len(entries) == 0 {
		return nil
	}
	rows := column(entries, func(e Entry) [13]any {
		return [13]any{e.CallID, e.ToTag, e.FromTag, e.New, e.Old, e.NewUrgent, e.OldUrgent,
			e.RemoteCSeq, e.Expires, e.Contact, e.CSeq, e.At, e.ETag}
	})
	return s.use(func() error { return s.query(ctx, one(), s.sql(liteRecord), asJSON(rows)) }, s.ledgerFault)
}

func (s *sqliteStore) Acked(ctx context.Context, keys []Key) (map[Key]Acked, error) {
	return s.acked(keys, func(keys []Key, scan func(rows) error) error {
		tuples := column(keys, func(k Key) [3]string { return [3]string{k.CallID, k.ToTag, k.FromTag} })
		return s.query(ctx, scan, s.sql(liteAcked), asJSON(tuples))
	}, s.ledgerFault)
}

func (s *sqliteStore) Prune(ctx context.Context) (n int64, err error) {
	before := time.Now().Unix() - pruneAfter
	err = s.use(func() error {
		for deleted := int64(pruneBatch); deleted == pruneBatch; n += deleted {
			deleted = 0
			count := func(r rows) error {
				for r.Next() {
					deleted++
				}
				return r.Err()
			}
			if err := s.query(ctx, count, s.sql(litePrune), before, pruneBatch); err != nil {
				return err
			}
		}
		return nil
	}, s.ledgerFault)
	return n, err
}

// ledgerColumns returns those of the ledger, none where there is no ledger.
func (s *sqliteStore) ledgerColumns(ctx context.Context) (have []string, err error) {
	schema, _ := s.schema()
	err = s.query(ctx, func(r rows) error { return scanStrings(r, &have) }, liteColumns, ledgerTable, schema)
	return have, err
}

// ledgerFault returns what is wrong with the ledger and its mend, if err is that
// a table or column is missing, else nil.
func (s *sqliteStore) ledgerFault(err error) error {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok || !strings.Contains(e.Error(), "no such") && !strings.Contains(e.Error(), "has no column") {
		return nil
	}
	return fmt.Errorf("database %s, table %s: %w: %s", s.path, s.beside(ledgerTable), e, mendLedger)
}
