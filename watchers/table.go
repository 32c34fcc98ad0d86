package watchers

import (
	"fmt"
	"hash/maphash"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
)

// Flavour is whose active_watchers table it is.
type Flavour int32

const (
	Unknown  Flavour = iota // the columns of both are there, the marks of neither: an older OpenSIPS
	OpenSIPS                // it has sharing_tag
	Kamailio                // it has from_user
)

func (f Flavour) String() string {
	switch f {
	case OpenSIPS:
		return "OpenSIPS"
	case Kamailio:
		return "Kamailio"
	default:
		return "unknown"
	}
}

// columns are those of a Dialog, in the order in which scanDialog takes them.
var columns = []string{
	"presentity_uri", "watcher_username", "watcher_domain", "to_user", "to_domain", "event_id",
	"callid", "to_tag", "from_tag", "local_cseq", "remote_cseq",
	"contact", "record_route", "local_contact", "socket_info", "expires", "status",
}

// table is a checked table name, and what is known of the table.
type table struct {
	name   string // as configured
	quoted string // as SQL wants it
	mark   string // what it is quoted with
	known  atomic.Int32
	seed   maphash.Seed // of hash
	absent bool         // or might as well be
	ledger
}

var tableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62})?$`)

func parseTable(name string) (*table, error) {
	if name == "" {
		name = "active_watchers"
	}
	if !tableName.MatchString(name) {
		return nil, fmt.Errorf("database table %q: want table or schema.table, of letters, digits and underscores, at most 63 each", name)
	}
	t := &table{name: name, seed: maphash.MakeSeed()}
	t.quote(`"`)
	return t, nil
}

// quote has names quoted with mark.
func (t *table) quote(mark string) { t.mark, t.quoted = mark, quoted(t.name, mark) }

// quoted makes a checked name what SQL wants.
func quoted(name, mark string) string {
	return mark + strings.ReplaceAll(name, ".", mark+"."+mark) + mark
}

// beside returns the name of a table in the same schema.
func (t *table) beside(name string) string {
	return t.name[:strings.LastIndexByte(t.name, '.')+1] + name
}

// sql makes a statement: {table}, {ledger}, {columns} of {table} AS w, and
// {event} are filled in.
func (t *table) sql(statement string) string {
	return strings.NewReplacer(
		"{table}", t.quoted,
		"{ledger}", quoted(t.beside(ledgerTable), t.mark),
		"{columns}", "w."+strings.Join(columns, ", w."),
		"{event}", "event = 'message-summary'",
	).Replace(statement)
}

// kept returns the flavour found before, or Unknown.
func (t *table) kept() Flavour { return Flavour(t.known.Load()) }

// judge tells the flavour by the table's columns and keeps it.
func (t *table) judge(have []string) (Flavour, error) {
	if len(have) == 0 {
		return Unknown, fmt.Errorf("database: no table %s: %s", t.name, mendTable)
	}
	var missing []string
	for _, c := range append([]string{"event"}, columns...) {
		if !slices.Contains(have, c) {
			missing = append(missing, c)
		}
	}
	if missing != nil {
		return Unknown, fmt.Errorf("database: table %s lacks %s: %s", t.name, strings.Join(missing, ", "), mendColumn)
	}
	f := Unknown
	if slices.Contains(have, "sharing_tag") {
		f = OpenSIPS
	} else if slices.Contains(have, "from_user") {
		f = Kamailio
	}
	t.known.Store(int32(f))
	return f, nil
}

// What to do, by what is wrong; shared so that every engine says the same.
const (
	mendTable  = "create it with the proxy's own tool (opensips-cli -x database create, kamdbctl create), or set the table's name and the database"
	mendLedger = "create it with zonkeymwi migrate"
	// A column of the wrong table, or of a proxy too old.
	mendColumn = "is this the proxy's active_watchers? If so, bring it to the version of the proxy"
)
