package watchers

import (
	"cmp"
	"context"
	"database/sql"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// The ledger's row is joined only if it is of the subscription's present state. The
// ledger's columns come first: it is by their collation that SQLite compares.
const surveySQL = `SELECT {aor}, l.new_messages, l.old_messages FROM {table} AS w LEFT JOIN {ledger} AS l
ON l.callid = {w.callid} AND l.to_tag = {w.to_tag} AND l.from_tag = {w.from_tag}
AND l.remote_cseq = w.remote_cseq AND l.expires = w.expires AND l.contact = {w.contact} WHERE {event}`

// survey makes the statement. before and after, around the proxy's texts, have
// their bytes compared, whatever the collation of its columns.
func (t *table) survey(byWatcher bool, before, after string) string {
	aor := "w.presentity_uri, ''"
	if byWatcher {
		aor = "w.watcher_username, w.watcher_domain"
	}
	return strings.NewReplacer("{", before, "}", after).Replace(t.sql(strings.Replace(surveySQL, "{aor}", aor, 1)))
}

func (p *postgres) Survey(ctx context.Context, each func(user AoR, acked bool, new, old uint32)) error {
	statement, to := asText(p.survey(p.byWatcher, "", ` COLLATE "C"`)), surveyor{p.byWatcher, each}
	return surveyed(ctx, p, &p.ledger, func() error {
		err := p.query(ctx, func(r rows) error { return to.scanText(r.(pgx.Rows)) }, statement)
		if err != nil && p.ledgerFault(err) == nil {
			err = p.explain(err, "")
		}
		return err
	}, p.ledgerFault)
}

func (s *sqliteStore) Survey(ctx context.Context, each func(user AoR, acked bool, new, old uint32)) error {
	statement, to := s.survey(s.byWatcher, "", ""), surveyor{s.byWatcher, each}
	return surveyed(ctx, s, &s.ledger, func() error { return s.query(ctx, to.scan, statement) }, s.ledgerFault)
}

func (m *mysqlStore) Survey(ctx context.Context, each func(user AoR, acked bool, new, old uint32)) error {
	statement := m.survey(m.byWatcher, "CAST(CONVERT(", " USING "+m.charset+") AS BINARY)")
	to := surveyor{m.byWatcher, each}
	return surveyed(ctx, m, &m.ledger, func() error { return m.notLedger(m.query(ctx, to.scan, statement)) }, m.ledgerFault)
}

// surveyed runs a survey. The ledger is not to blame where a lookup without it fails too.
func surveyed(ctx context.Context, s Store, l *ledger, run func() error, fault func(error) error) error {
	var table error
	err := l.use(func() error {
		err := run()
		if err != nil && fault(err) != nil {
			if _, table = s.Dialogs(ctx, []AoR{{}}); table != nil {
				return nil
			}
		}
		return err
	}, fault)
	return cmp.Or(table, err)
}

// surveyor tells each what a survey reads.
type surveyor struct {
	byWatcher bool
	each      func(user AoR, acked bool, new, old uint32)
}

// tell takes presentity_uri and "", or watcher_username and watcher_domain.
func (s surveyor) tell(uri, domain string, acked bool, new, old int64) {
	if a, ok := addressOf(s.byWatcher, uri, uri, domain); !ok {
		return
	} else if acked {
		s.each(a, true, cseq(new), cseq(old))
	} else {
		s.each(a, false, 0, 0)
	}
}

func (s surveyor) scan(r rows) error {
	var text [2]sql.NullString
	var n [2]sql.NullInt64
	for r.Next() {
		if err := r.Scan(&text[0], &text[1], &n[0], &n[1]); err != nil {
			return err
		}
		s.tell(text[0].String, text[1].String, n[0].Valid && n[1].Valid, n[0].Int64, n[1].Int64)
	}
	return r.Err()
}

// scanText does what scan does, with one string a row: there are very many.
func (s surveyor) scanText(r pgx.Rows) error {
	var buf []byte
	for r.Next() {
		v := r.RawValues()
		buf = append(append(buf[:0], v[0]...), v[1]...)
		n, ok := number(v[2])
		old, known := number(v[3])
		text := string(buf)
		s.tell(text[:len(v[0])], text[len(v[0]):], ok && known, n, old)
	}
	return r.Err()
}

// number reads one that is not NULL.
func number(text []byte) (n int64, ok bool) {
	if text == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	return n, err == nil
}
