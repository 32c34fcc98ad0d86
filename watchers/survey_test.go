package watchers

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// told is one call of what Survey is given.
type told struct {
	user     AoR
	acked    bool
	new, old uint32
}

// survey returns what is told of the users, sorted.
func (s subject) survey(t *testing.T, users ...AoR) (all []told) {
	t.Helper()
	err := s.Survey(t.Context(), func(user AoR, acked bool, new, old uint32) {
		if slices.Contains(users, user) {
			all = append(all, told{user, acked, new, old})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return sorted(all)
}

func sorted(all []told) []told {
	slices.SortFunc(all, func(a, b told) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return all
}

// wantSurvey wants just that of the users in it.
func (s subject) wantSurvey(t *testing.T, when string, want ...told) {
	t.Helper()
	got := s.survey(t, column(want, func(w told) AoR { return w.user })...)
	if !slices.Equal(got, sorted(want)) {
		t.Errorf("%s: got %+v, want %+v", when, got, want)
	}
}

func (s subject) surveyErr(t *testing.T) error {
	t.Helper()
	return s.Survey(t.Context(), func(AoR, bool, uint32, uint32) { t.Error("it told something") })
}

// shows has the ledger know that a phone shows these counts, in the dialog's present state.
func (s subject) shows(t *testing.T, d Dialog, new, old uint32) {
	t.Helper()
	s.record(t, Entry{d.Key, Acked{New: new, Old: old, RemoteCSeq: d.RemoteCSeq, Expires: d.Expires, Contact: d.Contact, CSeq: 7}})
}

func surveyTells(t *testing.T, s subject) {
	two, most, none, other := user("survey a"), user("survey b"), user("survey c"), user("survey d")
	s.insert(t, two, row{"callid": "survey 1"})
	s.insert(t, two, row{"callid": "survey 2", "remote_cseq": 9, "expires": math.MaxInt32, "contact": "sip:kitchen"})
	s.insert(t, two, row{"callid": "survey 3", "status": 3, "expires": 1})
	s.insert(t, most, row{})
	s.insert(t, none, row{})
	dialogs := s.dialogs(t, two)[two]
	s.shows(t, dialogs[0], 3, 4)
	s.shows(t, dialogs[1], 5, 0)
	s.shows(t, s.one(t, most), math.MaxUint32, math.MaxUint32)
	for _, event := range []string{"presence", "message-summary.winfo"} {
		s.insert(t, other, row{"event": event, "callid": event})
		s.shows(t, Dialog{Key: Key{event, "server", "phone"}, RemoteCSeq: 1, Expires: future, Contact: "sip:phone@127.0.0.2:5070"}, 1, 1)
	}
	s.wantSurvey(t, "first", told{two, true, 3, 4}, told{two, true, 5, 0}, told{two, false, 0, 0},
		told{most, true, math.MaxUint32, math.MaxUint32}, told{none, false, 0, 0})
	s.shows(t, dialogs[0], 0, 0)
	s.wantSurvey(t, "without messages", told{two, true, 0, 0}, told{two, true, 5, 0}, told{two, false, 0, 0})
	if got := s.survey(t, other); got != nil {
		t.Errorf("other events: %+v", got)
	}
}

// What was acknowledged in another state of the subscription, or in another dialog, says nothing.
func surveyStale(t *testing.T, s subject) {
	for i, change := range []string{
		"remote_cseq = remote_cseq + 1", "remote_cseq = remote_cseq - 1", "expires = expires + 1", "expires = expires - 1",
		"contact = 'sip:moved'", "contact = ''", "contact = 'sip:Jose@127.0.0.2'", "contact = 'sip:josé@127.0.0.2'",
		"callid = 'STALE'", "to_tag = 'SERVER'", "from_tag = 'PHONE'", "to_tag = 'phone', from_tag = 'server'",
	} {
		a := user(fmt.Sprintf("stale %d", i))
		callid := fmt.Sprintf("stale %d", i)
		if strings.HasPrefix(change, "callid") {
			callid = "stale"
		}
		s.insert(t, a, row{"callid": callid, "contact": "sip:jose@127.0.0.2"})
		s.shows(t, s.one(t, a), 2, 1)
		s.wantSurvey(t, "before "+change, told{a, true, 2, 1})
		s.exec(t, "UPDATE active_watchers SET "+change+" WHERE callid = '"+callid+"'")
		s.wantSurvey(t, change, told{a, false, 0, 0})
	}
}

func surveyOdd(t *testing.T, s subject) {
	phone, voicemail, odd := user("survey phone"), user("survey *97"), AoR{"a@b", "survey"}
	for _, uri := range []string{"", "tel:+441", "sip:nobody", "sips:a@survey", "sip:@survey", voicemail.URI(), odd.URI()} {
		s.insert(t, phone, row{"presentity_uri": uri})
	}
	n := 0
	err := s.Survey(t.Context(), func(a AoR, _ bool, _, _ uint32) {
		if a == phone || a == voicemail || a == odd || a.User == "" || a.Domain == "survey" {
			n++
		}
	})
	if s.byWatcher {
		if got := s.survey(t, phone, voicemail, odd); err != nil || n != 7 || len(got) != 7 || got[0].user != phone || got[6].user != phone {
			t.Errorf("%d, %v: %+v", n, err, got)
		}
	} else if s.wantSurvey(t, "odd", told{voicemail, false, 0, 0}, told{odd, false, 0, 0}); n != 2 || err != nil {
		t.Errorf("told of %d, %v", n, err)
	}
}

func surveyHostile(t *testing.T, s subject) {
	for _, text := range []string{
		`'; DROP TABLE active_watchers; --`, `\back\slash\`, "two\r\nlines\t", "héllo, 世界 🐴", "{w.callid} {event}", "%s$1?", "\x01\x7f",
	} {
		a := AoR{"survey " + text, text}
		s.insert(t, a, row{"contact": text, "callid": "survey " + text, "to_tag": text, "from_tag": text})
		s.shows(t, s.one(t, a), 1, 2)
		s.wantSurvey(t, text, told{a, true, 1, 2})
	}
}

// With NULLs where no proxy's table has them, nor the ledger, and columns that take
// one case of a letter for the other.
func TestSurveyOfAlteredTables(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			db, text := e.open(t, ""), "VARCHAR(99)"
			switch e.ddl {
			case "sqlite":
				text += " COLLATE NOCASE"
			case "postgres":
				db.exec(t, "CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
				text += " COLLATE nocase"
			}
			db.exec(t, strings.ReplaceAll(`CREATE TABLE active_watchers (presentity_uri %, watcher_username %, watcher_domain %, event %,
callid %, to_tag %, from_tag %, remote_cseq INTEGER, expires INTEGER, contact %)`, "%", text))
			db.exec(t, strings.ReplaceAll(`CREATE TABLE zonkeymwi_ledger (callid %, to_tag %, from_tag %, remote_cseq BIGINT, expires BIGINT,
contact %, new_messages BIGINT, old_messages BIGINT)`, "%", "VARCHAR(99)"))
			db.exec(t, `INSERT INTO active_watchers VALUES
('sip:a@x', 'a', 'x', 'message-summary', 'a', 'st', 'ft', 1, 2, 'sip:c'), ('sip:b@x', 'b', 'x', 'message-summary', 'B', 'st', 'ft', 1, 2, 'sip:c'),
('sip:c@x', 'c', 'x', 'message-summary', 'c', 'ST', 'ft', 1, 2, 'sip:c'), ('sip:d@x', 'd', 'x', 'message-summary', 'd', 'st', 'FT', 1, 2, 'sip:c'),
('sip:e@x', 'e', 'x', 'message-summary', 'e', 'st', 'ft', 1, 2, 'sip:C'), ('sip:f@x', 'f', 'x', 'message-summary', 'f', 'st', 'ft', 1, 2, NULL),
('sip:g@x', 'g', 'x', 'message-summary', 'g', 'st', 'ft', NULL, NULL, 'sip:c'), ('sip:h@x', 'h', 'x', 'message-summary', NULL, NULL, NULL, 1, 2, 'sip:c'),
('sip:i@x', 'i', 'x', 'message-summary', 'i', 'st', 'ft', 1, 2, 'sip:c'), ('sip:j@x', 'j', 'x', 'message-summary', 'j', 'st', 'ft', 1, 2, 'sip:c'),
(NULL, NULL, NULL, 'message-summary', NULL, NULL, NULL, NULL, NULL, NULL), ('sip:k@x', 'k', 'x', NULL, 'k', 'st', 'ft', 1, 2, 'sip:c')`)
			for _, id := range []string{"a", "b", "c", "d", "e", "g"} {
				db.exec(t, "INSERT INTO zonkeymwi_ledger VALUES ('"+id+"', 'st', 'ft', 1, 2, 'sip:c', 3, 4)")
			}
			db.exec(t, `INSERT INTO zonkeymwi_ledger VALUES ('f', 'st', 'ft', 1, 2, NULL, 3, 4), (NULL, NULL, NULL, 1, 2, 'sip:c', 3, 4),
('i', 'st', 'ft', 1, 2, 'sip:c', 3, NULL), ('j', 'st', 'ft', 1, 2, 'sip:c', NULL, 4)`)
			for _, byWatcher := range []bool{false, true} {
				s := subject{db, db.store(t, Config{ByWatcher: byWatcher}), byWatcher}
				want := []told{{AoR{"a", "x"}, true, 3, 4}}
				for _, name := range []string{"b", "c", "d", "e", "f", "g", "h", "i", "j"} {
					want = append(want, told{AoR{name, "x"}, false, 0, 0})
				}
				s.wantSurvey(t, fmt.Sprint("by watcher ", byWatcher), want...)
			}
		})
	}
}

// Every mode in which pgx may ask gives the same.
func TestPostgresSurveyModes(t *testing.T) {
	db := engines[1].open(t, "opensips")
	db.migrate(t)
	u, err := url.Parse(db.url)
	if err != nil {
		t.Fatal(err)
	}
	a := user("a")
	db.insert(t, a, row{})
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"} {
		q := u.Query()
		q.Set("default_query_exec_mode", mode)
		u.RawQuery = q.Encode()
		db.url = u.String()
		for _, byWatcher := range []bool{false, true} {
			s := subject{db, db.store(t, Config{ByWatcher: byWatcher}), byWatcher}
			s.shows(t, s.one(t, a), 305419896, 7)
			s.wantSurvey(t, mode, told{a, true, 305419896, 7})
		}
	}
}

// The one that is missing is named, and of the two it is the proxy's table that is missed first.
func TestSurveyWithoutTables(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			db := e.open(t, "kamailio")
			a := user("a")
			db.insert(t, a, row{})
			s := subject{db, db.store(t, Config{}), false}
			wantError(t, s.surveyErr(t), ledgerTable, mendLedger)
			wantError(t, s.LedgerErr(), mendLedger)
			db.migrate(t)
			if s.surveyErr(t) == nil {
				t.Error("looked for again at once")
			}
			s.minuteLater()
			s.wantSurvey(t, "with the ledger", told{a, false, 0, 0})

			for _, config := range []Config{{}, {Ledger: true}} {
				s.Store = db.store(t, config)
				db.exec(t, "ALTER TABLE active_watchers RENAME TO elsewhere")
				err := s.surveyErr(t)
				if wantError(t, err, "active_watchers", mendTable); strings.Contains(err.Error(), mendLedger) || s.LedgerErr() != nil {
					t.Errorf("the ledger is blamed: %v", err)
				}
				db.exec(t, "ALTER TABLE elsewhere RENAME TO active_watchers")
				s.wantSurvey(t, "with the table", told{a, false, 0, 0})
			}
		})
	}
}
