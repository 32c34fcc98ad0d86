package watchers

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// hearing is a Listen under way.
type hearing struct {
	heard chan AoR
	ended chan error
	stop  context.CancelFunc
}

// listen returns when Listen is ready, or fails t if it ends before.
func (s subject) listen(t *testing.T) *hearing {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	h := &hearing{make(chan AoR, 1000), make(chan error, 1), stop}
	ready := make(chan struct{})
	go func() {
		h.ended <- s.Listen(ctx, func() { close(ready) }, func(a AoR) { h.heard <- a })
		close(h.ended)
	}()
	t.Cleanup(func() { stop(); <-h.ended })
	select {
	case <-ready:
	case err := <-h.ended:
		t.Fatalf("Listen returned %v", err)
	}
	return h
}

// until returns what was heard before the AoR last, which is the last thing a test does.
func (h *hearing) until(t *testing.T, last AoR) (heard []AoR) {
	t.Helper()
	for {
		select {
		case a := <-h.heard:
			if a == last {
				return heard
			}
			heard = append(heard, a)
		case err := <-h.ended:
			t.Fatalf("Listen returned %v", err)
		case <-time.After(patience):
			t.Fatalf("nothing more after %v", heard)
		}
	}
}

// end returns what Listen returned.
func (h *hearing) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-h.ended:
		return err
	case <-time.After(patience):
		t.Fatal("Listen goes on")
		return nil
	}
}

// listening is a migrated database and a Listen on it.
func listening(t *testing.T, flavour string, byWatcher bool) (subject, *hearing) {
	t.Helper()
	db := engines[1].open(t, flavour)
	db.migrate(t)
	s := subject{db, db.store(t, Config{ByWatcher: byWatcher}), byWatcher}
	return s, s.listen(t)
}

func TestListen(t *testing.T) {
	for _, flavour := range []string{"opensips", "kamailio"} {
		t.Run(flavour, func(t *testing.T) {
			s, h := listening(t, flavour, false)
			a, last := user("a"), user("last")
			for _, step := range []struct {
				statement string
				heard     int
			}{
				{"", 1},
				{"UPDATE active_watchers SET remote_cseq = remote_cseq + 1, local_cseq = local_cseq + 1", 1},
				{"UPDATE active_watchers SET expires = expires + 1", 1},
				{"UPDATE active_watchers SET contact = 'sip:moved'", 1},
				{"UPDATE active_watchers SET local_cseq = local_cseq + 1, version = version + 1, record_route = 'x'", 0},
				{"UPDATE active_watchers SET expires = expires", 0},
				{"UPDATE active_watchers SET status = 3", 0},
				{"UPDATE active_watchers SET expires = expires + 1", 0},
				{"UPDATE active_watchers SET status = 1", 1},
				{"UPDATE active_watchers SET event = 'presence'", 0},
				{"UPDATE active_watchers SET event = 'message-summary'", 1},
				{"UPDATE active_watchers SET expires = expires + 1 WHERE callid = 'nobody'", 0},
				{"DELETE FROM active_watchers", 0},
			} {
				if step.statement == "" {
					s.insert(t, a, row{})
				} else {
					s.exec(t, step.statement)
				}
				s.insert(t, last, row{"callid": "last"})
				if heard := h.until(t, last); len(heard) != step.heard || step.heard > 0 && heard[0] != a {
					t.Errorf("%s: heard %v, want %d", step.statement, heard, step.heard)
				}
				s.exec(t, "DELETE FROM active_watchers WHERE callid = 'last'")
			}
			s.insert(t, user("b"), row{"event": "presence"})
			s.insert(t, user("b"), row{"status": 2})
			s.insert(t, last, row{})
			if heard := h.until(t, last); heard != nil {
				t.Errorf("heard %v", heard)
			}
			h.stop()
			if err := h.end(t); !errors.Is(err, context.Canceled) {
				t.Errorf("Listen returned %v", err)
			}
		})
	}
}

// One statement over many rows: each AoR once.
func TestListenStatementOfManyRows(t *testing.T) {
	s, h := listening(t, "opensips", false)
	s.fill(t, 500)
	s.exec(t, "UPDATE active_watchers SET presentity_uri = 'sip:same@example.com', expires = expires + 1")
	s.insert(t, user("last"), row{})
	heard := h.until(t, user("last"))
	unique := map[AoR]bool{}
	for _, a := range heard {
		unique[a] = true
	}
	if len(heard) > 1000 || len(unique) != 501 {
		t.Errorf("heard %d, of them %d different, want 501", len(heard), len(unique))
	}
}

func TestListenByWatcher(t *testing.T) {
	s, h := listening(t, "kamailio", true)
	phone := user("208")
	s.insert(t, phone, row{"presentity_uri": "sip:*97@example.com"})
	if heard := h.until(t, phone); heard != nil {
		t.Errorf("heard %v", heard)
	}
}

