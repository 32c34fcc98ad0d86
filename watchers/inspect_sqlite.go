package watchers

import (
	"context"
	"slices"
	"time"

	lib "modernc.org/sqlite/lib"
)

const (
	liteServer = `SELECT 'SQLite ' || sqlite_version()`
	liteIndex  = `SELECT l.name FROM pragma_index_list(?, ?) AS l JOIN pragma_index_info(l.name, ?) AS i
WHERE i.seqno = 0 AND i.name = ? AND l.partial = 0 ORDER BY 1 LIMIT 1`
	liteWrite = `UPDATE {table} SET local_cseq = local_cseq WHERE 0`
	liteNote  = `UPDATE {ledger} SET cseq = cseq WHERE 0`
)

func (s *sqliteStore) inspect(ctx context.Context) (in Inspection, err error) {
	s.tuned.Store(true) // whoever only looks leaves the file in its mode
	in.Table = s.quoted
	if err := s.query(ctx, one(&in.Server), liteServer); err != nil {
		return in, err
	}
	schema, name := s.schema()
	var have []string
	if err := s.query(ctx, func(r rows) error { return scanStrings(r, &have) }, liteColumns, name, schema); err != nil {
		return in, err
	}
	ledger, err := s.ledgerColumns(ctx)
	if err != nil {
		return in, err
	}
	if in.Ledger = slices.Contains(ledger, "etag"); in.Ledger {
		in.CanRecord, in.ReadOnly = s.writable(ctx, liteNote)
	}
	if s.shape(&in, have); !in.Exists || in.Missing != nil {
		return in, nil
	}
	in.CanSelect = true // SQLite has no grants: who opens the file may
	in.CanUpdate, in.ReadOnly = s.writable(ctx, liteWrite)
	first, all := indexed(s.byWatcher)
	if err := s.query(ctx, one(&in.Index), liteIndex, name, schema, schema, first); err != nil {
		return in, err
	}
	if in.Index == "" {
		in.CreateIndex = `CREATE INDEX "` + schema + `"."` + name + `_zonkeymwi" ON "` + name + `" (` + all + ")"
	}
	return in, s.count(ctx, s.query, s.byWatcher, presentityDomain, &in)
}

// writable tries to write, no row. Another program that holds the file shows that it can be written.
func (s *sqliteStore) writable(ctx context.Context, write string) (may, readOnly bool) {
	ctx, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	err := s.query(ctx, one(), s.sql(write))
	readOnly = liteCode(err) == lib.SQLITE_READONLY
	return err == nil || ctx.Err() != nil || liteCode(err) == lib.SQLITE_BUSY, readOnly
}
