package watchers

import (
	"fmt"
	"reflect"
	"testing"
)

// acked asks the ledger.
func (s subject) acked(t *testing.T, keys ...Key) map[Key]Acked {
	t.Helper()
	found, err := s.Acked(t.Context(), keys)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func publications(t *testing.T, s subject) {
	a, b := Key{CallID: user("published").URI()}, Key{CallID: user("published too").URI()}
	dialog := Key{a.CallID, "server", "phone"}
	s.record(t, Entry{a, Acked{New: 1, CSeq: 5, Expires: future, ETag: "first"}}, Entry{b, fullAck}, Entry{dialog, Acked{New: 9}})
	want := map[Key]Acked{a: {New: 1, CSeq: 5, Expires: future, ETag: "first"}, b: fullAck}
	if got := s.acked(t, a, b, a, Key{CallID: "nobody's"}, Key{a.CallID, "server", ""}); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for _, c := range []struct {
		cseq       uint32
		etag, want string
	}{{4, "late", "first"}, {5, "same", "same"}, {6, "next", "next"}, {7, "", ""}} {
		s.record(t, Entry{a, Acked{CSeq: c.cseq, ETag: c.etag}})
		if got := s.acked(t, a)[a]; got.ETag != c.want {
			t.Errorf("after %+v: %+v", c, got)
		}
	}
	if got := s.acked(t); len(got) != 0 {
		t.Errorf("asked for nothing: %v", got)
	}
	var many []Key
	for i := range 1000 {
		many = append(many, Key{CallID: fmt.Sprintf("sip:many%d@example.com", i)})
	}
	s.record(t, Entry{many[0], fullAck}, Entry{many[999], fullAck})
	if got := s.acked(t, many...); len(got) != 2 {
		t.Errorf("of a thousand: %v", got)
	}
}

// What the ledger cannot hold fails nothing that comes with it, and is not taken
// for what looks like it.
func publicationsHostile(t *testing.T, s subject) {
	for _, text := range []string{"'; DROP TABLE x; --", "two\r\nlines", `{"a",NULL}\`, "世界 🐴", "<&>\x01\u2028"} {
		k := Key{CallID: "publication " + text}
		s.record(t, Entry{k, Acked{ETag: text}},
			Entry{k, Acked{ETag: "nul\x00"}}, Entry{k, Acked{ETag: "\xff"}}, Entry{k, Acked{Contact: "\xc3", ETag: "\xa9"}})
		if got := s.acked(t, k, Key{CallID: "nul\x00"}, Key{CallID: "\xff"}, Key{"\xc3", "\xa9", ""}); len(got) != 1 || got[k].ETag != text {
			t.Errorf("%q: %+v", text, got)
		}
	}
	s.record(t, Entry{Key{CallID: "\ufffd"}, fullAck})
	if got := s.acked(t, Key{CallID: "\xff"}); len(got) != 0 {
		t.Errorf("asked for \\xff: %+v", got)
	}
}

// A ledger made before there were publications works again after Migrate, with what it knew.
func TestLedgerWithoutETag(t *testing.T) {
	for _, e := range engines {
		if e.ddl == "mysql" {
			continue // it had publications from the start
		}
		t.Run(e.name, func(t *testing.T) {
			db := e.open(t, "kamailio")
			db.migrate(t)
			a := user("a")
			db.insert(t, a, row{})
			s := subject{db, db.store(t, Config{Ledger: true}), false}
			known := s.one(t, a).Key
			before := Acked{New: 3, CSeq: 7, Contact: "sip:c"}
			s.record(t, Entry{known, before})
			db.exec(t, "ALTER TABLE zonkeymwi_ledger DROP COLUMN etag")

			fresh := func() subject { return subject{db, db.store(t, Config{Ledger: true}), false} }
			_, err := fresh().Acked(t.Context(), []Key{known})
			wantError(t, err, ledgerTable, "etag", mendLedger)
			wantError(t, fresh().Record(t.Context(), []Entry{{known, before}}), ledgerTable, "etag", mendLedger)
			s = fresh()
			if d := s.one(t, a); d.HasAcked {
				t.Errorf("got %+v", d)
			}
			wantError(t, s.LedgerErr(), ledgerTable, "etag", mendLedger)
			if in := db.inspect(t, Config{}); in.Ledger || in.CanRecord {
				t.Errorf("inspected: %+v", in)
			}

			db.migrate(t)
			if _, err := s.Acked(t.Context(), []Key{known}); err == nil {
				t.Error("asked again at once")
			}
			s.minuteLater()
			if got := s.acked(t, known)[known]; got != before || s.LedgerErr() != nil {
				t.Errorf("got %+v, %v", got, s.LedgerErr())
			}
			s.record(t, Entry{known, fullAck})
			if d := s.one(t, a); d.Acked != fullAck {
				t.Errorf("got %+v", d)
			}
		})
	}
}
