package watchers

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

var errPostgresURL = errors.New("database URL: want postgres://user:password@host:port/database?option=value; " +
	"within the user, the password and the options write %40 for @, %2F for /, %3F for ?, %23 for #, %25 for %")

// parsePostgresURL gives errors without the password. A password with a bare
// delimiter in it is taken for a host, port or database, which pgx would show
// later: so all that could be one is refused, and not quoted.
func parsePostgresURL(s string) (*pgxpool.Config, error) {
	if bareDelimiter(s) {
		return nil, errPostgresURL
	}
	cfg, err := pgxpool.ParseConfig(s)
	if err == nil {
		return cfg, nil
	}
	// "cannot parse `URL`: reason". Not wrapped: the error carries the whole URL.
	text := err.Error()
	reason := strings.TrimPrefix(text[strings.LastIndex(text, "`: ")+1:], ": ")
	if reason == text || strings.HasPrefix(reason, "failed to parse as URL") || strings.HasPrefix(reason, "invalid port") {
		return nil, errPostgresURL
	}
	return nil, errors.New("database URL: " + reason)
}

// bareDelimiter tells whether the password of a URL may have been cut in two.
func bareDelimiter(url string) bool {
	_, rest, _ := strings.Cut(url, "://")
	at := strings.IndexByte(rest, '@')
	return at >= 0 && (strings.ContainsAny(rest[:at], "/?#") || strings.Contains(rest[at+1:], "@"))
}

// code returns the SQLSTATE of an error that came from the server, else "".
func code(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// lost reports whether err means that the connection is gone: no answer from
// the server, or its last word (class 08 connection exception, 57P shutdown).
func lost(err error) bool {
	c := code(err)
	return c == "" || strings.HasPrefix(c, "08") || strings.HasPrefix(c, "57P")
}

// explain adds to err, not nil, what it concerns and how to mend it.
func (p *postgres) explain(err error, privileges string) error {
	mend := ""
	switch code(err) {
	case "42P01", "3F000": // undefined_table, invalid_schema_name
		mend = mendTable
	case "42703": // undefined_column
		mend = mendColumn
	case "42501": // insufficient_privilege
		mend = fmt.Sprintf("GRANT %s ON %s TO %q (and USAGE on its schema)", privileges, p.quoted, p.user)
	case "25006": // read_only_sql_transaction
		mend = "this is a replica: add target_session_attrs=read-write to the database URL"
	case "26000", "42P05": // invalid_sql_statement_name, duplicate_prepared_statement
		mend = "is this PgBouncer? Add default_query_exec_mode=exec to the database URL"
	default:
		return fmt.Errorf("database: %w", err)
	}
	return fmt.Errorf("database table %s: %w: %s", p.name, err, mend)
}
