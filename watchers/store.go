package watchers

import (
	"context"
	"errors"
	"strings"
)

// Store is a database with an active_watchers table. Its methods may be called
// concurrently. An error names what is wrong and its mend, and never holds a
// secret; after one, the next call tries again.
type Store interface {
	// Dialogs returns all message-summary rows of the AoRs, live or not, in
	// one query (MySQL: one for 500); AoRs without rows are absent.
	Dialogs(ctx context.Context, aors []AoR) (map[AoR][]Dialog, error)

	// NextCSeq draws a CSeq for each dialog and writes it back, in one
	// statement (MySQL: in one transaction for 500): local_cseq rises by one, and the CSeq is the new local_cseq
	// plus one, because Kamailio stores one less than it has used. Concurrent
	// callers get distinct, rising numbers. Only Kamailio in subs_db_mode 3
	// takes notice of it. Absent from the map: a dialog whose row is gone, or
	// whose CSeq would reach 2^31 (RFC 3261 section 8.1.1.5).
	NextCSeq(ctx context.Context, dialogs []Dialog) (map[Key]uint32, error)

	// Flavour tells whose table it is by its columns, found once and then
	// kept. It is an error if the table or a column that Dialogs needs is missing.
	Flavour(ctx context.Context) (Flavour, error)

	// Changed returns the AoRs that have message-summary rows written since
	// the mark, or more: their dialogs may be new, refreshed or as they were.
	// Its next is the mark for the next call; after the zero Mark it is all
	// that is returned. It reads the whole table (20 ms at 100 000 rows), but
	// transfers only what changed; SQLite 200 ms and MySQL 1 s, and keeps a hash of each row.
	Changed(ctx context.Context, since Mark) (aors []AoR, next Mark, err error)

	// Listen hears of new and refreshed dialogs from the database, over a
	// connection of its own: it calls ready once when it will hear of all that
	// is written from then on, and changed for each AoR, both on its own
	// goroutine; they must not block. It returns when ctx ends or the
	// connection is lost, ErrNoTrigger where nothing will ever be heard.
	Listen(ctx context.Context, ready func(), changed func(AoR)) error

	// Record notes in the ledger what phones acknowledged, in one statement.
	// What the ledger has with a higher CSeq stays. Entries of one dialog may
	// come in any order.
	Record(ctx context.Context, entries []Entry) error

	// Acked returns what the ledger has under these keys, in one query (as Dialogs), whether
	// Config.Ledger is set or not; absent is what it knows nothing of.
	Acked(ctx context.Context, keys []Key) (map[Key]Acked, error)

	// Survey reads the whole table, and what the ledger has of each dialog, in one
	// statement, whether Config.Ledger is set or not: so a resync of very many
	// mailboxes need not look up those whose phones show all. Each message-summary
	// row, live or not, is one call of each, on the caller's goroutine, but for
	// those whose presentity_uri is no sip:user@domain (with Config.ByWatcher all
	// have an AoR). acked tells that the ledger's entry is of the subscription's
	// present state: RemoteCSeq, Expires and the bytes of Contact are the same;
	// new and old are its counts then, else 0. Urgent messages are not told.
	// each must not block, nor call the Store: a connection waits for it. An
	// error may come after some calls. 100 000 rows take 0.2 s, in MySQL 1 s.
	Survey(ctx context.Context, each func(user AoR, acked bool, new, old uint32)) error

	// Prune deletes what the ledger has of dialogs and publications that ended
	// over an hour ago, a thousand at a time, and returns how many. An error may come
	// after some.
	Prune(ctx context.Context) (n int64, err error)

	// LedgerErr returns why Dialogs does without the ledger, nil where it does
	// not or Config.Ledger is not set. Every minute it tries the ledger again.
	LedgerErr() error

	// Close ends all connections. No other method may be called after it.
	Close()
}

// Config says which database, and how to look dialogs up in it.
type Config struct {
	// URL is postgres://user:password@host:port/database?..., postgresql://
	// likewise (with commas between several host:port), or sqlite:PATH, a file
	// that exists by the first query, which puts it into WAL mode, or
	// mysql://user:password@host:port/database?..., for MariaDB too: InnoDB,
	// with a binary log, if any, that is not of statements. Its options are
	//	tls=true|skip-verify|preferred   authorities: the system's, or SSL_CERT_FILE
	//	charset=latin1                   as the proxy's own connection, if not utf8mb4
	//	socket=PATH                      instead of host:port
	//	timeout, readTimeout, writeTimeout
	//
	// Through PgBouncer in transaction mode (before its version 1.21, or with
	// max_prepared_statements = 0) add default_query_exec_mode=exec: pgx then
	// keeps no prepared statement in the server.
	URL string

	// Table is the table's name, "" for active_watchers. It may be qualified
	// by a schema. It is taken as written, upper and lower case too.
	Table string

	// ByWatcher looks an AoR up in watcher_username and watcher_domain, not in
	// presentity_uri: for phones that subscribe to a voicemail number. No
	// proxy has an index for it, so each batch reads the whole table (20 ms at
	// 100 000 rows, in MySQL 1 s) without
	//	CREATE INDEX ON active_watchers (watcher_username, watcher_domain)
	ByWatcher bool

	// Ledger makes Dialogs return what the ledger knows: the table
	// zonkeymwi_ledger beside Table, which Migrate creates.
	Ledger bool

	// NoTable says that the ledger is all that is used, for publications:
	// Migrate makes no trigger, and Table need not exist.
	NoTable bool

	// MaxConns bounds the connections to the database; 0 means 4, for
	// PostgreSQL the URL's pool_max_conns, else 4 or a CPU each. Listen
	// takes one more.
	MaxConns int
}

// Open checks c and makes its Store. It does no input or output: the database
// may come up later.
func Open(c Config) (Store, error) {
	name, err := parseTable(c.Table)
	if err != nil {
		return nil, err
	}
	name.wanted, name.absent = c.Ledger, c.NoTable
	scheme, rest, _ := strings.Cut(c.URL, ":")
	switch {
	case c.MaxConns < 0:
		return nil, errors.New("database: the number of connections is negative")
	case (scheme == "postgres" || scheme == "postgresql") && strings.HasPrefix(rest, "//"):
		return openPostgres(c, name)
	case scheme == "sqlite" && strings.TrimPrefix(rest, "//") != "":
		return openSQLite(c, name, strings.TrimPrefix(rest, "//"))
	case scheme == "mysql" && strings.HasPrefix(rest, "//"):
		return openMySQL(c, name)
	default: // whatever it is, it may hold a password: do not show it
		return nil, errors.New("database URL: it must begin with postgres://, postgresql://, mysql:// or sqlite:PATH")
	}
}
