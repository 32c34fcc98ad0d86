package watchers

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"zonkeymwi/internal/pgtest"
)

func TestListenWithoutTrigger(t *testing.T) {
	for _, e := range engines {
		db := e.open(t, "kamailio")
		err := db.store(t, Config{}).Listen(t.Context(), func() { t.Error("ready") }, nil)
		if !errors.Is(err, ErrNoTrigger) {
			t.Errorf("%s: %v", e.name, err)
		}
	}
}

// The trigger goes while its listener waits.
func TestListenTriggerGoes(t *testing.T) {
	for statement, noTrigger := range map[string]bool{
		"DROP TRIGGER zonkeymwi_update ON active_watchers":             true,
		"ALTER TABLE active_watchers DISABLE TRIGGER zonkeymwi_insert": true,
		"DROP TABLE active_watchers":                                   true,
		"ALTER TABLE active_watchers RENAME TO old; " +
			"CREATE TABLE active_watchers (LIKE old INCLUDING ALL); %s": false,
	} {
		db := engines[1].open(t, "kamailio")
		db.migrate(t)
		s := subject{db, db.store(t, Config{}), false}
		s.brisk()
		h := s.listen(t)
		sql, _ := Migrations(Config{URL: db.url})
		if strings.Contains(statement, "%s") {
			sql = strings.NewReplacer("BEGIN;", "", "COMMIT;", "").Replace(sql) // all at once
			statement = fmt.Sprintf(statement, sql)
		}
		if _, err := s.Store.(*postgres).pool.Exec(t.Context(), statement, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(err)
		}
		if err := h.end(t); errors.Is(err, ErrNoTrigger) != noTrigger || err == nil {
			t.Errorf("%.60s: Listen returned %v", statement, err)
		}
	}
}

func TestListenOtherEncoding(t *testing.T) {
	server := pgtest.NewServer(t)
	if err := server.Exec("postgres", "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"); err != nil {
		t.Fatal(err)
	}
	e := engine{"postgres", func(testing.TB) string { return server.URL("latin") }, "postgres"}
	db := e.open(t, "opensips")
	db.migrate(t)
	s := subject{db, db.store(t, Config{}), false}
	h := s.listen(t)
	s.insert(t, user("é"), row{})
	if heard := h.until(t, user("é")); heard != nil {
		t.Errorf("heard %v", heard)
	}
}
