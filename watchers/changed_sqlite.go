package watchers

import "context"

// SQLite numbers no transactions: a Mark is a hash of each dialog as it was.
const liteChanged = `SELECT coalesce(presentity_uri, ''), coalesce(watcher_username, ''), coalesce(watcher_domain, ''),
quote(callid) || quote(to_tag) || quote(from_tag) || quote(contact) || quote(remote_cseq) || ' ' || quote(expires) || ' ' || quote(status)
FROM {table} WHERE {event}`

func (s *sqliteStore) Changed(ctx context.Context, since Mark) (aors []AoR, next Mark, err error) {
	now, found := seen{}, aorSet{}
	err = s.query(ctx, func(r rows) error {
		for r.Next() {
			var uri, user, domain, dialog string
			if err := r.Scan(&uri, &user, &domain, &dialog); err != nil {
				return err
			}
			h := s.hash(uri, user, domain, dialog)
			now[h] = struct{}{}
			if a, ok := addressOf(s.byWatcher, uri, user, domain); ok && since.seen != nil && !since.seen.has(h) {
				found[a] = struct{}{}
			}
		}
		return r.Err()
	}, s.sql(liteChanged))
	if err != nil {
		return nil, since, err
	}
	return found.list(), Mark{seen: &now}, nil
}
