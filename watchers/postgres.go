package watchers

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// connectTimeout bounds one attempt to connect, unless the URL has a
// connect_timeout; without either the kernel would take two minutes.
const connectTimeout = 5 * time.Second

// postgres is a Store in PostgreSQL.
type postgres struct {
	*table
	pool      *pgxpool.Pool
	user      string
	byWatcher bool
	one, many pgLookup // of one AoR, of a batch
	draw      string   // SQL
	quiet     time.Duration
}

// pgLookup is SQL that finds dialogs, and that finds what the ledger knows too.
type pgLookup struct{ plain, withLedger string }

// As the subquery locks in one order, two callers with the same dialogs cannot deadlock.
const (
	pgByPresentity = `SELECT {columns} FROM {table} AS w WHERE presentity_uri = ANY($1::text[]) AND {event}`
	pgByWatcher    = `SELECT {columns} FROM {table} AS w JOIN unnest($1::text[], $2::text[]) AS k(k_user, k_domain)
ON watcher_username = k_user AND watcher_domain = k_domain WHERE {event}`
	// PostgreSQL keeps the plan of these two; an array's it makes anew each time, which takes longer than the lookup.
	pgOneByPresentity = `SELECT {columns} FROM {table} AS w WHERE presentity_uri = $1::text AND {event}`
	pgOneByWatcher    = `SELECT {columns} FROM {table} AS w WHERE watcher_username = $1::text AND watcher_domain = $2::text AND {event}`
	pgNextCSeq        = `WITH locked AS (
SELECT presentity_uri, callid, to_tag, from_tag FROM {table} AS w
JOIN unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS k(k_uri, k_callid, k_to, k_from)
ON presentity_uri = k_uri AND callid = k_callid AND to_tag = k_to AND from_tag = k_from
WHERE {event} AND local_cseq < 2147483646 ORDER BY callid, to_tag, from_tag FOR UPDATE OF w)
UPDATE {table} AS w SET local_cseq = w.local_cseq + 1 FROM locked AS k
WHERE w.presentity_uri = k.presentity_uri AND w.callid = k.callid AND w.to_tag = k.to_tag AND w.from_tag = k.from_tag
RETURNING w.callid, w.to_tag, w.from_tag, w.local_cseq + 1`
	pgColumns = `SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped`
)

func openPostgres(c Config, t *table) (Store, error) {
	cfg, err := parsePostgresURL(c.URL)
	if err != nil {
		return nil, err
	}
	if c.MaxConns > 0 {
		cfg.MaxConns = int32(c.MaxConns)
		cfg.MinConns, cfg.MinIdleConns = min(cfg.MinConns, cfg.MaxConns), min(cfg.MinIdleConns, cfg.MaxConns)
	}
	conn := cfg.ConnConfig
	conn.ConnectTimeout = cmp.Or(conn.ConnectTimeout, connectTimeout)
	if conn.RuntimeParams["application_name"] == "" {
		conn.RuntimeParams["application_name"] = "zonkeymwi"
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	one, many := pgOneByPresentity, pgByPresentity
	if c.ByWatcher {
		one, many = pgOneByWatcher, pgByWatcher
	}
	return &postgres{table: t, pool: pool, user: conn.User, byWatcher: c.ByWatcher, quiet: keepAlive,
		one: t.pgLookup(one), many: t.pgLookup(many), draw: t.sql(pgNextCSeq)}, nil
}

func (t *table) pgLookup(sql string) pgLookup {
	return pgLookup{asText(t.sql(sql)), t.pgWithLedger(sql)}
}

// pgWithLedger reads the dialogs first and then what the ledger knows of them. In
// one join PostgreSQL would rather read both tables whole for a large batch.
func (t *table) pgWithLedger(lookup string) string {
	join := strings.Replace(joinLedger("SELECT {columns} FROM {table} AS w"), "{table}", "dialogs", 1)
	return "WITH dialogs AS MATERIALIZED (" + t.sql(lookup) + ")\n" + asText(t.sql(join))
}

func (p *postgres) Close() { p.pool.Close() }

func (p *postgres) Dialogs(ctx context.Context, aors []AoR) (map[AoR][]Dialog, error) {
	found := map[AoR][]Dialog{}
	b := newBatch(aors, p.byWatcher)
	if len(b.aors) == 0 {
		return found, nil
	}
	lookup, args := p.many, b.pgArgs
	if len(b.aors) == 1 {
		lookup, args = p.one, b.pgArg
	}
	err := p.lookUp(func(acked bool) error {
		sql := lookup.plain
		if acked {
			sql = lookup.withLedger
		}
		return p.query(ctx, func(r rows) error {
			return b.scan(r, func() (Dialog, error) { return scanText(r.(pgx.Rows), acked) }, found)
		}, sql, args()...)
	}, p.ledgerFault)
	if err != nil {
		return nil, p.explain(err, "SELECT")
	}
	return found, nil
}

func (b batch) pgArgs() []any {
	if b.byWatcher {
		return []any{
			column(b.aors, func(a AoR) string { return a.User }),
			column(b.aors, func(a AoR) string { return a.Domain }),
		}
	}
	return []any{column(b.aors, AoR.URI)}
}

// pgArg is for a batch of one.
func (b batch) pgArg() []any {
	a := b.aors[0]
	if b.byWatcher {
		return []any{a.User, a.Domain}
	}
	return []any{a.URI()}
}

func (p *postgres) NextCSeq(ctx context.Context, dialogs []Dialog) (map[Key]uint32, error) {
	drawn := map[Key]uint32{}
	if len(dialogs) == 0 {
		return drawn, nil
	}
	err := p.query(ctx, func(r rows) error { return scanCSeqs(r, drawn) }, p.draw,
		column(dialogs, func(d Dialog) string { return d.Presentity }),
		column(dialogs, func(d Dialog) string { return d.CallID }),
		column(dialogs, func(d Dialog) string { return d.ToTag }),
		column(dialogs, func(d Dialog) string { return d.FromTag }))
	if err != nil {
		return nil, p.explain(err, "SELECT, UPDATE")
	}
	return drawn, nil
}

func (p *postgres) Flavour(ctx context.Context) (Flavour, error) {
	if f := p.kept(); f != Unknown {
		return f, nil
	}
	var have []string
	err := p.query(ctx, func(r rows) error { return scanStrings(r, &have) }, pgColumns, p.quoted)
	if err != nil {
		return Unknown, p.explain(err, "SELECT")
	}
	return p.judge(have)
}

func (p *postgres) query(ctx context.Context, scan func(rows) error, sql string, args ...any) error {
	r, err := p.pool.Query(ctx, sql, args...)
	if err == nil {
		err = scan(r)
		r.Close()
	}
	p.suspect(ctx, err)
	return err
}

// suspect presumes, after a lost connection, that the idle ones are lost too,
// else each would cost its caller an error after a restart.
func (p *postgres) suspect(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil && lost(err) {
		p.pool.Reset()
	}
}
