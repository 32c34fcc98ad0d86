package doctor

import (
	"fmt"
	"strings"

	"zonkeymwi/watchers"
)

// trigger looks whether the database tells of new subscriptions.
func (c *checkup) trigger(a area, in watchers.Inspection) {
	switch {
	case !c.Listen:
	case in.Trigger:
		a.ok("trigger", "the database tells of new subscriptions")
	case engine(in) != "PostgreSQL":
		a.ok("trigger", "%s tells of nothing: new subscriptions are looked for every database.poll_interval", engine(in))
	default:
		a.warn("trigger", fmt.Sprintf("zonkeymwi migrate, as the owner of %s; or database.listen = false, if to look for them is enough", in.Table),
			"none tells of new subscriptions: they are looked for every database.poll_interval, and a phone's lamp waits so long after it has subscribed")
	}
}

// ledger looks whether what phones acknowledged can be kept. Lamps work without.
func (c *checkup) ledger(a area, in watchers.Inspection) {
	switch {
	case !c.Database.Ledger:
	case !in.Ledger:
		a.warn("ledger", makeLedger, "there is no table %s, or it lacks a column of today's: each start tells every phone again", ledgerName(in))
	case in.ReadOnly:
		a.warn("ledger", writable(in), "%s can be read only", ledgerName(in))
	case !in.CanRecord:
		a.warn("ledger", grantLedger(in), "%q may not read or not write %s", in.User, ledgerName(in))
	default:
		a.ok("ledger", "%s can be read and written", ledgerName(in))
	}
}

// ledgerAlone is for sip.method = "publish", which needs nothing else of the database.
func (c *checkup) ledgerAlone(a area, in watchers.Inspection, err error) {
	if err != nil && !in.Ledger {
		a.warn("ledger", broken(err, in), "%s", c.without(err))
		return
	}
	c.ledger(a, in)
}

const makeLedger = "zonkeymwi migrate"

// ledgerName is as SQL wants it, in the schema of the proxy's table.
func ledgerName(in watchers.Inspection) string {
	mark := in.Table[:1]
	return in.Table[:strings.LastIndexByte(in.Table, '.')+1] + mark + "zonkeymwi_ledger" + mark
}

func grantLedger(in watchers.Inspection) string {
	return fmt.Sprintf("GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %s", ledgerName(in), in.Grantee)
}

// writable says what to do about a database that can be read only.
func writable(in watchers.Inspection) string {
	if in.User == "" {
		return "let this user write the file and its directory"
	}
	if isMySQL(in) {
		return "set database.url to the primary"
	}
	return "add target_session_attrs=read-write to database.url, with the primary among its hosts"
}
