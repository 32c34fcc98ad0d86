package watchers

import (
	"context"
	"strconv"
	"strings"
	"time"
)

const (
	pgServer = `SELECT 'PostgreSQL ' || current_setting('server_version'), current_user::text, current_setting('transaction_read_only') = 'on'`
	pgClock  = `SELECT extract(epoch FROM clock_timestamp())::float8`
	// pg_class can be read by everybody: it shows tables in schemas that the search path, or a grant, leaves out.
	pgElsewhere = `SELECT n.nspname || '.' || c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY 1 LIMIT 5`
	// The catalogue is asked, rather than the table tried, because a refusal would be an error in the server's log.
	pgRights = `SELECT bool_and(has_column_privilege(attrelid, attnum, 'SELECT')),
bool_or(attname = 'local_cseq' AND has_column_privilege(attrelid, attnum, 'UPDATE'))
FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped AND attname = ANY($2::text[])`
	// EXPLAIN would not do: for a small table PostgreSQL leaves the best index aside.
	pgIndex = `SELECT c.relname::text FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS m ON m.oid = c.relam
JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
WHERE i.indrelid = to_regclass($1) AND i.indisvalid AND i.indisready AND m.amname IN ('btree', 'hash') AND a.attname = $2
AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) LIKE '%message-summary%') ORDER BY 1 LIMIT 1`
	pgLedger = `SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = 'etag' AND NOT attisdropped),
coalesce(bool_and(has_table_privilege(to_regclass($1), may)), false)
FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS may`
	pgKind = `SELECT relkind::text FROM pg_class WHERE oid = to_regclass($1)`
)

func (p *postgres) inspect(ctx context.Context) (in Inspection, err error) {
	in.Table = p.quoted
	if err := p.query(ctx, one(&in.Server, &in.User, &in.ReadOnly), pgServer); err != nil {
		return in, p.explain(err, "SELECT")
	}
	in.Grantee = strconv.Quote(in.User)
	var have []string
	if err = p.clock(ctx, &in); err == nil {
		err = p.query(ctx, func(r rows) error { return scanStrings(r, &have) }, pgColumns, p.quoted)
	}
	if err != nil {
		return in, p.explain(err, "SELECT")
	}
	p.shape(&in, have)
	if err = p.query(ctx, one(&in.Ledger, &in.CanRecord), pgLedger, quoted(p.beside(ledgerTable), p.mark)); err != nil {
		return in, p.explain(err, "SELECT")
	}
	in.CanRecord = in.CanRecord && in.Ledger
	switch {
	case !in.Exists:
		name := p.name[strings.LastIndexByte(p.name, '.')+1:]
		err = p.query(ctx, func(r rows) error { return scanStrings(r, &in.Elsewhere) }, pgElsewhere, name)
	default:
		err = p.query(ctx, one(&in.CanSelect, &in.CanUpdate), pgRights, p.quoted, needed())
	}
	if err == nil && in.Exists && in.Missing == nil {
		if err = p.index(ctx, &in); err == nil {
			var channel string
			err = p.query(ctx, one(&channel, &in.Trigger), pgChannel, p.quoted)
		}
		if err == nil && in.CanSelect {
			err = p.count(ctx, p.query, p.byWatcher, presentityDomain, &in)
		}
	}
	if err != nil {
		return in, p.explain(err, "SELECT")
	}
	return in, nil
}

// clock compares the clocks, over a connection that is there already.
func (p *postgres) clock(ctx context.Context, in *Inspection) error {
	var epoch float64
	asked := time.Now()
	err := p.query(ctx, one(&epoch), pgClock)
	between := asked.Add(time.Since(asked) / 2)
	in.Skew = time.UnixMicro(int64(epoch * 1e6)).Sub(between)
	return err
}

func (p *postgres) index(ctx context.Context, in *Inspection) error {
	first, all := indexed(p.byWatcher)
	var kind string
	err := p.query(ctx, one(&in.Index), pgIndex, p.quoted, first)
	if err == nil {
		err = p.query(ctx, one(&kind), pgKind, p.quoted)
	}
	switch {
	case err != nil || in.Index != "":
	case kind == "r":
		in.CreateIndex = "CREATE INDEX CONCURRENTLY ON " + p.quoted + " (" + all + ")"
	case kind == "p": // PostgreSQL has no CONCURRENTLY for a partitioned table
		in.CreateIndex = "CREATE INDEX ON " + p.quoted + " (" + all + ")"
	}
	return err
}
