package watchers

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Acked is what a phone last acknowledged: it answered 2xx to a NOTIFY with
// these counts, in this state of its subscription. After a refresh, which
// changes RemoteCSeq or Expires, or Contact where the phone has moved, that
// says nothing of what the phone shows now, but CSeq stays the dialog's last.
//
// Or it is what a presence server last acknowledged of a publication (RFC 3903):
// its Key has the AoR's URI for a Call-ID, and no tags.
type Acked struct {
	New, Old, NewUrgent, OldUrgent uint32

	RemoteCSeq uint32 // Dialog.RemoteCSeq at the time
	Expires    int64  // Dialog.Expires at the time
	Contact    string // Dialog.Contact at the time
	CSeq       uint32 // the NOTIFY's or the PUBLISH's
	At         int64  // when, Unix seconds
	ETag       string // of a publication, which the next PUBLISH must name; "" for a dialog
}

// Entry is what the ledger is told of one dialog.
type Entry struct {
	Key
	Acked
}

const (
	ledgerTable = "zonkeymwi_ledger"
	ledgerRetry = time.Minute // between two looks for a ledger that is not there
	pruneAfter  = int64(time.Hour / time.Second)
	pruneBatch  = 1000
)

// ledgerColumns are those of an Acked, in the order in which ackedRow takes them.
const ledgerColumns = "new_messages, old_messages, new_urgent, old_urgent, remote_cseq, expires, contact, cseq, acked_at, etag"

// joinLedger makes a lookup one that reads ledgerColumns as well.
func joinLedger(lookup string) string {
	columns := "{columns}, l." + strings.ReplaceAll(ledgerColumns, ", ", ", l.")
	lookup = strings.Replace(lookup, "{columns}", columns, 1)
	return strings.Replace(lookup, "{table} AS w", `{table} AS w
LEFT JOIN {ledger} AS l ON l.callid = w.callid AND l.to_tag = w.to_tag AND l.from_tag = w.from_tag`, 1)
}

// ackedRow is a row of ledgerColumns, all NULL where the ledger knows nothing.
type ackedRow struct {
	numbers       [8]*int64
	contact, etag *string
}

func (a *ackedRow) dest() []any {
	n := &a.numbers
	return []any{&n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &a.contact, &n[6], &n[7], &a.etag}
}

func (a *ackedRow) acked() (Acked, bool) {
	if a.contact == nil {
		return Acked{}, false
	}
	n := a.numbers
	return Acked{
		New: cseq(*n[0]), Old: cseq(*n[1]), NewUrgent: cseq(*n[2]), OldUrgent: cseq(*n[3]),
		RemoteCSeq: cseq(*n[4]), Expires: *n[5], Contact: *a.contact, CSeq: cseq(*n[6]), At: *n[7], ETag: *a.etag,
	}, true
}

// ledger is whether the table of that name may be asked for.
type ledger struct {
	wanted bool

	mu    sync.Mutex
	err   error     // why not
	retry time.Time // when to try in spite of err
}

// LedgerErr is Store's.
func (l *ledger) LedgerErr() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// blocked returns why not to try the ledger now, else nil.
func (l *ledger) blocked() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Now().Before(l.retry) {
		return l.err
	}
	return nil
}

// note keeps why the ledger cannot be used, nil if it can.
func (l *ledger) note(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err, l.retry = err, time.Now().Add(ledgerRetry)
}

// lookUp asks for dialogs with the ledger, if that is wanted; where the ledger
// cannot be used, for which fault gives the reason, it asks without.
func (l *ledger) lookUp(ask func(acked bool) error, fault func(error) error) error {
	var reason error
	if l.wanted && l.blocked() == nil {
		err := ask(true)
		if err == nil {
			l.note(nil)
			return nil
		}
		if reason = fault(err); reason == nil {
			return err
		}
	}
	err := ask(false)
	if err == nil && reason != nil { // else the fault was not the ledger's
		l.note(reason)
	}
	return err
}

// use runs a statement on the ledger alone.
func (l *ledger) use(run func() error, fault func(error) error) error {
	if err := l.blocked(); err != nil {
		return err
	}
	err := run()
	if err == nil {
		return nil
	}
	if reason := fault(err); reason != nil {
		l.note(reason)
		return reason
	}
	return err
}

// acked asks for what the ledger has under keys, by ask, which gets those that it
// can have.
func (l *ledger) acked(keys []Key, ask func(keys []Key, scan func(rows) error) error, fault func(error) error) (map[Key]Acked, error) {
	known := make([]Key, 0, len(keys))
	for _, k := range keys {
		if storable(k.CallID, k.ToTag, k.FromTag) {
			known = append(known, k)
		}
	}
	found := map[Key]Acked{}
	if len(known) == 0 {
		return found, nil
	}
	err := l.use(func() error { return ask(known, func(r rows) error { return scanAcked(r, found) }) }, fault)
	if err != nil {
		return nil, err
	}
	l.note(nil) // it reads all that Dialogs does
	return found, nil
}

// scanAcked adds rows of callid, to_tag, from_tag and ledgerColumns to found.
func scanAcked(r rows, found map[Key]Acked) error {
	for r.Next() {
		var k Key
		var a ackedRow
		if err := r.Scan(append([]any{&k.CallID, &k.ToTag, &k.FromTag}, a.dest()...)...); err != nil {
			return err
		}
		found[k], _ = a.acked()
	}
	return r.Err()
}

// lastEntries keeps of each dialog the entry with the highest CSeq, the later of
// equals: one statement may not touch a row twice. They are in the order of their
// keys, so that two bridges that write the same rows cannot deadlock. Text that a
// database cannot hold did not come from it.
func lastEntries(entries []Entry) []Entry {
	last := make(map[Key]Entry, len(entries))
	for _, e := range entries {
		if old, ok := last[e.Key]; (!ok || e.CSeq >= old.CSeq) && storable(e.CallID, e.ToTag, e.FromTag, e.Contact, e.ETag) {
			last[e.Key] = e
		}
	}
	sorted := make([]Entry, 0, len(last))
	for _, e := range last {
		sorted = append(sorted, e)
	}
	slices.SortFunc(sorted, func(a, b Entry) int {
		return cmp.Or(strings.Compare(a.CallID, b.CallID), strings.Compare(a.ToTag, b.ToTag), strings.Compare(a.FromTag, b.FromTag))
	})
	return sorted
}
