package watchers

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A row with NULLs where no proxy's table allows them fails no lookup.
func TestNULLsOfAnAlteredTable(t *testing.T) {
	schema, err := os.ReadFile("testdata/kamailio.sqlite.sql")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "watchers.db")
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{strings.ReplaceAll(string(schema), "NOT NULL", ""),
		`INSERT INTO active_watchers (presentity_uri, event) VALUES ('sip:202@example.com', 'message-summary')`} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(Config{URL: "sqlite:" + path})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	aor := AoR{"202", "example.com"}
	found, err := s.Dialogs(t.Context(), []AoR{aor})
	if err != nil || len(found[aor]) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	if d := found[aor][0]; d.Contact != "" || d.SocketInfo != "" || d.Expires != 0 {
		t.Errorf("%+v", d)
	}
}
