package watchers

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// mysqlStore is a Store in MySQL or MariaDB.
type mysqlStore struct {
	*table
	db        *sql.DB
	conns     int
	user      string
	charset   string // of the connection
	byWatcher bool
	lookup    string // SQL, with {keys} and {users} in it
	withLog   string // lookup, and what the ledger knows
}

// A batch travels in lists of at most mySize keys. MariaDB makes a list of 1000 a
// table of its own, and of a list of pairs it overlooks those that have letters
// to convert to a latin1 column.
//
// Most columns have a collation that takes other cases and accents for the same,
// and so do the indexes: the server finds what may be meant, and what is not the
// same bytes is left out here.
const (
	mySize = 500

	myByPresentity = `SELECT {columns} FROM {table} AS w WHERE presentity_uri IN ({keys}) AND {event}`
	myByWatcher    = `SELECT {columns} FROM {table} AS w WHERE watcher_username IN ({users}) AND ({keys}) AND {event}`
	myDialogs      = `WHERE ({keys}) AND {event} AND local_cseq < 2147483646`
	myDialog       = `presentity_uri = ? AND callid = ? AND to_tag = ? AND from_tag = ?`
	myLock         = `SELECT callid, to_tag, from_tag, local_cseq + 2, presentity_uri FROM {table} ` + myDialogs + ` FOR UPDATE`
	myDraw         = `UPDATE {table} SET local_cseq = local_cseq + 1 ` + myDialogs
	myColumns      = `SELECT column_name FROM information_schema.columns WHERE table_schema = coalesce(nullif(?, ''), database()) AND table_name = ?`
)

func openMySQL(c Config, t *table) (Store, error) {
	config, charset, err := parseMySQLURL(c.URL)
	if err != nil {
		return nil, err
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, errMySQLURL // of its options; the URL has been checked
	}
	t.quote("`")
	m := &mysqlStore{table: t, db: sql.OpenDB(connector), conns: cmp.Or(c.MaxConns, 4),
		user: config.User, charset: charset, byWatcher: c.ByWatcher, lookup: myByPresentity}
	m.db.SetMaxOpenConns(m.conns)
	m.db.SetMaxIdleConns(m.conns)
	m.db.SetConnMaxIdleTime(3 * time.Minute) // before a firewall forgets it, or the server
	if c.ByWatcher {
		m.lookup = myByWatcher
	}
	m.lookup, m.withLog = t.sql(m.lookup), t.sql(m.besides(joinLedger(m.lookup)))
	return m, nil
}

// besides has the ledger's bytes compared with those that a lookup returns.
func (m *mysqlStore) besides(joined string) string {
	for _, c := range []string{"callid", "to_tag", "from_tag"} {
		joined = strings.Replace(joined, "= w."+c, "= CAST(CONVERT(w."+c+" USING "+m.charset+") AS BINARY)", 1)
	}
	return joined
}

func (m *mysqlStore) Close() { m.db.Close() } // its error would say only that a read was cut short

func (m *mysqlStore) Dialogs(ctx context.Context, aors []AoR) (map[AoR][]Dialog, error) {
	found := map[AoR][]Dialog{}
	b := newBatch(aors, m.byWatcher)
	err := m.lookUp(func(acked bool) error {
		clear(found)
		for part := range slices.Chunk(b.aors, mySize) {
			if err := m.find(ctx, batch{part, b.byWatcher}, acked, found); err != nil {
				return err
			}
		}
		return nil
	}, m.ledgerFault)
	if err != nil {
		return nil, m.explain(err, "SELECT")
	}
	return found, nil
}

// find halves a batch that the server refuses for a name that cannot be put in
// the table's character set, until that name is alone: no row can have it.
func (m *mysqlStore) find(ctx context.Context, b batch, acked bool, found map[AoR][]Dialog) error {
	sql := m.lookup
	if acked {
		sql = m.withLog
	}
	sql, args := b.fill(sql)
	err := m.query(ctx, func(r rows) error { return b.scan(r, func() (Dialog, error) { return scanDialog(r, acked) }, found) }, sql, args...)
	if !foreign(err) {
		return err
	}
	if half := len(b.aors) / 2; half > 0 {
		err = m.find(ctx, batch{b.aors[:half], b.byWatcher}, acked, found)
		if err == nil {
			err = m.find(ctx, batch{b.aors[half:], b.byWatcher}, acked, found)
		}
		return err
	}
	return nil
}

