package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"zonkeymwi/watchers"
)

// database looks at the proxy's table, and at what migrate adds to it.
func (c *checkup) database(ctx context.Context) {
	a, failed := c.in("database"), Fault
	if c.Publish {
		failed = Warning // lamps do without
		if !c.Database.Ledger {
			a.ok("connect", `not needed: sip.method is "publish", and database.ledger is off`)
			return
		}
	}
	ctx, cancel := c.step(ctx)
	defer cancel()
	in, err := watchers.Inspect(ctx, c.Database)
	if in.Server == "" {
		a.add(failed, "connect", c.noDatabase(err), "%s", c.unconnected(err))
		return
	}
	as := ""
	if in.User != "" {
		as = fmt.Sprintf(", as user %q", in.User)
	}
	a.ok("connect", "%s%s", in.Server, as)
	if c.Publish {
		c.ledgerAlone(a, in, err)
		return
	}
	c.skew(in)
	if in.Exists {
		c.table(a, in)
	} else if err == nil {
		noTable(a, in, c.Database.Table)
	}
	switch {
	case err != nil:
		a.fault("table", broken(err, in), "%s", c.without(err))
	case in.Exists && in.Missing == nil:
		c.trigger(a, in)
		c.ledger(a, in)
	}
}

// unconnected says what went wrong; the driver's error does not say where, if it was only slow.
func (c *checkup) unconnected(err error) string {
	if u, bad := url.Parse(c.Database.URL); bad == nil && u.Host != "" && errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("%s: no answer within %s", u.Host, c.Patience)
	}
	// pgx tries with TLS and without, and tells of both: the last is what counts.
	lines := strings.Split(c.without(err), "\n")
	return strings.Join(slices.Compact([]string{lines[0], lines[len(lines)-1]}), " ")
}

// noDatabase says what to do where there is no connection.
func (c *checkup) noDatabase(err error) string {
	switch code := sqlState(err); {
	case code == "28P01":
		return "correct user and password in database.url (or: ALTER USER ... PASSWORD '...'; CREATE USER, if there is none)"
	case strings.HasPrefix(code, "28"):
		return "let this user in from this machine: a line in pg_hba.conf, then SELECT pg_reload_conf()"
	case code == "3D000":
		return "correct the database's name in database.url: psql -l lists them"
	case code == "53300":
		return "raise max_connections in postgresql.conf, or lower that of other programs"
	case code == "57P03":
		return "PostgreSQL is starting or stopping: wait, then check again"
	}
	authorities := "sslrootcert in database.url"
	if strings.HasPrefix(c.Database.URL, "mysql:") {
		authorities = "SSL_CERT_FILE in the environment"
	}
	return cmp.Or(noMySQL(err), untrusted(err, authorities), unreached(err, "database.url"), "correct database.url")
}

func sqlState(err error) string {
	if e, ok := errors.AsType[interface {
		error
		SQLState() string
	}](err); ok {
		return e.SQLState()
	}
	return ""
}

// without is the error's text without the prefix that the area says already.
func (c *checkup) without(err error) string { return strings.TrimPrefix(err.Error(), "database: ") }

func noTable(a area, in watchers.Inspection, name string) {
	name = cmp.Or(name, "active_watchers")
	if in.Elsewhere != nil {
		mend := fmt.Sprintf("database.table = %q", in.Elsewhere[0])
		if schema, _, _ := strings.Cut(in.Elsewhere[0], "."); !isMySQL(in) {
			mend += fmt.Sprintf("; and if that user may not use the schema: GRANT USAGE ON SCHEMA %q TO %s", schema, in.Grantee)
		}
		a.fault("table", mend,
			"no table %s that %q can see, but there is %s", name, in.User, strings.Join(in.Elsewhere, ", "))
		return
	}
	a.fault("table", "create it with the proxy's own tool (kamdbctl create, opensips-cli -x database create), or correct the database in database.url and database.table",
		"no table %s in this database", name)
}

func broken(err error, in watchers.Inspection) string {
	switch {
	case refused(err) && isMySQL(in):
		return fmt.Sprintf("GRANT SELECT ON %s TO %s", in.Table, in.Grantee)
	case refused(err):
		return fmt.Sprintf("GRANT USAGE ON SCHEMA ... TO %s; GRANT SELECT ON %s TO %s", in.Grantee, in.Table, in.Grantee)
	case errors.Is(err, context.DeadlineExceeded) && isMySQL(in):
		return "the database is slow, or another program holds a lock on the table: look at SHOW FULL PROCESSLIST"
	case errors.Is(err, context.DeadlineExceeded):
		return "the database is slow, or another program holds a lock on the table: look at pg_stat_activity"
	}
	return "look at the database's log"
}