func TestListenHostileBytes(t *testing.T) {
	s, h := listening(t, "opensips", false)
	for _, text := range []string{`'; DROP TABLE x; --`, `"\`, "two\r\nlines\t", "世界 🐴", "<&>\x01\x7f\u2028", strings.Repeat("\x01", 120)} {
		a := AoR{text, text}
		s.insert(t, a, row{"watcher_username": "w", "watcher_domain": text[:min(len(text), 64)], "to_user": "t", "to_domain": "t"})
		if heard := h.until(t, a); heard != nil {
			t.Errorf("%q: heard %q", text, heard)
		}
	}
}

// The trigger never fails the proxy's statement.
func TestListenTriggerNeverFails(t *testing.T) {
	s, h := listening(t, "opensips", false)
	s.exec(t, "ALTER TABLE active_watchers ALTER presentity_uri TYPE text, DROP CONSTRAINT active_watchers_active_watchers_idx")
	s.insert(t, user(strings.Repeat("x", 9000)), row{"watcher_username": "x", "to_user": "x"})
	s.insert(t, user("last"), row{})
	if heard := h.until(t, user("last")); heard != nil {
		t.Errorf("heard %.50v", heard)
	}
	s.exec(t, "UPDATE active_watchers SET expires = expires + 1") // both in one statement
	if heard := h.until(t, user("last")); heard != nil {
		t.Errorf("heard %.50v", heard)
	}
	s.exec(t, "ALTER TABLE active_watchers RENAME remote_cseq TO renamed")
	s.exec(t, "UPDATE active_watchers SET expires = expires + 1")
	s.exec(t, "ALTER TABLE active_watchers RENAME event TO kind")
	s.exec(t, `INSERT INTO active_watchers SELECT id + 100, presentity_uri, watcher_username, watcher_domain, to_user, to_domain, kind,
event_id, to_tag, from_tag, callid, local_cseq, renamed, contact, record_route, expires, status, reason, version, socket_info, local_contact
FROM active_watchers`)
}

// Two tables in one database do not confuse each other's listeners.
func TestListenTwoTables(t *testing.T) {
	s, h := listening(t, "opensips", false)
	s.exec(t, "CREATE SCHEMA other; CREATE TABLE other.active_watchers (LIKE active_watchers INCLUDING ALL)")
	if err := Migrate(t.Context(), Config{URL: s.url, Table: "other.active_watchers"}); err != nil {
		t.Fatal(err)
	}
	other := subject{s.database, s.store(t, Config{Table: "other.active_watchers"}), false}
	h2 := other.listen(t)
	s.insert(t, user("a"), row{})
	s.exec(t, "INSERT INTO other.active_watchers SELECT * FROM active_watchers; UPDATE other.active_watchers SET presentity_uri = 'sip:b@example.com'")
	s.insert(t, user("last"), row{})
	if heard := h2.until(t, user("b")); !slices.Equal(heard, []AoR{user("a")}) {
		t.Errorf("the other heard %v", heard)
	}
	if heard := h.until(t, user("last")); !slices.Equal(heard, []AoR{user("a")}) {
		t.Errorf("heard %v", heard)
	}
}

func TestListenConnectionCut(t *testing.T) {
	s, h := listening(t, "opensips", false)
	var cut int
	err := s.QueryRow(`SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name = 'zonkeymwi listen' AND datname = current_database()`).Scan(&cut)
	if err != nil || cut != 1 {
		t.Fatalf("cut %d connections: %v", cut, err)
	}
	if err := h.end(t); code(err) != "57P01" || errors.Is(err, ErrNoTrigger) {
		t.Errorf("Listen returned %v", err)
	}
	s.insert(t, user("a"), row{})
	h = s.listen(t) // the pool's connections live on
	s.insert(t, user("b"), row{})
	if heard := h.until(t, user("b")); heard != nil {
		t.Errorf("heard %v", heard)
	}
}

// brisk makes s notice a silent server sooner.
func (s subject) brisk() { s.Store.(*postgres).quiet = 500 * time.Millisecond }

// A server that vanishes without a word is noticed; one that is only silent is kept.
func TestListenServerFrozen(t *testing.T) {
	server, s, a := ownServer(t)
	s.migrate(t)
	s.brisk()
	h := s.listen(t)
	s.silences(t, 3)
	s.insert(t, a, row{})
	h.until(t, a)
	if err := server.Pause(); err != nil {
		t.Fatal(err)
	}
	if err := h.end(t); err == nil || errors.Is(err, ErrNoTrigger) {
		t.Errorf("Listen returned %v", err)
	}
	if err := server.Resume(); err != nil {
		t.Fatal(err)
	}
	s.Store.(*postgres).quiet = patience
	s.listen(t)
}

// silences waits until the listener has asked n times whether the server is there.
func (s subject) silences(t *testing.T, n int) {
	t.Helper()
	asked := map[string]bool{}
	for deadline := time.Now().Add(patience); len(asked) <= n; {
		var at string
		err := s.QueryRow("SELECT query_start::text FROM pg_stat_activity WHERE application_name = 'zonkeymwi listen'").Scan(&at)
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("after %d questions: %v", len(asked), err)
		}
		asked[at] = true
	}
}

func TestHeardIgnoresOthers(t *testing.T) {
	p := &postgres{}
	for _, payload := range []string{"", "token", `{"a":1}`, `[1,2,3]`, `["tel:1","a","b"]`, `["sip:a"`, "\xff"} {
		if a, ok := p.heard(payload); ok {
			t.Errorf("%q is taken for %v", payload, a)
		}
	}
	payload, _ := json.Marshal([]string{"sip:a@b", "c", "d"})
	if a, ok := p.heard(string(payload)); !ok || a != (AoR{"a", "b"}) {
		t.Errorf("%s is taken for %v", payload, a)
	}
}
