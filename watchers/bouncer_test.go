package watchers

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"zonkeymwi/internal/pgtest"
)

// Everything but Listen works through PgBouncer in transaction mode, and Listen
// says why not, rather than wait for what never comes.
func TestPgBouncer(t *testing.T) {
	server := pgtest.NewServer(t)
	direct := server.URL("postgres")
	e := engine{"postgres", func(testing.TB) string { return direct }, "postgres"}
	db := e.open(t, "kamailio")
	db.url = server.Bouncer(t, "postgres") + "&default_query_exec_mode=exec"
	db.migrate(t)
	s := subject{db, db.store(t, Config{Ledger: true, MaxConns: 16}), false}
	a := user("a")
	for range 20 {
		db.insert(t, a, row{})
	}
	mark := s.settled(t)
	dialogs := s.dialogs(t, a)[a]
	var wg sync.WaitGroup
	for i := range uint32(16) { // more than PgBouncer has
		wg.Go(func() {
			for range 10 {
				s.dialogs(t, a)
				numbers, err := s.NextCSeq(t.Context(), dialogs)
				if err != nil || len(numbers) != len(dialogs) {
					t.Errorf("%d numbers: %v", len(numbers), err)
				}
				s.record(t, Entry{dialogs[i].Key, Acked{CSeq: numbers[dialogs[i].Key]}})
			}
		})
	}
	wg.Wait()
	if got := s.dialogs(t, a)[a]; !got[3].HasAcked || got[3].LocalCSeq != 161 {
		t.Errorf("got %+v", got[3])
	}
	if _, err := s.Prune(t.Context()); err != nil {
		t.Error(err)
	}
	if got := s.poll(t, &mark); !slices.Equal(got, []AoR{a}) {
		t.Errorf("changed: %v", got)
	}

	s.brisk()
	err := s.Listen(t.Context(), func() { t.Error("ready") }, func(a AoR) { t.Errorf("heard %v", a) })
	if !errors.Is(err, ErrNoTrigger) {
		t.Errorf("Listen returned %v", err)
	}
	wantError(t, err, "PgBouncer")
	db.url = direct
	s.Store = db.store(t, Config{})
	h := s.listen(t)
	db.insert(t, a, row{})
	h.until(t, a)
}
