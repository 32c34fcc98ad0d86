package watchers

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

var selected = regexp.MustCompile(`(?s)^SELECT (.*?) FROM `)

// asText has a lookup return every column as text, so that scanText can read it
// in whichever format the connection's mode gives.
func asText(lookup string) string {
	list := selected.FindStringSubmatch(lookup)[1]
	return strings.Replace(lookup, list, strings.ReplaceAll(list, ", ", "::text, ")+"::text", 1)
}

// scanText reads one row of columns, and of ledgerColumns if acked, as scanDialog
// does. A row's texts are parts of one string: there are many rows, and each
// would be two dozen allocations.
func scanText(r pgx.Rows, acked bool) (d Dialog, err error) {
	values := r.RawValues()
	size := 0
	for _, v := range values {
		size += len(v)
	}
	var all strings.Builder
	all.Grow(size)
	for _, v := range values {
		all.Write(v)
	}
	at, rest := 0, all.String()
	text := func() (s string) {
		s, rest = rest[:len(values[at])], rest[len(values[at]):]
		at++
		return s
	}
	number := func() int64 {
		s := text()
		n, bad := strconv.ParseInt(s, 10, 64)
		if bad != nil && s != "" {
			err = fmt.Errorf("database: column %s: %w", r.FieldDescriptions()[at-1].Name, bad)
		}
		return n
	}
	d.Presentity, d.WatcherUser, d.WatcherDomain, d.ToUser, d.ToDomain, d.EventID = text(), text(), text(), text(), text(), text()
	d.CallID, d.ToTag, d.FromTag, d.LocalCSeq, d.RemoteCSeq = text(), text(), text(), cseq(number()), cseq(number())
	d.Contact, d.RecordRoute, d.LocalContact, d.SocketInfo = text(), text(), text(), text()
	d.Expires, d.Status = number(), int(number())
	if d.HasAcked = acked && values[len(columns)] != nil; d.HasAcked {
		a := &d.Acked
		a.New, a.Old, a.NewUrgent, a.OldUrgent, a.RemoteCSeq = cseq(number()), cseq(number()), cseq(number()), cseq(number()), cseq(number())
		a.Expires, a.Contact, a.CSeq, a.At, a.ETag = number(), text(), cseq(number()), number(), text()
	}
	return d, err
}
