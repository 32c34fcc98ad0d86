package watchers

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSQLiteFileComesLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), "later.db")
	late := engine{"sqlite", func(testing.TB) string { return "sqlite:" + path }, "sqlite"}
	s, err := Open(Config{URL: "sqlite:" + path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	_, err = s.Dialogs(t.Context(), []AoR{user("a")})
	wantError(t, err, path, "is the path right")
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Fatalf("the lookup made the file: %v", err)
	}

	db := late.open(t, "kamailio")
	db.insert(t, user("a"), row{})
	subject{db, s, false}.one(t, user("a"))
	if header, err := os.ReadFile(path); err != nil || header[18] != 2 { // SQLite's file format, 1.3: write version
		t.Errorf("not in WAL mode, %v", err)
	}
}

// A proxy in the middle of writing does not hold a lookup up, nor the lookup the proxy.
func TestSQLiteReadsWhileTheProxyWrites(t *testing.T) {
	db := engines[0].open(t, "opensips")
	a := user("a")
	db.insert(t, a, row{})
	s := subject{db, db.store(t, Config{}), false}
	s.one(t, a)
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("UPDATE active_watchers SET status = 3"); err != nil {
		t.Fatal(err)
	}
	if d := s.one(t, a); d.Status != 1 {
		t.Errorf("saw what is not committed: %+v", d)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if d := s.one(t, a); d.Status != 3 {
		t.Errorf("does not see what is committed: %+v", d)
	}
}

func TestSQLiteReadOnlyFile(t *testing.T) {
	db := engines[0].open(t, "kamailio")
	a := user("a")
	db.insert(t, a, row{})
	path := strings.TrimPrefix(db.url, "sqlite:")
	s := subject{db, db.store(t, Config{}), false}
	// Root may write anything: the mode of opening stands in for the mode of the file.
	lite := s.Store.(*sqliteStore)
	lite.db.Close()
	readOnly, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	lite.db = readOnly
	d := s.one(t, a)
	_, err = s.NextCSeq(t.Context(), []Dialog{d})
	wantError(t, err, path, "active_watchers", "let this user write the file")
}

func TestSQLiteNotADatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(path, []byte(strings.Repeat("not a database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(Config{URL: "sqlite:" + path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	complaints(t, s, path, "not a database")
}

// A writer that does not let go holds a caller up to its deadline only.
func TestSQLiteDeadline(t *testing.T) {
	db := engines[0].open(t, "opensips")
	a := user("a")
	db.insert(t, a, row{})
	s := subject{db, db.store(t, Config{}), false}
	d := s.one(t, a)
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec("UPDATE active_watchers SET status = 3"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.NextCSeq(ctx, []Dialog{d}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
