package watchers

import (
	"math"
	"strings"
	"unicode/utf8"
)

// rows is what pgx.Rows and sql.Rows have in common.
type rows interface {
	Next() bool
	Scan(dest ...any) error
	Err() error
}

// scanDialog reads one row of columns, and of ledgerColumns if acked. A column
// that is NULL, in a view or a table that somebody has altered, is empty: one
// odd row must not fail a whole batch.
func scanDialog(r rows, acked bool) (d Dialog, err error) {
	texts := []*string{&d.Presentity, &d.WatcherUser, &d.WatcherDomain, &d.ToUser, &d.ToDomain, &d.EventID,
		&d.CallID, &d.ToTag, &d.FromTag, &d.Contact, &d.RecordRoute, &d.LocalContact, &d.SocketInfo}
	var text [13]*string
	var number [4]*int64 // local_cseq, remote_cseq, expires, status
	var a ackedRow
	to := []any{&text[0], &text[1], &text[2], &text[3], &text[4], &text[5], &text[6], &text[7], &text[8],
		&number[0], &number[1], &text[9], &text[10], &text[11], &text[12], &number[2], &number[3]}
	if acked {
		to = append(to, a.dest()...)
	}
	err = r.Scan(to...)
	for i, t := range text {
		if t != nil {
			*texts[i] = *t
		}
	}
	d.LocalCSeq, d.RemoteCSeq = cseq(deref(number[0])), cseq(deref(number[1]))
	d.Expires, d.Status = deref(number[2]), int(deref(number[3]))
	d.Acked, d.HasAcked = a.acked()
	return d, err
}

func deref(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}

// cseq keeps one odd row from failing a whole batch.
func cseq(n int64) uint32 { return uint32(min(max(n, 0), math.MaxUint32)) }

// scanCSeqs adds rows of callid, to_tag, from_tag and a CSeq to drawn.
func scanCSeqs(r rows, drawn map[Key]uint32) error {
	for r.Next() {
		var k Key
		var n int64
		if err := r.Scan(&k.CallID, &k.ToTag, &k.FromTag, &n); err != nil {
			return err
		}
		drawn[k] = cseq(n)
	}
	return r.Err()
}

// scanStrings appends rows of one string to texts.
func scanStrings(r rows, texts *[]string) error {
	for r.Next() {
		var s string
		if err := r.Scan(&s); err != nil {
			return err
		}
		*texts = append(*texts, s)
	}
	return r.Err()
}

// batch is one lookup: which AoRs, by which columns.
type batch struct {
	aors      []AoR
	byWatcher bool
}

// storable tells whether a database can hold texts: they have no NUL and are UTF-8.
// PostgreSQL refuses a whole query for one that is not.
func storable(texts ...string) bool {
	for _, t := range texts {
		if !utf8.ValidString(t) || strings.Contains(t, "\x00") {
			return false
		}
	}
	return true
}

// newBatch takes each AoR once, and only those that a database can hold.
func newBatch(aors []AoR, byWatcher bool) batch {
	b := batch{byWatcher: byWatcher}
	seen := make(map[AoR]bool, len(aors))
	for _, a := range aors {
		if !seen[a] && storable(a.User, a.Domain) {
			seen[a] = true
			b.aors = append(b.aors, a)
		}
	}
	return b
}

// scan adds the dialogs in rows, as read reads each, to found, under the AoRs
// of b. What a database took for one of them is left out unless its bytes are the same.
func (b batch) scan(r rows, read func() (Dialog, error), found map[AoR][]Dialog) error {
	asked := make(map[[2]string]AoR, len(b.aors))
	for _, a := range b.aors {
		if b.byWatcher {
			asked[[2]string{a.User, a.Domain}] = a
		} else {
			asked[[2]string{a.URI()}] = a
		}
	}
	for r.Next() {
		d, err := read()
		if err != nil {
			return err
		}
		by := [2]string{d.Presentity}
		if b.byWatcher {
			by = [2]string{d.WatcherUser, d.WatcherDomain}
		}
		if a, ok := asked[by]; ok {
			found[a] = append(found[a], d)
		}
	}
	return r.Err()
}

// column takes one value of each item, as database arrays want them.
func column[T, V any](items []T, get func(T) V) []V {
	values := make([]V, len(items))
	for i, item := range items {
		values[i] = get(item)
	}
	return values
}