func (c *checkup) table(a area, in watchers.Inspection) {
	if in.Missing != nil {
		a.fault("columns", "is this the proxy's active_watchers? If so, bring it to the version of the proxy (kamdbctl, opensips-cli -x database migrate)",
			"%s lacks %s", in.Table, strings.Join(in.Missing, ", "))
		return
	}
	a.ok("table", "%s is %s's", in.Table, flavourName(in.Flavour))
	if !in.CanSelect {
		a.fault("grants", fmt.Sprintf("GRANT SELECT ON %s TO %s", in.Table, in.Grantee), "%q may not read %s", in.User, in.Table)
	}
	c.cseq(a, in)
	rows := ""
	if in.Domains != nil {
		rows = fmt.Sprintf(" (%d rows)", in.Rows)
	}
	if in.CreateIndex != "" {
		a.warn("index", in.CreateIndex, "none serves the lookup: each reads the whole table%s", rows)
	} else if in.Index != "" {
		a.ok("index", "%s serves the lookup", in.Index)
	}
	if in.Domains != nil {
		c.live = in.Domains
		c.rows(a, in)
	}
}

func flavourName(f watchers.Flavour) string {
	if f == watchers.Unknown {
		return "an older OpenSIPS"
	}
	return f.String()
}

// cseq looks whether the chosen numbering can work with this table.
func (c *checkup) cseq(a area, in watchers.Inspection) {
	if c.CSeq != "database" {
		if in.CanSelect {
			a.ok("grants", "SELECT, which is enough for sip.cseq = %q", cmp.Or(c.CSeq, "clock"))
		}
		return
	}
	switch {
	case in.ReadOnly && in.User != "":
		a.fault("grants", writable(in), "this is a replica, and sip.cseq = \"database\" writes")
	case in.ReadOnly:
		a.fault("grants", writable(in), "the file may not be written, and sip.cseq = \"database\" writes")
	case !in.CanUpdate:
		a.fault("grants", fmt.Sprintf("GRANT UPDATE (local_cseq) ON %s TO %s", in.Table, in.Grantee), "%q may not count local_cseq, as sip.cseq = \"database\" does", in.User)
	case in.CanSelect:
		a.ok("grants", "SELECT, UPDATE (local_cseq)")
	}
	if in.Flavour != watchers.Kamailio {
		a.warn("cseq", `sip.cseq = "clock", with the local-request route of the README in the proxy`,
			"sip.cseq = \"database\" works with Kamailio alone, in subs_db_mode 3; %s overwrites local_cseq", flavourName(in.Flavour))
		return
	}
	a.ok("cseq", "sip.cseq = \"database\" fits Kamailio, if its subs_db_mode is 3")
}

// rows judges whether the proxy keeps the table up to date.
func (c *checkup) rows(a area, in watchers.Inspection) {
	text := fmt.Sprintf("%d subscriptions of phones are live, %d are not (%d rows in all)", in.Live, in.Summaries-in.Live, in.Rows)
	switch {
	case in.Live > 0:
		a.ok("rows", "%s; the last to end does so at %s", text, in.LastExpires.UTC().Format(time.RFC3339))
	case in.Summaries == 0:
		a.warn("rows", atOnce(in.Flavour), "no phone's subscription to message-summary is in it (%d rows in all): if phones are subscribed, the proxy keeps that to itself", in.Rows)
	default:
		a.warn("rows", atOnce(in.Flavour), "%s, the last ended at %s: if phones are subscribed now, the proxy no longer writes here",
			text, in.LastExpires.UTC().Format(time.RFC3339))
	}
}

// atOnce is how a proxy writes subscriptions to the database at once.
func atOnce(f watchers.Flavour) string {
	const (
		kamailio = `modparam("presence", "subs_db_mode", 1) (or 3; 2, the default, writes up to 100 s later, 0 never)`
		opensips = `modparam("presence", "fallback2db", 1) (0, the default, writes up to 100 s later)`
	)
	mend := "have the phones subscribe to message-summary, and in "
	if f == watchers.Kamailio {
		return mend + "kamailio.cfg: " + kamailio
	}
	return mend + "opensips.cfg: " + opensips
}

// mostSkew is what a subscription's last seconds, and CSeq by the clock, bear.
const mostSkew = 2 * time.Second

func (c *checkup) skew(in watchers.Inspection) {
	a, skew := c.in("clock"), in.Skew.Round(time.Millisecond)
	switch {
	case in.Skew == 0: // SQLite
	case skew.Abs() > mostSkew:
		a.warn("database", "keep the clocks of all machines set: timedatectl set-ntp true",
			"the database's is %v away from ours; subscriptions' ends and CSeq are told by the clock", skew)
	default:
		a.ok("database", "%v away from ours", skew)
	}
}
