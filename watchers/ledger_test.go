package watchers

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// ledgered is s with the ledger.
func (s subject) ledgered(t *testing.T) subject {
	t.Helper()
	s.Store = s.store(t, Config{ByWatcher: s.byWatcher, Ledger: true})
	return s
}

func (s subject) record(t *testing.T, entries ...Entry) {
	t.Helper()
	if err := s.Record(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
}

var fullAck = Acked{New: math.MaxUint32, Old: 2, NewUrgent: 3, OldUrgent: 4,
	RemoteCSeq: 5, Expires: math.MaxInt64, Contact: "sip:c", CSeq: math.MaxUint32, At: -7, ETag: "a.1.2"}

func ledgerKnows(t *testing.T, s subject) {
	s = s.ledgered(t)
	a := user("ledger")
	s.insert(t, a, row{"callid": "known"})
	s.insert(t, a, row{"callid": "unknown"})
	dialogs := s.dialogs(t, a)[a]
	s.record(t, Entry{dialogs[0].Key, fullAck}, Entry{Key{"no", "such", "row"}, fullAck})
	want := slices.Clone(dialogs)
	want[0].Acked, want[0].HasAcked = fullAck, true
	if got := s.dialogs(t, a)[a]; !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	s.record(t, Entry{dialogs[1].Key, Acked{}})
	if got := s.dialogs(t, a)[a][1]; !got.HasAcked || got.Acked != (Acked{}) {
		t.Errorf("all zero: %+v", got)
	}
	s.record(t)
	without := subject{s.database, s.store(t, Config{ByWatcher: s.byWatcher}), s.byWatcher}
	if got := without.dialogs(t, a)[a]; got[0].HasAcked {
		t.Errorf("Config.Ledger is not set: %+v", got[0])
	}
}

// The higher CSeq is the later state, in whatever order and batches they come.
func ledgerCSeq(t *testing.T, s subject) {
	s = s.ledgered(t)
	a := user("higher")
	s.insert(t, a, row{})
	key := s.one(t, a).Key
	for _, c := range []struct {
		batch []Entry
		want  uint32
	}{
		{[]Entry{{key, Acked{CSeq: 5, New: 1}}}, 1},
		{[]Entry{{key, Acked{CSeq: 4, New: 2}}}, 1},
		{[]Entry{{key, Acked{CSeq: 5, New: 3}}}, 3},
		{[]Entry{{key, Acked{CSeq: 9, New: 4}}, {key, Acked{CSeq: 8, New: 5}}}, 4},
		{[]Entry{{key, Acked{CSeq: 9, New: 6}}, {key, Acked{CSeq: 9, New: 7}}}, 7},
	} {
		s.record(t, c.batch...)
		if got := s.one(t, a).Acked.New; got != c.want {
			t.Errorf("after %+v: %d, want %d", c.batch, got, c.want)
		}
	}
}

func ledgerHostile(t *testing.T, s subject) {
	s = s.ledgered(t)
	for _, text := range []string{"'; DROP TABLE x; --", "two\r\nlines", `{"a",NULL}\`, "世界 🐴", "<&>\x01\u2028"} {
		a := AoR{"ledger " + text, text}
		s.insert(t, a, row{"callid": "ledger " + text, "to_tag": text, "from_tag": text})
		d := s.one(t, a)
		s.record(t, Entry{d.Key, Acked{Contact: text}}, Entry{Key{CallID: "\x00"}, Acked{}}, Entry{d.Key, Acked{Contact: "\xff"}})
		if got := s.one(t, a); !got.HasAcked || got.Acked.Contact != text {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

// Bridges that share dialogs write the same rows in different orders: no
// deadlock, and the highest CSeq is what remains.
func ledgerConcurrent(t *testing.T, s subject) {
	const size, bridges, rounds = 50, 4, 10
	var wg sync.WaitGroup
	for bridge := range uint32(bridges) {
		wg.Go(func() {
			for round := range uint32(rounds) {
				var batch []Entry
				for i := range size {
					batch = append(batch, Entry{Key{CallID: fmt.Sprintf("race%d", i)}, Acked{CSeq: round*bridges + bridge}})
				}
				if bridge%2 == 0 {
					slices.Reverse(batch)
				}
				if err := s.Record(t.Context(), batch); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var n, highest int
	err := s.QueryRow(`SELECT count(*), min(cseq) FROM zonkeymwi_ledger WHERE callid LIKE 'race%'`).Scan(&n, &highest)
	if err != nil || n != size || highest != bridges*rounds-1 {
		t.Errorf("%d rows, the lowest CSeq %d: %v", n, highest, err)
	}
}

func ledgerPruned(t *testing.T, s subject) {
	s.exec(t, "DELETE FROM zonkeymwi_ledger")
	old := time.Now().Unix() - pruneAfter
	batch := []Entry{{Key{CallID: "fresh"}, Acked{Expires: old + 60}}, {Key{CallID: "future"}, Acked{Expires: future}}}
	for i := range 2*pruneBatch + 1 {
		batch = append(batch, Entry{Key{CallID: fmt.Sprint(i)}, Acked{Expires: old - 1 - int64(i)}})
	}
	s.record(t, batch...)
	for _, want := range []int64{2*pruneBatch + 1, 0} {
		if n, err := s.Prune(t.Context()); err != nil || n != want {
			t.Errorf("pruned %d, %v, want %d", n, err, want)
		}
	}
	var left int
	if err := s.QueryRow("SELECT count(*) FROM zonkeymwi_ledger WHERE callid IN ('fresh', 'future')").Scan(&left); err != nil || left != 2 {
		t.Errorf("%d are left, %v", left, err)
	}
}

// Without the ledger dialogs are found all the same, and with it as soon as it is there.
func TestLedgerMissing(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			none := e.open(t, "").store(t, Config{Ledger: true})
			if complaints(t, none, mendTable); none.LedgerErr() != nil {
				t.Errorf("it is not the ledger that is missing first: %v", none.LedgerErr())
			}
			db := e.open(t, "kamailio")
			a := user("a")
			db.insert(t, a, row{})
			s := subject{db, db.store(t, Config{Ledger: true}), false}
			if err := s.LedgerErr(); err != nil {
				t.Errorf("before it was looked for: %v", err)
			}
			d := s.one(t, a)
			wantError(t, s.LedgerErr(), ledgerTable, mendLedger)
			wantError(t, s.Record(t.Context(), []Entry{{d.Key, fullAck}}), ledgerTable, mendLedger)
			_, err := s.Prune(t.Context())
			wantError(t, err, ledgerTable, mendLedger)
			_, err = s.Acked(t.Context(), []Key{d.Key})
			wantError(t, err, ledgerTable, mendLedger)

			db.migrate(t)
			if s.one(t, a); s.LedgerErr() == nil {
				t.Error("looked for again at once")
			}
			s.minuteLater()
			if s.one(t, a); s.LedgerErr() != nil {
				t.Error(s.LedgerErr())
			}
			s.record(t, Entry{d.Key, fullAck})
			if d := s.one(t, a); d.Acked != fullAck {
				t.Errorf("got %+v", d)
			}

			db.exec(t, "ALTER TABLE zonkeymwi_ledger RENAME TO elsewhere")
			wantError(t, s.Record(t.Context(), []Entry{{d.Key, fullAck}}), mendLedger)
			wantError(t, s.LedgerErr(), mendLedger)
			s.minuteLater()
			db.exec(t, "DROP TABLE active_watchers")
			if _, err := s.Dialogs(t.Context(), []AoR{a}); err == nil || !strings.Contains(err.Error(), mendTable) {
				t.Errorf("without the proxy's table: %v", err)
			}
		})
	}
}

// minuteLater makes the ledger due for another look.
func (s subject) minuteLater() {
	l := &s.table().ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retry = time.Now()
}

func (s subject) table() *table {
	if p, ok := s.Store.(*postgres); ok {
		return p.table
	}
	if m, ok := s.Store.(*mysqlStore); ok {
		return m.table
	}
	return s.Store.(*sqliteStore).table
}
