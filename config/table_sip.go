package config

import "time"

func sipKeys() []Key {
	return append(sipAddressKeys(), append(sipMessageKeys(), sipAuthKeys()...)...)
}

func sipAddressKeys() []Key {
	return []Key{
		{Name: "proxy", Required: true, Want: wantProxy, valid: isProxy,
			Doc:   "The proxy, host[:port][;transport=udp|tcp|tls]. What is not given is looked up in the DNS (RFC 3263). An IPv6 address goes in brackets.",
			field: func(c *Config) any { return &c.Sip.Proxy }},
		{Name: "bindip", Want: `an IP address of this machine, such as "192.0.2.1"`, valid: isIP,
			Doc:   "The address to send from and to be answered at. Without it the system chooses.",
			field: func(c *Config) any { return &c.Sip.BindIP }},
		{Name: "bindport", Default: "0", Want: "a port from 1 to 65535, or 0 for a free one", valid: isInt(0, 65535),
			Doc:   "The port to send from and to be answered at. 0 takes a free one.",
			field: func(c *Config) any { return &c.Sip.BindPort }},
	}
}

func sipMessageKeys() []Key {
	return []Key{
		{Name: "useragent", Default: "Asterisk", Reload: true, Want: "text on one line",
			Doc:   "The User-Agent header.",
			field: func(c *Config) any { return &c.Sip.UserAgent }},
		{Name: "contactuser", Default: "asterisk", Reload: true, Want: wantUser, valid: isSIPUser,
			Doc:   "The user part of our own Contact, where the dialog has none.",
			field: func(c *Config) any { return &c.Sip.ContactUser }},
		{Name: "vmexten", Default: "*97", Reload: true, Want: wantUser, valid: isSIPUser,
			Doc:   "The extension that the phone's message button dials (Message-Account).",
			field: func(c *Config) any { return &c.Sip.VMExten }},
		{Name: "method", Values: []string{MethodNotify, MethodPublish},
			Doc:   `"notify" sends NOTIFY into each phone's dialog, which the database knows. "publish" sends PUBLISH (RFC 3903) to the proxy's presence server, which tells the phones; no dialog is looked up.`,
			field: func(c *Config) any { return &c.Sip.Method }},
		{Name: "expires", Default: "1h", Reload: true, Want: `a duration from 1m to 24h, such as "1h"`,
			valid: isDuration(time.Minute, 24*time.Hour),
			Doc:   `How long a publication (method "publish") lives without a refresh; it is refreshed before. Also how often an unsolicited NOTIFY is repeated.`,
			field: func(c *Config) any { return &c.Sip.Expires }},
		{Name: "unsolicited", Default: "false", Reload: true,
			Doc:   `Also send a NOTIFY outside any dialog to the user's address of record, through the proxy, for phones that register but never subscribe. It does not go with method "publish".`,
			field: func(c *Config) any { return &c.Sip.Unsolicited }},
		{Name: "cseq", Values: []string{CSeqClock, CSeqDatabase, CSeqAhead},
			Doc:   `Where CSeq comes from: "clock" is unix time and wants the proxy's own NOTIFYs rewritten likewise, "database" counts in the table (Kamailio with subs_db_mode 3 only), "ahead" stays above the table and needs nothing, but the proxy's own later NOTIFYs are refused.`,
			field: func(c *Config) any { return &c.Sip.CSeq }},
		{Name: "request_uri", Values: []string{RequestURIContact, RequestURIAoR}, Reload: true,
			Doc:   `The Request-URI: the phone's "contact", or its "aor", for the proxy to look up.`,
			field: func(c *Config) any { return &c.Sip.RequestURI }},
		{Name: "route", Values: []string{RouteProxy, RouteSocketInfo}, Reload: true,
			Doc:   `Where to send: to "proxy", or to the dialog's own "socket_info", where one proxy of several owns it.`,
			field: func(c *Config) any { return &c.Sip.Route }},
		file(Key{Name: "template", Reload: true,
			Doc:   "A file with the message to send, instead of the built-in one.",
			field: func(c *Config) any { return &c.Sip.Template }}),
	}
}

func sipAuthKeys() []Key {
	return []Key{
		{Name: "username", Want: "the name the proxy knows the bridge by",
			Doc:   "The user for a proxy that asks for one (digest).",
			field: func(c *Config) any { return &c.Sip.Username }},
		{Name: "password", Secret: true, Want: "the password of sip.username",
			Doc:   "That user's password; or give password_file.",
			field: func(c *Config) any { return &c.Sip.Password }},
		file(Key{Name: "password_file",
			Doc:   "A file that holds the password and nothing else; a newline at its end is ignored.",
			field: func(c *Config) any { return &c.Sip.PasswordFile },
			into:  func(c *Config) *Secret { return &c.Sip.Password }}),
		file(Key{Name: "tls_ca_file", check: hasCertificate,
			Doc:   "A PEM file of the certificate authorities to trust, instead of the system's.",
			field: func(c *Config) any { return &c.Sip.TLSCAFile }}),
		{Name: "rate", Default: "500", Reload: true, Want: "a whole number from 1 to 1000000", valid: isInt(1, 1_000_000),
			Doc:   "The most messages a second while everything is sent anew, after a start or a lost connection. Single changes do not wait.",
			field: func(c *Config) any { return &c.Sip.Rate }},
	}
}
