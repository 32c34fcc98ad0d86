package config

import "time"

func amiKeys() []Key {
	return []Key{
		{Name: "address", Default: "127.0.0.1:5038", Want: wantHostPort("127.0.0.1:5038"), valid: isDialAddress,
			Doc:   "Where the manager interface listens, host:port.",
			field: func(c *Config) any { return &c.Ami.Address }},
		{Name: "username", Required: true, Want: "the name of a user in manager.conf",
			Doc:   "The user, a section of manager.conf. It needs read=call,user,system and write=reporting,user.",
			field: func(c *Config) any { return &c.Ami.Username }},
		{Name: "secret", Required: true, Secret: true, Want: "the secret of that user in manager.conf",
			Doc:   "That user's secret; or give secret_file.",
			field: func(c *Config) any { return &c.Ami.Secret }},
		file(Key{Name: "secret_file",
			Doc:   "A file that holds the secret and nothing else; a newline at its end is ignored.",
			field: func(c *Config) any { return &c.Ami.SecretFile },
			into:  func(c *Config) *Secret { return &c.Ami.Secret }}),
		{Name: "auth", Values: []string{AuthMD5, AuthPlain},
			Doc:   `How the secret is shown to Asterisk: "md5" answers a challenge, "plain" sends the secret itself; use tls with that.`,
			field: func(c *Config) any { return &c.Ami.Auth }},
		{Name: "tls", Default: "false",
			Doc:   "Speak TLS (tlsenable in manager.conf, mostly on port 5039).",
			field: func(c *Config) any { return &c.Ami.TLS }},
		file(Key{Name: "tls_ca_file", check: hasCertificate,
			Doc:   "A PEM file of the certificate authorities to trust, instead of the system's.",
			field: func(c *Config) any { return &c.Ami.TLSCAFile }}),
		{Name: "tls_server_name", Want: wantHost, valid: isHost,
			Doc:   "The name in Asterisk's certificate, where it is not the host of address.",
			field: func(c *Config) any { return &c.Ami.TLSServerName }},
		{Name: "userevent", Default: "ZonkeyMWI", Reload: true, Want: `a name of letters, digits, ".", "_" and "-"`, valid: isToken,
			Doc:   "The UserEvent that asks for a mailbox's state to be sent again.",
			field: func(c *Config) any { return &c.Ami.UserEvent }},
		{Name: "ping_interval", Default: "15s", Want: `a duration from 1s to 5m, such as "15s"`,
			valid: isDuration(time.Second, 5*time.Minute),
			Doc:   "How often Asterisk is asked whether it is there. One that vanished without a word is noticed after this and 30 s.",
			field: func(c *Config) any { return &c.Ami.PingInterval }},
	}
}

func databaseKeys() []Key {
	return []Key{
		{Name: "url", Required: true, spare: withoutDatabase, Secret: true, Want: wantURL, valid: isDatabaseURL,
			Doc:   `postgres://user:password@host/database, mysql://user:password@host/database (MariaDB too) or sqlite:PATH; or give url_file. With sip.method = "publish" and no ledger none is needed.`,
			field: func(c *Config) any { return &c.Database.URL }},
		file(Key{Name: "url_file",
			Doc:   "A file that holds the URL and nothing else; a newline at its end is ignored.",
			field: func(c *Config) any { return &c.Database.URLFile },
			into:  func(c *Config) *Secret { return &c.Database.URL }}),
		{Name: "table", Default: "active_watchers", Want: "a table's name, or schema.table", valid: isTable,
			Doc:   "The subscriptions' table, with its schema where that is not in the search path.",
			field: func(c *Config) any { return &c.Database.Table }},
		{Name: "lookup", Values: []string{LookupPresentity, LookupWatcher},
			Doc:   `A mailbox's phones are found by the address they subscribed to ("presentity", which has an index) or by their own ("watcher", for phones that subscribe to vmexten; it has none: see migrate).`,
			field: func(c *Config) any { return &c.Database.Lookup }},
		{Name: "listen", Default: "true",
			Doc:   "Be told of new subscriptions by PostgreSQL at once; it needs the trigger that migrate makes. MySQL, MariaDB and SQLite tell of nothing: poll_interval is what counts there.",
			field: func(c *Config) any { return &c.Database.Listen }},
		{Name: "poll_interval", Default: "5s", Reload: true, Want: `a duration from 100ms to 1h, such as "5s"`,
			valid: isDuration(100*time.Millisecond, time.Hour),
			Doc:   "How often to look for new subscriptions where nothing tells of them; where the trigger does, a twelfth as often.",
			field: func(c *Config) any { return &c.Database.PollInterval }},
		{Name: "ledger", Default: "false",
			Doc:   "Keep what each phone acknowledged in the database, so that a restarted bridge tells only what has changed, and bridges over shared voicemail do not repeat each other; migrate makes its table.",
			field: func(c *Config) any { return &c.Database.Ledger }},
	}
}

// withoutDatabase tells whether nothing needs a database. A mistaken method may
// have been meant to be "publish".
func withoutDatabase(l *loader) bool {
	return !l.cfg.Database.Ledger && (l.cfg.Sip.Method == MethodPublish || l.bad[l.byName["sip.method"]])
}

func mailboxKeys() []Key {
	return []Key{
		{Name: "domain", Reload: true, Want: wantDomain, valid: isDomain,
			Doc:   "The SIP domain of a mailbox whose context names none, such as 202 without @.",
			field: func(c *Config) any { return &c.Mailbox.DefaultDomain }},
		{Name: "domains", Reload: true, Want: "a table of context = domain", valid: isDomain,
			Doc:   `Voicemail contexts and their SIP domains. A context not listed is itself the domain. A context with dots is quoted: "old.example.com" = "sip.example.com"`,
			field: func(c *Config) any { return &c.Mailbox.Domains }},
		{Name: "share", Reload: true, Want: "tables, each under a line [[mailbox.share]]",
			Doc:   "Mailboxes that light more lamps than their own, a group's mostly. Each, as Asterisk names it (user@context, or user alone), lights the lamps of all these SIP users, beside the mailbox that is each user's own. There may be any number of such tables; this one is an example.",
			field: func(c *Config) any { return &c.Mailbox.Shares }},
	}
}

func adminKeys() []Key {
	return []Key{
		{Name: "listen", Default: "127.0.0.1:9742", Want: wantHostPort("127.0.0.1:9742"), valid: isListenAddress,
			Doc:   "Where to listen, host:port. Other than loopback wants token_file.",
			field: func(c *Config) any { return &c.Admin.Listen }},
		file(Key{Name: "token_file",
			Doc:   "A file that holds the token which control requests must bear; required where listen is not loopback.",
			field: func(c *Config) any { return &c.Admin.TokenFile },
			into:  func(c *Config) *Secret { return &c.Admin.Token }}),
	}
}

func logKeys() []Key {
	return []Key{
		{Name: "level", Values: []string{"info", "debug", "warn", "error"}, Reload: true,
			Doc:   "The least grave that is logged.",
			field: func(c *Config) any { return &c.Log.Level }},
		{Name: "format", Values: []string{LogJSON, LogConsole},
			Doc:   `"json" is one object a line, "console" is for a person at a terminal.`,
			field: func(c *Config) any { return &c.Log.Format }},
	}
}
