package watchers

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	now    = time.Unix(1_800_000_000, 0)
	future = now.Unix() + 3600
)

// A subject is one combination under test: an engine, a flavour, a lookup.
type subject struct {
	*database
	Store
	byWatcher bool
}

// TestContract holds every engine, with the tables of both proxies and both
// lookups, to the same cases. Each case has users of its own.
func TestContract(t *testing.T) {
	cases := []struct {
		name string
		test func(*testing.T, subject)
	}{
		{"every column", everyColumn},
		{"two phones of a user", twoPhones},
		{"no rows", noRows},
		{"rows that are not live", notLive},
		{"NULL", nulls},
		{"other events", otherEvents},
		{"hostile bytes", hostileBytes},
		{"text no database can hold", impossibleText},
		{"odd CSeq", oddCSeq},
		{"another case, another AoR", bytesCompared},
		{"1000 AoRs", thousand},
		{"the AoR is what the lookup says", lookedUpBy},
		{"NextCSeq", nextCSeq},
		{"NextCSeq, concurrent callers", nextCSeqConcurrent},
		{"NextCSeq, rows it cannot number", nextCSeqAbsent},
		{"context", cancelled},
		{"the ledger", ledgerKnows},
		{"the ledger, CSeq", ledgerCSeq},
		{"the ledger, hostile bytes", ledgerHostile},
		{"the ledger, concurrent callers", ledgerConcurrent},
		{"the ledger, pruned", ledgerPruned},
		{"Survey", surveyTells},
		{"Survey, another state or dialog", surveyStale},
		{"Survey, what cannot be looked up", surveyOdd},
		{"Survey, hostile bytes", surveyHostile},
		{"publications", publications},
		{"publications, hostile bytes", publicationsHostile},
		{"Changed", changed},
		{"Changed, what cannot be looked up", changedOdd},
	}
	for _, e := range engines {
		for _, flavour := range []string{"opensips", "kamailio"} {
			for _, lookup := range []string{"presentity", "watcher"} {
				t.Run(e.name+"/"+flavour+"/"+lookup, func(t *testing.T) {
					db := e.open(t, flavour)
					db.migrate(t)
					byWatcher := lookup == "watcher"
					withLedger := byWatcher == (flavour == "opensips") // each lookup is tested with and without
					s := subject{db, db.store(t, Config{ByWatcher: byWatcher, Ledger: withLedger}), byWatcher}
					for _, c := range cases {
						t.Run(c.name, func(t *testing.T) { c.test(t, s) })
					}
				})
			}
		}
	}
}

// dialogs looks AoRs up, rows ordered by Call-ID.
func (s subject) dialogs(t *testing.T, aors ...AoR) map[AoR][]Dialog {
	t.Helper()
	found, err := s.Dialogs(t.Context(), aors)
	if err != nil {
		t.Fatal(err)
	}
	for _, dialogs := range found {
		slices.SortFunc(dialogs, func(a, b Dialog) int { return strings.Compare(a.CallID, b.CallID) })
	}
	return found
}

// one looks up an AoR that has one row.
func (s subject) one(t *testing.T, a AoR) Dialog {
	t.Helper()
	found := s.dialogs(t, a)[a]
	if len(found) != 1 {
		t.Fatalf("%q has %d dialogs, want 1", a, len(found))
	}
	return found[0]
}

func user(name string) AoR { return AoR{name, "example.com"} }

