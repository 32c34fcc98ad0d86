package watchers

import "context"

// SQLite numbers no transactions: a Mark is a hash of each dialog as it was.
const liteChanged = `SELECT coalesce(presentity_uri, ''), coalesce(watcher_username, ''), coalesce(watcher_domain, ''),
quote(callid) || quote(to_tag) || quote(from_tag) || quote(contact) || quote(remote_cseq) || ' ' || quote(expires) || ' ' || quote(status)
FROM {table} WHERE {event}`

func (s *sqliteStore) Changed(ctx context.Context, since Mark) (aors []AoR, next Mark, err error) {
	c := hashes{table: s.table, byWatcher: s.byWatcher, since: since, now: seen{}, found: aorSet{}}
	if err = s.query(ctx, c.scan, s.sql(liteChanged)); err != nil {
		return nil, since, err
	}
	return c.found.list(), Mark{seen: &c.now}, nil
}
