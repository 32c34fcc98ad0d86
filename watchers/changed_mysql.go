package watchers

import "context"

// InnoDB shows nobody which transaction wrote a row: a Mark is a hash of each dialog as it was.
const myChanged = `SELECT coalesce(presentity_uri, ''), coalesce(watcher_username, ''), coalesce(watcher_domain, ''),
concat(quote(callid), quote(to_tag), quote(from_tag), quote(contact), quote(remote_cseq), ' ', quote(expires), ' ', quote(status))
FROM {table} WHERE {event}`

func (m *mysqlStore) Changed(ctx context.Context, since Mark) (aors []AoR, next Mark, err error) {
	c := hashes{table: m.table, byWatcher: m.byWatcher, since: since, now: seen{}, found: aorSet{}}
	if err = m.query(ctx, c.scan, m.sql(myChanged)); err != nil {
		return nil, since, m.explain(err, "SELECT")
	}
	return c.found.list(), Mark{seen: &c.now}, nil
}