func everyColumn(t *testing.T, s subject) {
	a := user("every")
	s.insert(t, a, row{
		"to_user": "to", "to_domain": "to.example.com", "event_id": "id",
		"callid": "the call", "to_tag": "the server", "from_tag": "the phone", "local_cseq": 7, "remote_cseq": math.MaxInt32,
		"contact": "sip:c", "record_route": "<sip:r1;lr>,<sip:r2;lr>", "local_contact": "sip:l", "socket_info": "udp:s:1",
		"expires": math.MaxInt32, "status": 4,
	})
	want := Dialog{
		Key:        Key{CallID: "the call", ToTag: "the server", FromTag: "the phone"},
		Presentity: "sip:every@example.com", WatcherUser: "every", WatcherDomain: "example.com",
		ToUser: "to", ToDomain: "to.example.com", EventID: "id", Contact: "sip:c",
		RecordRoute: "<sip:r1;lr>,<sip:r2;lr>", LocalContact: "sip:l", SocketInfo: "udp:s:1",
		Expires: math.MaxInt32, Status: 4, LocalCSeq: 7, RemoteCSeq: math.MaxInt32,
	}
	if got := s.one(t, a); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func twoPhones(t *testing.T, s subject) {
	a, other := user("two"), user("three")
	s.insert(t, a, row{"callid": "A", "contact": "sip:desk"})
	s.insert(t, a, row{"callid": "B", "contact": "sip:kitchen"})
	s.insert(t, other, row{})
	found := s.dialogs(t, a, other, a) // named twice: no row twice
	if got := found[a]; len(got) != 2 || got[0].Contact != "sip:desk" || got[1].Contact != "sip:kitchen" || len(found[other]) != 1 {
		t.Errorf("got %+v", found)
	}
}

func noRows(t *testing.T, s subject) {
	s.insert(t, user("some"), row{})
	if found := s.dialogs(t, user("nobody"), user("some")); len(found) != 1 || len(found[user("some")]) != 1 {
		t.Errorf("got %+v", found)
	}
	if found := s.dialogs(t); len(found) != 0 {
		t.Errorf("an empty batch found %+v", found)
	}
}

func notLive(t *testing.T, s subject) {
	for i, c := range []struct {
		row    row
		reason string
	}{
		{row{"expires": now.Unix() + 1}, ""},
		{row{"expires": now.Unix()}, "expired"},
		{row{"status": 2}, "pending"},
		{row{"status": 3}, "terminated"},
		{row{"status": 4}, "waiting"},
		{row{"status": 9}, "status 9"},
	} {
		a := user(fmt.Sprintf("live%d", i))
		s.insert(t, a, c.row)
		d := s.one(t, a)
		if got := d.Live(now); got != c.reason {
			t.Errorf("%v: Live is %q, want %q", c.row, got, c.reason)
		}
	}
}

func nulls(t *testing.T, s subject) {
	a := user("null")
	s.insert(t, a, row{"event_id": nil, "record_route": nil, "reason": nil})
	if d := s.one(t, a); d.EventID != "" || d.RecordRoute != "" {
		t.Errorf("got %+v", d)
	}
}

func otherEvents(t *testing.T, s subject) {
	a := user("events")
	for _, event := range []string{"presence", "dialog", "message-summary.winfo"} {
		s.insert(t, a, row{"event": event})
	}
	s.insert(t, a, row{"contact": "sip:mwi"})
	if d := s.one(t, a); d.Contact != "sip:mwi" {
		t.Errorf("got %+v", d)
	}
}

func hostileBytes(t *testing.T, s subject) {
	for _, text := range []string{
		`'; DROP TABLE active_watchers; --`, `"quoted" \back\slash`, "two\r\nlines\tand\ttabs", "héllo, 世界 🐴",
		"100%_$1?{a,NULL}", `<&>`, "\x01\x7f", " spaces ", "NULL", "{}", "''",
	} {
		if text == " spaces " && s.flavour == "opensips" && strings.HasPrefix(s.url, "mysql") {
			continue // MySQL's CHAR drops those at the end
		}
		a := AoR{text, text}
		s.insert(t, a, row{"contact": text, "record_route": text, "callid": text, "event_id": text, "to_tag": text, "from_tag": text})
		d := s.one(t, a)
		if d.Contact != text || d.RecordRoute != text || d.Key != (Key{text, text, text}) || d.EventID != text || d.WatcherUser != text {
			t.Errorf("%q came back as %+v", text, d)
		}
		drawn, err := s.NextCSeq(t.Context(), []Dialog{d})
		if err != nil || drawn[d.Key] != 3 {
			t.Errorf("%q: NextCSeq %v, %v", text, drawn, err)
		}
	}
}

// A database may find what differs in case, accents or spaces at the end alone.
func bytesCompared(t *testing.T, s subject) {
	a := AoR{"Jose", "Example.com"}
	s.insert(t, a, row{"callid": "Bytes", "to_tag": "Tag"})
	d := s.one(t, a)
	like := []AoR{{"jose", "Example.com"}, {"Jose", "example.com"}, {"José", "Example.com"}, {"Jose", "Example.com "}}
	if found := s.dialogs(t, like...); len(found) != 0 {
		t.Errorf("found %v", found)
	}
	other := d
	other.CallID, other.Presentity = "bytes", "sip:jose@example.com"
	if drawn, err := s.NextCSeq(t.Context(), []Dialog{other}); err != nil || len(drawn) != 0 {
		t.Errorf("drew %v, %v", drawn, err)
	}
	if got := s.one(t, a); got != d {
		t.Errorf("now %+v", got)
	}
	if drawn, err := s.NextCSeq(t.Context(), []Dialog{other, d}); err != nil || len(drawn) != 1 || drawn[d.Key] != 3 {
		t.Errorf("drew %v, %v", drawn, err)
	}
	s = s.ledgered(t)
	s.record(t, Entry{Key{"bytes", "Tag", "phone"}, fullAck}, Entry{Key{"Bytes", "Tag ", "phone"}, fullAck})
	if got := s.one(t, a); got.HasAcked || len(s.acked(t, got.Key)) != 0 {
		t.Errorf("the ledger took another dialog for it: %+v", got)
	}
}

func impossibleText(t *testing.T, s subject) {
	a := user("possible")
	s.insert(t, a, row{})
	s.insert(t, user("\ufffd"), row{})
	if found := s.dialogs(t, user("nul\x00"), user("\xff"), AoR{"possible", "\xc3"}, a); len(found) != 1 || len(found[a]) != 1 {
		t.Errorf("got %+v", found)
	}
}

func oddCSeq(t *testing.T, s subject) {
	a := user("odd")
	s.insert(t, a, row{"local_cseq": -5, "remote_cseq": math.MinInt32})
	if d := s.one(t, a); d.LocalCSeq != 0 || d.RemoteCSeq != 0 {
		t.Errorf("got %+v", d)
	}
}

func thousand(t *testing.T, s subject) {
	var aors []AoR
	for i := range 1000 {
		aors = append(aors, user(fmt.Sprintf("t%d", i)))
		if i%2 == 0 {
			s.insert(t, aors[i], row{})
		}
	}
	found := s.dialogs(t, aors...)
	for i, a := range aors {
		if want := 1 - i%2; len(found[a]) != want {
			t.Fatalf("%v has %d dialogs, want %d", a, len(found[a]), want)
		}
	}
}

func lookedUpBy(t *testing.T, s subject) {
	phone, voicemail := user("208"), user("*97")
	s.insert(t, phone, row{"presentity_uri": voicemail.URI(), "to_user": voicemail.User})
	a, b := voicemail, phone
	if s.byWatcher {
		a, b = phone, voicemail
	}
	if found := s.dialogs(t, a, b); len(found[a]) != 1 || len(found) != 1 {
		t.Errorf("got %+v", found)
	}
}

func cancelled(t *testing.T, s subject) {
	a := user("context")
	s.insert(t, a, row{})
	d := s.one(t, a)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Dialogs(ctx, []AoR{a}); !errors.Is(err, context.Canceled) {
		t.Errorf("Dialogs: %v", err)
	}
	if _, err := s.NextCSeq(ctx, []Dialog{d}); !errors.Is(err, context.Canceled) {
		t.Errorf("NextCSeq: %v", err)
	}
	if _, err := s.Acked(ctx, []Key{d.Key}); !errors.Is(err, context.Canceled) {
		t.Errorf("Acked: %v", err)
	}
	if err := s.Survey(ctx, func(AoR, bool, uint32, uint32) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("Survey: %v", err)
	}
	if got := s.one(t, a); got != d {
		t.Errorf("after it: %+v, want %+v", got, d)
	}
}
