package watchers

import (
	"fmt"
	"strings"
	"testing"
)

// fill adds n users with one live dialog each, in one statement.
func (d *database) fill(t testing.TB, n int) {
	t.Helper()
	columns, values := "", ""
	if d.flavour == "kamailio" {
		columns, values = ", from_user, from_domain, updated, updated_winfo", ", 'u' || i, 'example.com', -1, -1"
	}
	series := "generate_series(1, %d) AS i"
	if strings.HasPrefix(d.url, "sqlite") {
		series = "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT i FROM n)"
	}
	before, analyze := "", "ANALYZE"
	if strings.HasPrefix(d.url, "mysql") {
		before, series, analyze = "SET sql_mode = PIPES_AS_CONCAT; ", "(SELECT seq AS i FROM seq_1_to_%d) AS n", "ANALYZE TABLE active_watchers"
	}
	d.exec(t, before+`INSERT INTO active_watchers (presentity_uri, watcher_username, watcher_domain, to_user, to_domain, event, event_id,
to_tag, from_tag, callid, local_cseq, remote_cseq, contact, record_route, expires, status, socket_info, local_contact`+columns+`)
SELECT 'sip:u' || i || '@example.com', 'u' || i, 'example.com', 'u' || i, 'example.com', 'message-summary', '',
'server' || i, 'phone' || i, 'call' || i || '@127.0.0.2', 1, 1, 'sip:u' || i || '@127.0.0.2:5070', '<sip:127.0.0.1;lr>', 2000000000, 1,
'udp:127.0.0.1:5060', 'sip:127.0.0.1:5060'`+values+" FROM "+fmt.Sprintf(series, n))
	d.exec(t, analyze)
}

// fillLedger has every phone acknowledge something.
func (d *database) fillLedger(t testing.TB) {
	t.Helper()
	d.exec(t, `INSERT INTO zonkeymwi_ledger SELECT callid, to_tag, from_tag, 1, 2, 0, 0, remote_cseq, expires, contact, 1, 1, '' FROM active_watchers`)
	if !strings.HasPrefix(d.url, "mysql") {
		d.exec(t, "ANALYZE")
	}
}

// filled are n of the users that fill adds.
func filled(n int) []AoR {
	aors := make([]AoR, n)
	for i := range aors {
		aors[i] = user(fmt.Sprintf("u%d", 1+i*7))
	}
	return aors
}

// The floor is a statement that reads nothing; the rest is per batch of 100 in a table of 100 000.
func Benchmark(b *testing.B) {
	aors := filled(100)
	for _, e := range []engine{engines[0], engines[1], engines[mysqlEngine]} {
		b.Run(e.name, func(b *testing.B) {
			db := e.open(b, "opensips")
			db.fill(b, 100_000)
			db.migrate(b)
			db.fillLedger(b)
			withLedger := db.store(b, Config{Ledger: true})
			byPresentity, byWatcher := db.store(b, Config{}), db.store(b, Config{ByWatcher: true})
			dialogs := everyDialog(b, byPresentity, aors)
			b.Run("floor", func(b *testing.B) {
				for b.Loop() {
					db.exec(b, "SELECT 1")
				}
			})
			b.Run("Dialogs-1", func(b *testing.B) { benchLookup(b, byPresentity, aors[:1]) })
			b.Run("Dialogs-100", func(b *testing.B) { benchLookup(b, byPresentity, aors) })
			b.Run("Dialogs-1-ledger", func(b *testing.B) { benchLookup(b, withLedger, aors[:1]) })
			b.Run("Dialogs-100-ledger", func(b *testing.B) { benchLookup(b, withLedger, aors) })
			b.Run("Dialogs-100-parallel", func(b *testing.B) {
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						everyDialog(b, byPresentity, aors)
					}
				})
				perRow(b, len(aors))
			})
			b.Run("Dialogs-100-by-watcher-no-index", func(b *testing.B) { benchLookup(b, byWatcher, aors) })
			b.Run("NextCSeq-100", func(b *testing.B) {
				for b.Loop() {
					if drawn, err := byPresentity.NextCSeq(b.Context(), dialogs); err != nil || len(drawn) != len(dialogs) {
						b.Fatal(len(drawn), err)
					}
				}
				perRow(b, len(dialogs))
			})
			b.Run("Record-1000", func(b *testing.B) { benchRecord(b, withLedger, everyDialog(b, withLedger, filled(1000))) })
			b.Run("Changed-none-of-100000", func(b *testing.B) { benchChanged(b, byPresentity) })
		})
	}
}

func benchLookup(b *testing.B, s Store, aors []AoR) {
	for b.Loop() {
		everyDialog(b, s, aors)
	}
	perRow(b, len(aors))
}

func benchRecord(b *testing.B, s Store, dialogs []Dialog) {
	entries := column(dialogs, func(d Dialog) Entry { return Entry{d.Key, d.Acked} })
	for b.Loop() {
		if err := s.Record(b.Context(), entries); err != nil {
			b.Fatal(err)
		}
	}
	perRow(b, len(entries))
}

func benchChanged(b *testing.B, s Store) {
	_, mark, err := s.Changed(b.Context(), Mark{})
	for b.Loop() {
		if err == nil {
			_, mark, err = s.Changed(b.Context(), mark)
		}
	}
	if err != nil {
		b.Fatal(err)
	}
}

func everyDialog(b *testing.B, s Store, aors []AoR) (dialogs []Dialog) {
	found, err := s.Dialogs(b.Context(), aors)
	if err != nil || len(found) != len(aors) {
		b.Fatal(len(found), err)
	}
	for _, d := range found {
		dialogs = append(dialogs, d...)
	}
	return dialogs
}

func perRow(b *testing.B, rows int) {
	b.ReportMetric(float64(b.N*rows)/b.Elapsed().Seconds(), "rows/s")
}

// What a resync asks first: of each of 100 000 dialogs whether its phone shows all, which it does.
func BenchmarkSurvey(b *testing.B) {
	const rows = 100_000
	for _, e := range []engine{engines[0], engines[1], engines[mysqlEngine]} {
		b.Run(e.name, func(b *testing.B) {
			db := e.open(b, "opensips")
			db.fill(b, rows)
			db.migrate(b)
			db.fillLedger(b)
			s := db.store(b, Config{})
			for b.Loop() {
				n := 0
				err := s.Survey(b.Context(), func(_ AoR, acked bool, _, _ uint32) {
					if acked {
						n++
					}
				})
				if err != nil || n != rows {
					b.Fatal(n, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/row")
		})
	}
}
