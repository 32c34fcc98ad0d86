package watchers

import "context"

// SQLite numbers no transactions: a Mark is a hash of each dialog as it was.
const liteChanged = `SELECT presentity_uri, watcher_username, watcher_domain, callid, to_tag, from_tag, contact,
remote_cseq || ' ' || expires || ' ' || status FROM {table} WHERE {event}`

func (s *sqliteStore) Changed(ctx context.Context, since Mark) (aors []AoR, next Mark, err error) {
	now, found := seen{}, aorSet{}
	err = s.query(ctx, func(r rows) error {
		for r.Next() {
			var uri, user, domain, callID, toTag, fromTag, contact, state string
			if err := r.Scan(&uri, &user, &domain, &callID, &toTag, &fromTag, &contact, &state); err != nil {
				return err
			}
			h := s.hash(uri, user, domain, callID, toTag, fromTag, contact, state)
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
