// Package config reads zonkeymwi's settings: a strict TOML file, then the
// environment over it. Every mistake is reported at once, with its place and
// its mend. The table in keys.go is the one source of names, defaults and
// documentation.
package config

import (
	"strings"
	"time"
)

//go:generate go test -run Test(Example|Reference)File -update

// The values of the settings that have a fixed choice. The first of each is
// the default.
const (
	AuthMD5   = "md5"
	AuthPlain = "plain"

	LookupPresentity = "presentity"
	LookupWatcher    = "watcher"

	MethodNotify  = "notify"
	MethodPublish = "publish"

	CSeqClock    = "clock"
	CSeqDatabase = "database"
	CSeqAhead    = "ahead"

	RequestURIContact = "contact"
	RequestURIAoR     = "aor"

	RouteProxy      = "proxy"
	RouteSocketInfo = "socket_info"

	LogJSON    = "json"
	LogConsole = "console"
)

// Config is a validated configuration. Each field is documented at its key in
// Keys. Secrets read from files are in place; paths of files are resolved
// against the directory of the configuration file.
type Config struct {
	Path     string // file it was read from, "" when all came from the environment
	Ami      Ami
	Database Database
	Sip      Sip
	Mailbox  Mailbox
	Admin    Admin
	Log      Log
}

// Ami says how to log in to Asterisk's manager interface.
type Ami struct {
	Address       string
	Username      string
	Secret        Secret // from secret or secret_file, never empty
	SecretFile    string
	Auth          string // AuthMD5 or AuthPlain
	TLS           bool
	TLSCAFile     string
	TLSServerName string
	UserEvent     string
	PingInterval  time.Duration
}

// Database says where active_watchers is and how to look into it.
type Database struct {
	URL          Secret // from url or url_file; "" only with MethodPublish and without Ledger
	URLFile      string
	Table        string
	Lookup       string // LookupPresentity or LookupWatcher
	Listen       bool
	PollInterval time.Duration
	Ledger       bool
}

// Redacted is the URL for logs: scheme, user, hosts and database, without the
// password and the parameters.
func (d Database) Redacted() string {
	s, _, _ := strings.Cut(d.URL.Reveal(), "?")
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return s // sqlite:PATH
	}
	end := strings.IndexByte(rest, '/')
	if end < 0 {
		end = len(rest)
	}
	at := strings.LastIndexByte(rest[:end], '@')
	if at < 0 {
		return s
	}
	user, _, _ := strings.Cut(rest[:at], ":")
	return scheme + "://" + user + rest[at:]
}

// Sip says what is sent to the proxy and how. The keys proxy, bindip,
// useragent, contactuser and vmexten are those of the 2013 module.
type Sip struct {
	Proxy        string
	BindIP       string // "": the system chooses
	BindPort     int    // 0: a free one
	UserAgent    string
	ContactUser  string
	VMExten      string
	Method       string // MethodNotify or MethodPublish
	Expires      time.Duration
	Unsolicited  bool   // never with MethodPublish
	CSeq         string // CSeqClock, CSeqDatabase or CSeqAhead
	RequestURI   string // RequestURIContact or RequestURIAoR
	Route        string // RouteProxy or RouteSocketInfo
	Template     string // "": the built-in one
	Username     string
	Password     Secret // from password or password_file; "" without username
	PasswordFile string
	TLSCAFile    string
	Rate         int // a second
}

// Mailbox says whose lamps a mailbox lights.
type Mailbox struct {
	DefaultDomain string            // key mailbox.domain
	Domains       map[string]string // voicemail context to SIP domain
	Shares        []Share           // tables [[mailbox.share]]
}

// Share has mailboxes light more lamps than those of their own users. Neither
// list is empty, or names anything twice.
type Share struct {
	Mailboxes []string // as Asterisk names them: user@context, or user alone
	Users     []SIPUser
}

// SIPUser is the address of record sip:User@Domain.
type SIPUser struct{ User, Domain string }

// Domain is the SIP domain of a mailbox in the given voicemail context, "" for
// a mailbox without one. It is false when the mailbox has no context and
// mailbox.domain is not set. A context not listed is itself the domain,
// unchecked: it is what Asterisk said.
func (m Mailbox) Domain(context string) (string, bool) {
	if context == "" {
		return m.DefaultDomain, m.DefaultDomain != ""
	}
	if domain, ok := m.Domains[context]; ok {
		return domain, true
	}
	return context, true
}

// Admin says where probes, metrics and the control API listen.
type Admin struct {
	Listen    string
	TokenFile string
	Token     Secret // content of TokenFile; "" only where Listen is loopback
}

// Log says what is logged and in which form.
type Log struct {
	Level  string // debug, info, warn or error
	Format string // LogJSON or LogConsole
}