// fill makes a lookup one of b. Without an index the users alone, which are a list
// that can be searched, leave few rows to be compared with each pair.
func (b batch) fill(lookup string) (sql string, args []any) {
	if !b.byWatcher {
		return strings.Replace(lookup, "{keys}", listOf("?", len(b.aors)), 1), column(b.aors, func(a AoR) any { return a.URI() })
	}
	args = column(b.aors, func(a AoR) any { return a.User })
	for _, a := range b.aors {
		args = append(args, a.User, a.Domain)
	}
	lookup = strings.Replace(lookup, "{users}", listOf("?", len(b.aors)), 1)
	return anyOf(lookup, "watcher_username = ? AND watcher_domain = ?", len(b.aors)), args
}

func listOf(item string, n int) string { return strings.Repeat(item+", ", n-1) + item }

// anyOf fills in, for {keys}, that condition holds of any of n.
func anyOf(sql, condition string, n int) string {
	return strings.Replace(sql, "{keys}", strings.Repeat(condition+" OR ", n-1)+condition, 1)
}

// NextCSeq locks rows and then counts, because there is no UPDATE ... RETURNING.
func (m *mysqlStore) NextCSeq(ctx context.Context, dialogs []Dialog) (map[Key]uint32, error) {
	drawn := map[Key]uint32{}
	for part := range slices.Chunk(dialogs, mySize) {
		if err := m.transact(ctx, func(tx *sql.Tx) error { return m.draw(ctx, tx, part, drawn) }); err != nil {
			return nil, m.explain(err, "SELECT, UPDATE")
		}
	}
	return drawn, nil
}

func (m *mysqlStore) draw(ctx context.Context, tx *sql.Tx, dialogs []Dialog, drawn map[Key]uint32) error {
	wanted, args := map[string]bool{}, []any{}
	for _, d := range dialogs {
		wanted[d.Presentity+"\x00"+d.CallID+"\x00"+d.ToTag+"\x00"+d.FromTag] = true
		args = append(args, d.Presentity, d.CallID, d.ToTag, d.FromTag)
	}
	r, err := tx.QueryContext(ctx, anyOf(m.sql(myLock), myDialog, len(dialogs)), args...)
	if err != nil {
		return err
	}
	defer r.Close()
	args = args[:0]
	for r.Next() {
		var k Key
		var n int64
		var uri string
		if err := r.Scan(&k.CallID, &k.ToTag, &k.FromTag, &n, &uri); err != nil {
			return err
		}
		if wanted[uri+"\x00"+k.CallID+"\x00"+k.ToTag+"\x00"+k.FromTag] {
			drawn[k] = cseq(n)
			args = append(args, uri, k.CallID, k.ToTag, k.FromTag)
		}
	}
	if err := r.Err(); err != nil || len(args) == 0 {
		return err
	}
	_, err = tx.ExecContext(ctx, anyOf(m.sql(myDraw), myDialog, len(args)/4), args...)
	return err
}

func (m *mysqlStore) Flavour(ctx context.Context) (Flavour, error) {
	if f := m.kept(); f != Unknown {
		return f, nil
	}
	have, err := m.columns(ctx, m.name)
	if err != nil {
		return Unknown, m.explain(err, "SELECT")
	}
	return m.judge(have)
}

// columns returns those of a table that this user may see.
func (m *mysqlStore) columns(ctx context.Context, name string) (have []string, err error) {
	p := parts(name)
	err = m.query(ctx, func(r rows) error { return scanStrings(r, &have) }, myColumns, p[0], p[1])
	return have, err
}

// parts are a table's schema, or "", and its name.
func parts(name string) [2]string {
	dot := strings.LastIndexByte(name, '.')
	return [2]string{name[:max(dot, 0)], name[dot+1:]}
}
