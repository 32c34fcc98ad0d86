package watchers

import (
	"context"
	"fmt"
	"strings"
)

// A row's xmin is the transaction that wrote it. One that had not ended at the
// last poll was not seen then: it is at or above that poll's oldest transaction,
// whose number is the Mark, however late it commits. So is a subtransaction,
// which is numbered after its parent.
//
// The 32 bits of xmin wrap. They are compared by age, which counts backwards
// from one number that stays the same within a statement, and a Mark over 2^30
// transactions old is not compared at all: every row is told of. So it is after
// a change of server, or its restart: a replica that took over may have numbered
// transactions again. A row older than 2^31 transactions has a negative age.
const (
	pgMark = `WITH now AS MATERIALIZED (SELECT
(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::int8 AS server,
pg_snapshot_xmin(pg_current_snapshot())::text::int8 AS xid)`
	pgFirstMark = pgMark + ` SELECT server, xid FROM now`
	pgChanged   = pgMark + `, since AS MATERIALIZED (
SELECT CASE WHEN server = $1 AND xid - $2 BETWEEN 0 AND 1073741824 THEN age(($2::int8 & 4294967295)::text::xid) END AS age,
age((xid & 4294967295)::text::xid) AS next FROM now)
SELECT now.server, now.xid, coalesce(w.again, false), coalesce(w.version, ''), coalesce(w.uri, ''), coalesce(w.k_user, ''), coalesce(w.k_domain, '')
FROM now LEFT JOIN (
SELECT age(xmin) <= (SELECT next FROM since) AS again, xmin::text || ctid::text AS version,
presentity_uri AS uri, watcher_username AS k_user, watcher_domain AS k_domain
FROM {table} WHERE {event} AND ((SELECT age FROM since) IS NULL OR age(xmin) BETWEEN 0 AND (SELECT age FROM since))) AS w ON true`
)

func (p *postgres) Changed(ctx context.Context, since Mark) (aors []AoR, next Mark, err error) {
	if since == (Mark{}) {
		err = p.query(ctx, one(&next.server, &next.xid), pgFirstMark)
	} else {
		c := changes{table: p.table, byWatcher: p.byWatcher, since: since, found: aorSet{}}
		err = p.query(ctx, c.scan, p.sql(pgChanged), since.server, since.xid)
		aors, next = c.found.list(), c.next
	}
	if err != nil {
		return nil, since, p.explainChanged(err)
	}
	return aors, next, nil
}

// changes reads what pgChanged returns: rows that have been told of are not
// again, while an old transaction that does not end holds the Mark back.
type changes struct {
	*table
	byWatcher   bool
	since, next Mark
	found       aorSet
}

func (c *changes) scan(r rows) error {
	told := seen{}
	for r.Next() {
		var again bool
		var version, uri, user, domain string
		if err := r.Scan(&c.next.server, &c.next.xid, &again, &version, &uri, &user, &domain); err != nil {
			return err
		}
		h := c.hash(version)
		if again {
			told[h] = struct{}{}
		}
		a, ok := addressOf(c.byWatcher, uri, user, domain)
		if ok && version != "" && (c.next.server != c.since.server || !c.since.seen.has(h)) {
			c.found[a] = struct{}{}
		}
	}
	if len(told) > 0 {
		c.next.seen = &told
	}
	return r.Err()
}

func (p *postgres) explainChanged(err error) error {
	if code(err) == "42703" && strings.Contains(err.Error(), `"xmin"`) {
		return fmt.Errorf("database table %s: %w: is it a view? What changes behind it cannot be seen; name the proxy's own table", p.name, err)
	}
	return p.explain(err, "SELECT")
}
