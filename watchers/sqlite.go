package watchers

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// sqliteStore is a Store in an SQLite file.
type sqliteStore struct {
	*table
	path         string
	db           *sql.DB
	byWatcher    bool
	lookup, draw string // SQL
	withLedger   string // lookup, and what the ledger knows
	tuned        atomic.Bool
	prepared     sync.Map // SQL, of which there are few, to *sql.Stmt
}

// A batch travels as one JSON array of arrays.
const (
	liteByPresentity = `SELECT {columns} FROM {table} AS w WHERE presentity_uri IN (SELECT value FROM json_each(?)) AND {event}`
	liteByWatcher    = `SELECT {columns} FROM {table} AS w
WHERE (watcher_username, watcher_domain) IN (SELECT value->>0, value->>1 FROM json_each(?)) AND {event}`
	liteNextCSeq = `UPDATE {table} SET local_cseq = local_cseq + 1
FROM (SELECT value->>0 AS k_uri, value->>1 AS k_callid, value->>2 AS k_to, value->>3 AS k_from FROM json_each(?))
WHERE presentity_uri = k_uri AND callid = k_callid AND to_tag = k_to AND from_tag = k_from
AND {event} AND local_cseq < 2147483646
RETURNING callid, to_tag, from_tag, local_cseq + 1`
	liteColumns = `SELECT name FROM pragma_table_info(?, ?)`
)

// openSQLite never creates the file (mode=rw), which is the proxy's to create.
// A writer elsewhere is waited for: 5 s.
func openSQLite(c Config, t *table, path string) (Store, error) {
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?mode=rw&_pragma=busy_timeout(5000)"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	conns := cmp.Or(c.MaxConns, 4)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	lookup := liteByPresentity
	if c.ByWatcher {
		lookup = liteByWatcher
	}
	return &sqliteStore{table: t, path: path, db: db, byWatcher: c.ByWatcher,
		lookup: t.sql(lookup), withLedger: t.sql(joinLedger(lookup)), draw: t.sql(liteNextCSeq)}, nil
}

func (s *sqliteStore) Close() { s.db.Close() } // its error would say only that a read was cut short

func (s *sqliteStore) Dialogs(ctx context.Context, aors []AoR) (map[AoR][]Dialog, error) {
	found := map[AoR][]Dialog{}
	b := newBatch(aors, s.byWatcher)
	if len(b.aors) == 0 {
		return found, nil
	}
	var keys any = column(b.aors, AoR.URI)
	if b.byWatcher {
		keys = column(b.aors, func(a AoR) [2]string { return [2]string{a.User, a.Domain} })
	}
	err := s.lookUp(func(acked bool) error {
		sql := s.lookup
		if acked {
			sql = s.withLedger
		}
		return s.query(ctx, func(r rows) error { return b.scan(r, func() (Dialog, error) { return scanDialog(r, acked) }, found) }, sql, asJSON(keys))
	}, s.ledgerFault)
	if err != nil {
		return nil, err
	}
	return found, nil
}

func (s *sqliteStore) NextCSeq(ctx context.Context, dialogs []Dialog) (map[Key]uint32, error) {
	drawn := map[Key]uint32{}
	if len(dialogs) == 0 {
		return drawn, nil
	}
	keys := column(dialogs, func(d Dialog) [4]string { return [4]string{d.Presentity, d.CallID, d.ToTag, d.FromTag} })
	if err := s.query(ctx, func(r rows) error { return scanCSeqs(r, drawn) }, s.draw, asJSON(keys)); err != nil {
		return nil, err
	}
	return drawn, nil
}

func (s *sqliteStore) Flavour(ctx context.Context) (Flavour, error) {
	if f := s.kept(); f != Unknown {
		return f, nil
	}
	schema, name := s.schema()
	var have []string
	if err := s.query(ctx, func(r rows) error { return scanStrings(r, &have) }, liteColumns, name, schema); err != nil {
		return Unknown, err
	}
	return s.judge(have)
}

// schema parts the table's name.
func (s *sqliteStore) schema() (schema, name string) {
	if schema, name, ok := strings.Cut(s.name, "."); ok {
		return schema, name
	}
	return "main", s.name
}

func asJSON(v any) string {
	text, _ := json.Marshal(v) // strings cannot fail
	return string(text)
}

func (s *sqliteStore) query(ctx context.Context, scan func(rows) error, statement string, args ...any) error {
	s.tune(ctx)
	stmt, err := s.prepare(ctx, statement)
	if err != nil {
		return s.explain(err)
	}
	r, err := stmt.QueryContext(ctx, args...)
	if err == nil {
		err = scan(r)
		r.Close()
	}
	return s.explain(err)
}

// prepare keeps each statement: to parse and plan one costs more than to run it
// for one AoR. Of two callers who come first, both prepare and one is kept.
func (s *sqliteStore) prepare(ctx context.Context, statement string) (*sql.Stmt, error) {
	if stmt, ok := s.prepared.Load(statement); ok {
		return stmt.(*sql.Stmt), nil
	}
	stmt, err := s.db.PrepareContext(ctx, statement)
	if err == nil {
		s.prepared.Store(statement, stmt)
	}
	return stmt, err
}

// tune puts the file into WAL mode, in which our reads do not keep the proxy
// from writing. The mode stays with the file and every SQLite of the last
// decade follows it. It is tried once; without it (a read-only file) we work too.
func (s *sqliteStore) tune(ctx context.Context) {
	if s.tuned.CompareAndSwap(false, true) {
		_, err := s.db.ExecContext(ctx, "PRAGMA journal_mode = WAL")
		if ctx.Err() != nil || liteCode(err) == lib.SQLITE_CANTOPEN {
			s.tuned.Store(false)
		}
	}
}

// liteCode returns SQLite's primary result code, 0 if err is not SQLite's.
func liteCode(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}

// explain adds to err what it concerns and how to mend it.
func (s *sqliteStore) explain(err error) error {
	if err == nil {
		return nil
	}
	mend := ""
	switch text := err.Error(); liteCode(err) {
	case lib.SQLITE_ERROR:
		if strings.Contains(text, "no such table") || strings.Contains(text, "unknown database") {
			mend = mendTable
		} else if strings.Contains(text, "no such column") {
			mend = mendColumn
		}
	case lib.SQLITE_CANTOPEN:
		mend = "is the path right, and may this user read and write the file and its directory?"
	case lib.SQLITE_READONLY, lib.SQLITE_PERM:
		mend = "let this user write the file and its directory"
	case lib.SQLITE_BUSY:
		mend = "another program has held it for 5 s; is one stuck in a transaction?"
	}
	if mend == "" {
		return fmt.Errorf("database %s: %w", s.path, err)
	}
	return fmt.Errorf("database %s, table %s: %w: %s", s.path, s.name, err, mend)
}
