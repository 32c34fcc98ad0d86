package watchers

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	myRecord = `INSERT INTO {ledger} (callid, to_tag, from_tag, ` + ledgerColumns + `) VALUES {keys} ON DUPLICATE KEY UPDATE `
	myAcked  = `SELECT callid, to_tag, from_tag, ` + ledgerColumns + ` FROM {ledger} WHERE {keys}`
	myPrune  = `DELETE FROM {ledger} WHERE expires < ? LIMIT ?`
)

// myKeep has a row keep all that it has if its cseq is higher. Assignments are made
// one after the other; once cseq is the higher of the two, the condition is the same.
func myKeep() string {
	var set []string
	for c := range strings.SplitSeq(ledgerColumns, ", ") {
		set = append(set, c+" = IF(VALUES(cseq) >= cseq, VALUES("+c+"), "+c+")")
	}
	return strings.Join(set, ", ")
}

// ledgerHolds tells whether e fits its row: what comes from a proxy's table does.
func ledgerHolds(e Entry) bool {
	return len(e.CallID) <= 1020 && len(e.ToTag) <= 512 && len(e.FromTag) <= 512 && len(e.Contact) < 1<<16 && len(e.ETag) < 1<<16
}

func (m *mysqlStore) Record(ctx context.Context, entries []Entry) error {
	entries = slices.DeleteFunc(lastEntries(entries), func(e Entry) bool { return !ledgerHolds(e) })
	if len(entries) == 0 {
		return nil
	}
	row := "(?" + strings.Repeat(", ?", 12) + ")"
	var args []any
	for _, e := range entries {
		args = append(args, e.CallID, e.ToTag, e.FromTag, e.New, e.Old, e.NewUrgent, e.OldUrgent,
			e.RemoteCSeq, e.Expires, e.Contact, e.CSeq, e.At, e.ETag)
	}
	return m.use(func() error {
		_, err := m.exec(ctx, strings.Replace(m.sql(myRecord), "{keys}", listOf(row, len(entries)), 1)+myKeep(), args...)
		return err
	}, m.ledgerFault)
}

func (m *mysqlStore) Acked(ctx context.Context, keys []Key) (map[Key]Acked, error) {
	return m.acked(keys, func(keys []Key, scan func(rows) error) error {
		for part := range slices.Chunk(keys, mySize) {
			var args []any
			for _, k := range part {
				args = append(args, k.CallID, k.ToTag, k.FromTag)
			}
			err := m.query(ctx, scan, anyOf(m.sql(myAcked), "callid = ? AND to_tag = ? AND from_tag = ?", len(part)), args...)
			if err != nil {
				return m.notLedger(err)
			}
		}
		return nil
	}, m.ledgerFault)
}

func (m *mysqlStore) Prune(ctx context.Context) (n int64, err error) {
	before := time.Now().Unix() - pruneAfter
	err = m.use(func() error {
		for deleted := int64(pruneBatch); deleted == pruneBatch; n += deleted {
			var err error
			if deleted, err = m.exec(ctx, m.sql(myPrune), before, pruneBatch); err != nil {
				return err
			}
		}
		return nil
	}, m.ledgerFault)
	return n, err
}

// exec runs a statement on the ledger and returns how many rows it changed.
func (m *mysqlStore) exec(ctx context.Context, statement string, args ...any) (n int64, err error) {
	err = m.transact(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, statement, args...)
		if err == nil {
			n, err = result.RowsAffected()
		}
		return err
	})
	return n, m.notLedger(err)
}

// notLedger explains err, unless it is a fault of the ledger's, which use explains.
func (m *mysqlStore) notLedger(err error) error {
	if err == nil || m.ledgerFault(err) != nil {
		return err
	}
	return m.explain(err, "")
}

// ledgerFault returns what is wrong with the ledger and its mend, if it is the
// ledger (or else the proxy's table) that err complains of, else nil.
func (m *mysqlStore) ledgerFault(err error) error {
	name := m.beside(ledgerTable)
	switch myNumber(err) {
	case 1146, 1054: // no such table, column
		return fmt.Errorf("database table %s: %w: %s", name, err, mendLedger)
	case 1142, 1143: // denied: the table, a column
		return fmt.Errorf("database table %s: %w: GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %s", name, err, quoted(name, m.mark), m.grantee())
	}
	return nil
}
