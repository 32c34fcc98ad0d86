package watchers

import (
	"cmp"
	"errors"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

var errMySQLURL = errors.New("database URL: want mysql://user:password@host:port/database?option=value, " +
	"with the options tls (true, skip-verify or preferred), charset (utf8mb4 or latin1), socket (a path, instead of host:port), timeout, readTimeout and writeTimeout; " +
	"within the user, the password and the options write %40 for @, %2F for /, %3F for ?, %23 for #, %25 for %")

// parseMySQLURL gives errors without the password, which may be anywhere in a URL
// that is not one. The driver's own form of address, which cannot tell a
// password's @ or / from its own, sees none of it but the options.
func parseMySQLURL(s string) (config *mysql.Config, charset string, err error) {
	u, err := url.Parse(s)
	if err != nil || bareDelimiter(s) || u.Fragment != "" || strings.Contains(u.Host, ",") || len(u.Path) < 2 {
		return nil, "", errMySQLURL
	}
	port := cmp.Or(u.Port(), "3306")
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return nil, "", errMySQLURL
	}
	options, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, "", errMySQLURL
	}
	charset, socket := cmp.Or(options.Get("charset"), "utf8mb4"), options.Get("socket")
	if (socket == "") == (u.Host == "") || !slices.Contains([]string{"utf8mb4", "latin1"}, charset) {
		return nil, "", errMySQLURL
	}
	delete(options, "charset")
	delete(options, "socket")
	for name := range options {
		if !slices.Contains([]string{"tls", "timeout", "readTimeout", "writeTimeout"}, name) {
			return nil, "", errMySQLURL
		}
	}
	if config, err = mysql.ParseDSN("/?" + options.Encode()); err != nil {
		return nil, "", errMySQLURL
	}
	config.User, config.DBName = u.User.Username(), u.Path[1:]
	config.Passwd, _ = u.User.Password()
	config.Net, config.Addr = "tcp", net.JoinHostPort(u.Hostname(), port)
	if socket != "" {
		config.Net, config.Addr = "unix", socket
	}
	return config, charset, tuneMySQL(config, charset)
}

// tuneMySQL sets what every connection has.
func tuneMySQL(config *mysql.Config, charset string) error {
	config.Timeout = cmp.Or(config.Timeout, connectTimeout)
	config.ReadTimeout = cmp.Or(config.ReadTimeout, 30*time.Second) // for a caller without a deadline
	config.WriteTimeout = cmp.Or(config.WriteTimeout, 30*time.Second)
	config.InterpolateParams = true // one round trip for a statement, not three
	config.Logger = &mysql.NopLogger{}
	config.ConnectionAttributes = "program_name:zonkeymwi"
	config.Params = map[string]string{
		// A server goes on waiting for a lock after its client has gone, with the
		// locks that it has, and the proxy waits for those: 50 s, unless told.
		"innodb_lock_wait_timeout": "5",
		"sql_mode":                 "'STRICT_ALL_TABLES'", // whatever the server's is: CHAR is not padded, what does not fit is refused
	}
	return config.Apply(mysql.Charset(charset, ""))
}
