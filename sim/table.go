package sim

import (
	"database/sql"
	"errors"
	"fmt"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// columns both servers have, in their order and with their limits left to SQLite.
const sharedColumns = `
	id INTEGER PRIMARY KEY,
	presentity_uri VARCHAR(255) NOT NULL,
	watcher_username VARCHAR(64) NOT NULL,
	watcher_domain VARCHAR(64) NOT NULL,
	to_user VARCHAR(64) NOT NULL,
	to_domain VARCHAR(64) NOT NULL,
	event VARCHAR(64) NOT NULL DEFAULT 'presence',
	event_id VARCHAR(64),
	to_tag VARCHAR(128) NOT NULL,
	from_tag VARCHAR(128) NOT NULL,
	callid VARCHAR(255) NOT NULL,
	local_cseq INTEGER NOT NULL,
	remote_cseq INTEGER NOT NULL,
	contact VARCHAR(255) NOT NULL,
	record_route TEXT,
	expires INTEGER NOT NULL,
	status INTEGER NOT NULL DEFAULT 2,
	reason VARCHAR(64),
	version INTEGER NOT NULL DEFAULT 0,
	socket_info VARCHAR(64) NOT NULL,
	local_contact VARCHAR(255) NOT NULL`

// kamailioTable is the schema of Kamailio 5.6. Its last columns have defaults here, so that one INSERT fits both.
const kamailioTable = `CREATE TABLE IF NOT EXISTS active_watchers (` + sharedColumns + `,
	from_user VARCHAR(64) NOT NULL DEFAULT '',
	from_domain VARCHAR(64) NOT NULL DEFAULT '',
	updated INTEGER NOT NULL DEFAULT -1,
	updated_winfo INTEGER NOT NULL DEFAULT -1,
	flags INTEGER NOT NULL DEFAULT 0,
	user_agent VARCHAR(255) DEFAULT '',
	UNIQUE (callid, to_tag, from_tag));
CREATE INDEX IF NOT EXISTS active_watchers_active_watchers_pres ON active_watchers (presentity_uri, event)`

// opensipsTable is the schema of OpenSIPS 3.6 and 4.0.
const opensipsTable = `CREATE TABLE IF NOT EXISTS active_watchers (` + sharedColumns + `,
	sharing_tag VARCHAR(32) DEFAULT NULL,
	UNIQUE (presentity_uri, callid, to_tag, from_tag))`

// table is active_watchers in an SQLite file.
type table struct{ db *sql.DB }

// row is what the proxy itself needs of a subscription.
type row struct {
	presentity, watcherUser, watcherDomain, toUser, toDomain string
	eventID, toTag, fromTag, callID, contact, recordRoute    string
	socket, localContact                                     string
	expires                                                  int64
	localCSeq, remoteCSeq                                    uint32
}

// openTable creates what is missing. WAL lets the bridge read while the proxy writes.
func openTable(path, schema string) (table, error) {
	db, err := sql.Open("sqlite", path+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)")
	if err != nil {
		return table{}, fmt.Errorf("simulated proxy: %w", err)
	}
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(schema); err != nil {
		db.Close()
		return table{}, fmt.Errorf("simulated proxy: active_watchers in %s: %w", path, err)
	}
	return table{db}, nil
}

func (t table) insert(r row) error {
	_, err := t.db.Exec(`INSERT INTO active_watchers (presentity_uri, watcher_username, watcher_domain, to_user, to_domain, event,
		event_id, to_tag, from_tag, callid, local_cseq, remote_cseq, contact, record_route, expires, status, reason, version,
		socket_info, local_contact) VALUES (?, ?, ?, ?, ?, 'message-summary', ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, '', 1, ?, ?)`,
		r.presentity, r.watcherUser, r.watcherDomain, r.toUser, r.toDomain, r.eventID, r.toTag, r.fromTag, r.callID,
		r.localCSeq, r.remoteCSeq, r.contact, r.recordRoute, r.expires, r.socket, r.localContact)
	return err
}

// find fills in a dialog from its Call-ID and tags; ok is false when there is none.
func (t table) find(callID, toTag, fromTag string) (r row, ok bool, err error) {
	r = row{callID: callID, toTag: toTag, fromTag: fromTag}
	err = t.db.QueryRow(`SELECT to_user, to_domain, watcher_username, watcher_domain, COALESCE(event_id, ''), contact,
		COALESCE(record_route, ''), local_cseq, local_contact FROM active_watchers WHERE callid = ? AND to_tag = ? AND from_tag = ?`,
		callID, toTag, fromTag).Scan(&r.toUser, &r.toDomain, &r.watcherUser, &r.watcherDomain, &r.eventID, &r.contact,
		&r.recordRoute, &r.localCSeq, &r.localContact)
	if errors.Is(err, sql.ErrNoRows) {
		return r, false, nil
	}
	return r, err == nil, err
}

// refresh writes what a SUBSCRIBE within the dialog changes, but not local_cseq, which may have another writer.
func (t table) refresh(r row) error {
	_, err := t.db.Exec(`UPDATE active_watchers SET expires = ?, contact = ?, remote_cseq = ?, version = version + 1
		WHERE callid = ? AND to_tag = ? AND from_tag = ?`, r.expires, r.contact, r.remoteCSeq, r.callID, r.toTag, r.fromTag)
	return err
}

func (t table) setCSeq(r row, n uint32) error {
	_, err := t.db.Exec(`UPDATE active_watchers SET local_cseq = ? WHERE callid = ? AND to_tag = ? AND from_tag = ?`,
		n, r.callID, r.toTag, r.fromTag)
	return err
}

// countUp raises local_cseq in one statement, so that another writer's step is never lost, and returns the new value.
func (t table) countUp(r row) (uint32, error) {
	var n uint32
	err := t.db.QueryRow(`UPDATE active_watchers SET local_cseq = local_cseq + 1 WHERE callid = ? AND to_tag = ? AND from_tag = ?
		RETURNING local_cseq`, r.callID, r.toTag, r.fromTag).Scan(&n)
	return n, err
}

func (t table) remove(r row) error {
	_, err := t.db.Exec(`DELETE FROM active_watchers WHERE callid = ? AND to_tag = ? AND from_tag = ?`, r.callID, r.toTag, r.fromTag)
	return err
}
