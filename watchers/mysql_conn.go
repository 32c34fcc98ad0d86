package watchers

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"
)

func (m *mysqlStore) query(ctx context.Context, scan func(rows) error, sql string, args ...any) error {
	r, err := m.db.QueryContext(ctx, sql, args...)
	if err == nil {
		err = scan(r)
		r.Close()
	}
	m.suspect(ctx, err)
	return err
}

// deadlocks is how often a transaction is tried that InnoDB ends for another's sake.
const deadlocks = 5

// transact runs do in a transaction that locks only what it changes: in InnoDB's
// default, REPEATABLE READ, it would lock gaps too, into which the proxy inserts.
func (m *mysqlStore) transact(ctx context.Context, do func(*sql.Tx) error) error {
	for try := 1; ; try++ {
		tx, err := m.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
		if err == nil {
			if err = do(tx); err == nil {
				err = tx.Commit()
			}
			tx.Rollback() // of no matter after a commit, or where the connection is gone
		}
		if myNumber(err) == 1213 && try < deadlocks {
			continue
		}
		m.suspect(ctx, err)
		return err
	}
}

// suspect presumes, after a lost connection, that the idle ones are lost too; and
// after a refusal to write, that they lead to a server that is no longer the primary.
func (m *mysqlStore) suspect(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil && (myLost(err) || myReadOnly(err)) {
		m.db.SetMaxIdleConns(-1)
		m.db.SetMaxIdleConns(m.conns)
	}
}

// myNumber returns the number of an error that came from the server, else 0.
func myNumber(err error) uint16 {
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return e.Number
	}
	return 0
}

// myLost reports whether err means that the connection is gone: no answer from
// the server, or its last word (shutdown, killed, idle too long).
func myLost(err error) bool {
	switch myNumber(err) {
	case 0, 1053, 1927, 4031:
		return true
	}
	return false
}

// myReadOnly reports whether err is a replica's, or of a primary that was demoted.
func myReadOnly(err error) bool {
	switch myNumber(err) {
	case 1290, 1792, 1836:
		return true
	}
	return false
}

// foreign reports whether err says that a text cannot be put in a column's character set.
func foreign(err error) bool {
	switch myNumber(err) {
	case 1267, 1270, 1271:
		return true
	}
	return false
}

// explain adds to err, not nil, what it concerns and how to mend it.
func (m *mysqlStore) explain(err error, privileges string) error {
	mend := ""
	switch myNumber(err) {
	case 1146, 1049: // no such table, database
		mend = mendTable
	case 1054: // no such column
		mend = mendColumn
	case 1044, 1142, 1143: // denied: the database, the table, a column
		mend = "GRANT " + privileges + " ON " + m.quoted + " TO " + m.grantee()
	case 1665:
		mend = "SET GLOBAL binlog_format = 'MIXED' (or ROW): with STATEMENT InnoDB takes no transaction that locks only what it changes"
	default:
		if !myReadOnly(err) {
			return fmt.Errorf("database: %w", err)
		}
		mend = "this is a replica: set the database URL to the primary"
	}
	return fmt.Errorf("database table %s: %w: %s", m.name, err, mend)
}

// grantee is whom to grant to, as far as can be told from here.
func (m *mysqlStore) grantee() string {
	return myText(m.user) + "@'%' (or the host that SELECT CURRENT_USER() shows)"
}

// myText quotes text for SQL of one line.
func myText(text string) string {
	return "'" + strings.NewReplacer(`'`, `''`, `\`, `\\`, "\r", "", "\n", "").Replace(text) + "'"
}
