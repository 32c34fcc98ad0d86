package doctor

import (
	"errors"
	"strings"

	"github.com/go-sql-driver/mysql"

	"zonkeymwi/watchers"
)

// engine is "PostgreSQL", "SQLite", "MariaDB" or "MySQL".
func engine(in watchers.Inspection) string {
	name, _, _ := strings.Cut(in.Server, " ")
	return name
}

func isMySQL(in watchers.Inspection) bool { return engine(in) == "MySQL" || engine(in) == "MariaDB" }

// mysqlNumber is that of an error of a MySQL server, else 0.
func mysqlNumber(err error) uint16 {
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return e.Number
	}
	return 0
}

// noMySQL says what to do where a MySQL server lets nobody in, or "".
func noMySQL(err error) string {
	switch mysqlNumber(err) {
	case 1045, 1698: // access denied, by password or by socket
		return "correct user and password in database.url (or: ALTER USER ... IDENTIFIED BY '...'); the message shows from which host we come, and the account must be of that host or of '%'"
	case 1130: // host not privileged
		return "let a user in from this machine: CREATE USER '...'@'the host in the message' IDENTIFIED BY '...'"
	case 1044: // denied to the database
		return "correct the database's name in database.url, or GRANT SELECT ON its active_watchers to this user"
	case 1049: // no such database
		return "correct the database's name in database.url: SHOW DATABASES lists them"
	case 1040, 1203, 1226: // too many connections: in all, a user's
		return "raise max_connections (or max_user_connections) in the server's configuration, or lower that of other programs"
	case 1053: // shutdown
		return "the server is stopping: wait, then check again"
	}
	if errors.Is(err, mysql.ErrNoTLS) {
		return "the server has no TLS: set it up there, or take tls out of database.url"
	}
	return ""
}

// refused tells whether err is of a missing right to the table.
func refused(err error) bool {
	switch mysqlNumber(err) {
	case 1044, 1142, 1143:
		return true
	}
	return sqlState(err) == "42501"
}
