package watchers

import (
	"context"
	"fmt"
	"time"
)

const (
	pgRecord = `INSERT INTO {ledger} AS l (callid, to_tag, from_tag, ` + ledgerColumns + `)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[],
$4::int8[], $5::int8[], $6::int8[], $7::int8[], $8::int8[], $9::int8[], $10::text[], $11::int8[], $12::int8[], $13::text[])
ON CONFLICT (callid, to_tag, from_tag) DO UPDATE SET (` + ledgerColumns + `) =
(excluded.new_messages, excluded.old_messages, excluded.new_urgent, excluded.old_urgent,
excluded.remote_cseq, excluded.expires, excluded.contact, excluded.cseq, excluded.acked_at, excluded.etag)
WHERE excluded.cseq >= l.cseq`
	pgAcked = `SELECT callid, to_tag, from_tag, ` + ledgerColumns + ` FROM {ledger}
JOIN unnest($1::text[], $2::text[], $3::text[]) AS k(k_callid, k_to, k_from) ON callid = k_callid AND to_tag = k_to AND from_tag = k_from`
	// What another bridge prunes or writes at the moment is left to it.
	pgPrune = `DELETE FROM {ledger} WHERE ctid = ANY (ARRAY(
SELECT ctid FROM {ledger} WHERE expires < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))`
)

func (p *postgres) Record(ctx context.Context, entries []Entry) error {
	entries = lastEntries(entries)
	if len(entries) == 0 {
		return nil
	}
	text := func(get func(Entry) string) []string { return column(entries, get) }
	number := func(get func(Entry) uint32) []int64 {
		return column(entries, func(e Entry) int64 { return int64(get(e)) })
	}
	return p.use(func() error {
		_, err := p.exec(ctx, p.sql(pgRecord),
			text(func(e Entry) string { return e.CallID }),
			text(func(e Entry) string { return e.ToTag }),
			text(func(e Entry) string { return e.FromTag }),
			number(func(e Entry) uint32 { return e.New }),
			number(func(e Entry) uint32 { return e.Old }),
			number(func(e Entry) uint32 { return e.NewUrgent }),
			number(func(e Entry) uint32 { return e.OldUrgent }),
			number(func(e Entry) uint32 { return e.RemoteCSeq }),
			column(entries, func(e Entry) int64 { return e.Expires }),
			text(func(e Entry) string { return e.Contact }),
			number(func(e Entry) uint32 { return e.CSeq }),
			column(entries, func(e Entry) int64 { return e.At }),
			text(func(e Entry) string { return e.ETag }))
		return err
	}, p.ledgerFault)
}

func (p *postgres) Acked(ctx context.Context, keys []Key) (map[Key]Acked, error) {
	return p.acked(keys, func(keys []Key, scan func(rows) error) error {
		err := p.query(ctx, scan, p.sql(pgAcked),
			column(keys, func(k Key) string { return k.CallID }),
			column(keys, func(k Key) string { return k.ToTag }),
			column(keys, func(k Key) string { return k.FromTag }))
		if err != nil && p.ledgerFault(err) == nil {
			err = p.explain(err, "")
		}
		return err
	}, p.ledgerFault)
}

func (p *postgres) Prune(ctx context.Context) (n int64, err error) {
	before := time.Now().Unix() - pruneAfter
	err = p.use(func() error {
		for deleted := int64(pruneBatch); deleted == pruneBatch; n += deleted {
			var err error
			if deleted, err = p.exec(ctx, p.sql(pgPrune), before, int64(pruneBatch)); err != nil {
				return err
			}
		}
		return nil
	}, p.ledgerFault)
	return n, err
}

// exec runs a statement on the ledger and returns how many rows it changed. A
// fault of the ledger's is left for use to explain.
func (p *postgres) exec(ctx context.Context, sql string, args ...any) (int64, error) {
	tag, err := p.pool.Exec(ctx, sql, args...)
	p.suspect(ctx, err)
	if err != nil && p.ledgerFault(err) == nil {
		err = p.explain(err, "")
	}
	return tag.RowsAffected(), err
}

// ledgerFault returns what is wrong with the ledger and its mend, if it is the
// ledger (or else the proxy's table) that err complains of, else nil.
func (p *postgres) ledgerFault(err error) error {
	name := p.beside(ledgerTable)
	switch code(err) {
	case "42P01", "3F000", "42703": // undefined table, schema, column
		return fmt.Errorf("database table %s: %w: %s", name, err, mendLedger)
	case "42501":
		return fmt.Errorf("database table %s: %w: GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %q", name, err, quoted(name, p.mark), p.user)
	}
	return nil
}
