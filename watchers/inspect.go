package watchers

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Inspection is what can be wrong with a database, looked at without changing
// anything. What depends on something that is missing is left zero: a table
// without a column has not been counted.
type Inspection struct {
	Server   string        // "PostgreSQL 15.13", "SQLite 3.50.4", "MariaDB 10.11.19", "MySQL 8.0.42"
	User     string        // whom grants are for; "" in SQLite
	Grantee  string        // User as GRANT wants it
	Table    string        // as SQL wants it, quoted
	ReadOnly bool          // a replica, or a file that may not be written
	Skew     time.Duration // the database's clock less ours, give or take half a round trip; 0 in SQLite, which has none

	Exists    bool
	Elsewhere []string // schema.table of that name, where Exists is false
	Missing   []string // columns that a lookup needs
	Flavour   Flavour

	Trigger           bool // what Listen needs is installed, and enabled
	Ledger, CanRecord bool // there is a ledger with all its columns; it may be read and written. Table need not be there

	CanSelect, CanUpdate bool   // all columns that are read; local_cseq
	Index                string // the one that serves the lookup, "" for none
	CreateIndex          string // the statement that makes one; "" when there is one, and for a view

	Rows, Summaries, Live int64            // all; those with event = message-summary; those of them that are live now
	LastExpires           time.Time        // the latest expires of a message-summary row
	Domains               map[string]int64 // live rows by the domain that the lookup goes by; at most 1000
}

// inspector is a Store that can be inspected.
type inspector interface {
	inspect(ctx context.Context) (Inspection, error)
}

// Inspect looks at the database of c, over one connection of its own. With an
// error, which holds no secret, comes what had been found before it.
// The counting reads the whole table: 0.2 s at 1 000 000 rows.
func Inspect(ctx context.Context, c Config) (Inspection, error) {
	c.MaxConns = 1
	store, err := Open(c)
	if err != nil {
		return Inspection{}, err
	}
	defer store.Close()
	s, ok := store.(inspector)
	if !ok {
		return Inspection{}, errors.New("database: this kind cannot be inspected yet")
	}
	return s.inspect(ctx)
}

// querier runs one statement; each engine has its own.
type querier func(ctx context.Context, scan func(rows) error, sql string, args ...any) error

// needed are the columns of a lookup.
func needed() []string { return append([]string{"event"}, columns...) }

// indexed is what an index must begin with to serve the lookup, and all that a
// good one has.
func indexed(byWatcher bool) (first, all string) {
	if byWatcher {
		return "watcher_username", "watcher_username, watcher_domain"
	}
	return "presentity_uri", "presentity_uri, event"
}

// shape notes what the table's columns tell.
func (t *table) shape(in *Inspection, have []string) {
	in.Exists = len(have) > 0
	for _, c := range needed() {
		if in.Exists && !slices.Contains(have, c) {
			in.Missing = append(in.Missing, c)
		}
	}
	if in.Missing == nil {
		in.Flavour, _ = t.judge(have) // its only errors are the two just noted
	}
}

const (
	liveRow      = `{event} AND status = 1 AND expires > {now}`
	inspectCount = `SELECT count(*), count(CASE WHEN {event} THEN 1 END), count(CASE WHEN ` + liveRow + ` THEN 1 END),
coalesce(max(CASE WHEN {event} THEN expires END), 0) FROM {table}`
	inspectDomains = `SELECT {domain}, count(*) FROM {table} WHERE ` + liveRow + ` GROUP BY 1 ORDER BY 2 DESC LIMIT 1000`

	// What follows the last @, in PostgreSQL and SQLite: trimming all that is
	// no @ from the right leaves what goes before.
	presentityDomain = `substr(presentity_uri, length(rtrim(presentity_uri, replace(presentity_uri, '@', ''))) + 1)`
)

// count notes what the rows tell. domain is the SQL for that of presentity_uri.
func (t *table) count(ctx context.Context, query querier, byWatcher bool, domain string, in *Inspection) error {
	if byWatcher {
		domain = "watcher_domain"
	}
	fill := strings.NewReplacer("{now}", strconv.FormatInt(time.Now().Unix(), 10), "{domain}", domain)
	var last int64
	err := query(ctx, one(&in.Rows, &in.Summaries, &in.Live, &last), t.sql(fill.Replace(inspectCount)))
	if err != nil {
		return err
	}
	if in.Summaries > 0 {
		in.LastExpires = time.Unix(last, 0)
	}
	in.Domains = map[string]int64{}
	return query(ctx, func(r rows) error {
		for r.Next() {
			var domain string
			var n int64
			if err := r.Scan(&domain, &n); err != nil {
				return err
			}
			in.Domains[domain] = n
		}
		return r.Err()
	}, t.sql(fill.Replace(inspectDomains)))
}

// one reads the only row, or none.
func one(dest ...any) func(rows) error {
	return func(r rows) error {
		if r.Next() {
			if err := r.Scan(dest...); err != nil {
				return err
			}
		}
		return r.Err()
	}
}
