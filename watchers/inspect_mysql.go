package watchers

import (
	"context"
	"slices"
	"strings"
	"time"
)

const (
	myServer = `SELECT version(), current_user(), @@global.read_only`
	myClock  = `SELECT unix_timestamp(now(6))`
	// It shows what this user has a right to, of any kind.
	myElsewhere = `SELECT concat(table_schema, '.', table_name) FROM information_schema.tables WHERE table_name = ? ORDER BY 1 LIMIT 5`
	myRights    = `SELECT column_name FROM information_schema.columns
WHERE table_schema = coalesce(nullif(?, ''), database()) AND table_name = ? AND find_in_set(?, privileges)`
	myIndex = `SELECT index_name FROM information_schema.statistics
WHERE table_schema = coalesce(nullif(?, ''), database()) AND table_name = ? AND seq_in_index = 1 AND column_name = ? ORDER BY 1 LIMIT 1`
	myKind = `SELECT table_type FROM information_schema.tables WHERE table_schema = coalesce(nullif(?, ''), database()) AND table_name = ?`
	// To change no row takes the right to change one.
	myNote = `DELETE FROM {ledger} WHERE false`

	myPresentityDomain = `substring_index(presentity_uri, '@', -1)`
)

func (m *mysqlStore) inspect(ctx context.Context) (in Inspection, err error) {
	in.Table = m.quoted
	if err := m.query(ctx, one(&in.Server, &in.User, &in.ReadOnly), myServer); err != nil {
		return in, m.explain(err, "SELECT")
	}
	in.Server, in.Grantee = myProduct(in.Server), myAccount(in.User)
	if err = m.look(ctx, &in); err != nil {
		err = m.explain(err, "SELECT")
	}
	return in, err
}

// look is what inspect does once it is connected.
func (m *mysqlStore) look(ctx context.Context, in *Inspection) error {
	if err := m.clock(ctx, in); err != nil {
		return err
	}
	have, err := m.columns(ctx, m.name)
	if err == nil {
		err = m.inspectLedger(ctx, in)
	}
	if err != nil {
		return err
	}
	if m.shape(in, have); !in.Exists || in.Missing != nil {
		return m.hidden(ctx, in)
	}
	read, err := m.may(ctx, m.name, "select")
	if err == nil {
		in.CanSelect = !slices.ContainsFunc(needed(), func(c string) bool { return !slices.Contains(read, c) })
		var write []string
		write, err = m.may(ctx, m.name, "update")
		in.CanUpdate = slices.Contains(write, "local_cseq")
	}
	if err == nil {
		err = m.index(ctx, in)
	}
	if err == nil && in.CanSelect {
		err = m.count(ctx, m.query, m.byWatcher, myPresentityDomain, in)
	}
	return err
}

// hidden tells a table or column that is not there from one that this user may
// not read, which the catalogue does not show.
func (m *mysqlStore) hidden(ctx context.Context, in *Inspection) error {
	err := m.query(ctx, one(), m.sql("SELECT event, {columns} FROM {table} AS w LIMIT 0"))
	switch myNumber(err) {
	case 1146, 1049:
		return m.query(ctx, func(r rows) error { return scanStrings(r, &in.Elsewhere) }, myElsewhere, parts(m.name)[1])
	case 1054:
		return nil
	case 1142, 1143:
		in.Exists, in.Missing = false, nil
	}
	return err
}

// may returns the columns of a table on which this user has a privilege.
func (m *mysqlStore) may(ctx context.Context, name, privilege string) (columns []string, err error) {
	p := parts(name)
	err = m.query(ctx, func(r rows) error { return scanStrings(r, &columns) }, myRights, p[0], p[1], privilege)
	return columns, err
}

func (m *mysqlStore) inspectLedger(ctx context.Context, in *Inspection) error {
	name := m.beside(ledgerTable)
	have, err := m.columns(ctx, name)
	if err != nil || !slices.Contains(have, "etag") {
		return err
	}
	in.Ledger, in.CanRecord = true, true
	for _, privilege := range []string{"select", "insert", "update"} {
		granted, err := m.may(ctx, name, privilege)
		if err != nil {
			return err
		}
		in.CanRecord = in.CanRecord && slices.Contains(granted, "etag")
	}
	if err := m.query(ctx, one(), m.sql(myNote)); err != nil && !myReadOnly(err) {
		if m.ledgerFault(err) == nil {
			return err
		}
		in.CanRecord = false
	}
	return nil
}

// clock compares the clocks, over a connection that is there already.
func (m *mysqlStore) clock(ctx context.Context, in *Inspection) error {
	var epoch float64
	asked := time.Now()
	err := m.query(ctx, one(&epoch), myClock)
	between := asked.Add(time.Since(asked) / 2)
	in.Skew = time.UnixMicro(int64(epoch * 1e6)).Sub(between)
	return err
}

func (m *mysqlStore) index(ctx context.Context, in *Inspection) error {
	first, all := indexed(m.byWatcher)
	p := parts(m.name)
	var kind string
	err := m.query(ctx, one(&in.Index), myIndex, p[0], p[1], first)
	if err == nil {
		err = m.query(ctx, one(&kind), myKind, p[0], p[1])
	}
	if err == nil && in.Index == "" && kind == "BASE TABLE" {
		in.CreateIndex = "CREATE INDEX zonkeymwi_lookup ON " + m.quoted + " (" + all + ")"
	}
	return err
}

// myProduct makes "10.11.19-MariaDB-0+deb12u1" "MariaDB 10.11.19", "8.0.42" "MySQL 8.0.42".
func myProduct(version string) string {
	number, rest, _ := strings.Cut(version, "-")
	if strings.Contains(rest, "MariaDB") {
		return "MariaDB " + number
	}
	return "MySQL " + number
}

// myAccount quotes user@host for GRANT.
func myAccount(account string) string {
	at := strings.LastIndexByte(account, '@')
	if at < 0 {
		return myText(account)
	}
	return myText(account[:at]) + "@" + myText(account[at+1:])
}
