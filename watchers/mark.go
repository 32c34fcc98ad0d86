package watchers

import (
	"hash/maphash"
	"strings"
)

// Mark is a moment in the life of a table, for Changed. The zero Mark is none.
// A Mark is of use to the Store that gave it.
type Mark struct {
	server, xid int64 // PostgreSQL: when the server started; below xid all transactions had ended
	seen        *seen
}

// seen are hashes of rows that need not be told of again.
type seen map[uint64]struct{}

// hash makes one of the texts. "a", "bc" is not "ab", "c".
func (t *table) hash(texts ...string) uint64 {
	var h maphash.Hash
	h.SetSeed(t.seed)
	for _, text := range texts {
		h.WriteString(text)
		h.WriteByte(0) // no database text holds one
	}
	return h.Sum64()
}

func (s *seen) has(h uint64) bool {
	if s == nil {
		return false
	}
	_, ok := (*s)[h]
	return ok
}

// hashes reads all dialogs, as presentity_uri, watcher_username, watcher_domain and
// the rest, and finds those that were not as they are.
type hashes struct {
	*table
	byWatcher bool
	since     Mark
	now       seen
	found     aorSet
}

func (h *hashes) scan(r rows) error {
	for r.Next() {
		var uri, user, domain, dialog string
		if err := r.Scan(&uri, &user, &domain, &dialog); err != nil {
			return err
		}
		is := h.hash(uri, user, domain, dialog)
		h.now[is] = struct{}{}
		if a, ok := addressOf(h.byWatcher, uri, user, domain); ok && h.since.seen != nil && !h.since.seen.has(is) {
			h.found[a] = struct{}{}
		}
	}
	return r.Err()
}

// aorSet collects AoRs, each once.
type aorSet map[AoR]struct{}

func (s aorSet) list() []AoR {
	aors := make([]AoR, 0, len(s))
	for a := range s {
		aors = append(aors, a)
	}
	return aors
}

// addressOf returns the AoR by which a row is looked up; ok is false where none
// can be: a presentity_uri that is no sip:user@domain.
func addressOf(byWatcher bool, presentity, user, domain string) (a AoR, ok bool) {
	if byWatcher {
		return AoR{user, domain}, true
	}
	rest, ok := strings.CutPrefix(presentity, "sip:")
	at := strings.LastIndexByte(rest, '@')
	if !ok || at < 1 {
		return AoR{}, false
	}
	return AoR{rest[:at], rest[at+1:]}, true
}
