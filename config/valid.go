package config

import (
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	wantHost   = `a host's name or address, such as "sip.example.com"`
	wantDomain = `a SIP domain, such as "sip.example.com"`
	wantProxy  = `host[:port][;transport=udp|tcp|tls], such as "sip.example.com:5060;transport=udp", an IPv6 address in brackets`
	wantUser   = `the user part of a SIP URI, such as "asterisk" or "*97"`
	wantURL    = "postgres://USER:PASSWORD@HOST/DATABASE, mysql://... or sqlite:PATH" +
		" (/ ? # @ in a password are written %2F %3F %23 %40)"
)

func wantHostPort(example string) string { return `host:port, such as "` + example + `"` }

var (
	label   = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$`)
	token   = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
	sipUser = regexp.MustCompile(`^([A-Za-z0-9_.!~*'()&=+$,;?/-]|%[0-9A-Fa-f]{2})+$`) // RFC 3261 25.1, user
	mailbox = regexp.MustCompile(`^[^\pC\pZ@,:/]+(@[^\pC\pZ@,:/]+)?$`)                // no list of them, no URI
	table   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62})?$`)
)

func isToken(s string) bool   { return token.MatchString(s) }
func isSIPUser(s string) bool { return sipUser.MatchString(s) }
func isMailbox(s string) bool { return mailbox.MatchString(s) }
func isTable(s string) bool   { return table.MatchString(s) }

// isAddress accepts an address of record without its scheme.
func isAddress(s string) bool {
	user, domain, _ := strings.Cut(s, "@")
	return isSIPUser(user) && isDomain(domain)
}

// isPath refuses a URL where its file is wanted, lest a password be taken for
// a path and shown.
func isPath(s string) bool { return !strings.Contains(s, "://") }

func isIP(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Zone() == ""
}

// isHost accepts a DNS name or an IP address, IPv6 without brackets.
func isHost(s string) bool { return isIP(s) || isName(s) }

// isName accepts a DNS name, with the underscores that containers like. All
// digits at the end is a damaged IPv4 address (RFC 1123 2.1).
func isName(s string) bool {
	labels := strings.Split(s, ".")
	for _, l := range labels {
		if !label.MatchString(l) {
			return false
		}
	}
	return len(s) <= 253 && strings.Trim(labels[len(labels)-1], "0123456789") != ""
}

// isDomain accepts the host part of a SIP URI, IPv6 in brackets.
func isDomain(s string) bool {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		return ok && strings.Contains(inner, ":") && isIP(inner)
	}
	return isHost(s) && !strings.Contains(s, ":")
}

// isPort accepts digits only, where strconv would take a sign too.
func isPort(s string, low int) bool {
	return strings.Trim(s, "0123456789") == "" && isInt(low, 65535)(s)
}

func isDialAddress(s string) bool {
	host, port, err := net.SplitHostPort(s)
	return err == nil && isDomain(strings.TrimSuffix(s, ":"+port)) && host != "" && isPort(port, 1)
}

// isListenAddress also takes an empty host, for all addresses, and port 0.
func isListenAddress(s string) bool {
	_, port, err := net.SplitHostPort(s)
	host := strings.TrimSuffix(s, ":"+port)
	return err == nil && (host == "" || isDomain(host)) && isPort(port, 0)
}

func isLoopback(listen string) bool {
	host, _, _ := net.SplitHostPort(listen)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

func isProxy(s string) bool {
	address, param, ok := strings.Cut(s, ";")
	if ok && !oneOf([]string{"transport=udp", "transport=tcp", "transport=tls"})(param) {
		return false
	}
	return isDomain(address) || isDialAddress(address)
}

// isDatabaseURL checks the form only. A separator left bare in a password
// would end the authority early, and Redacted would show what follows.
func isDatabaseURL(s string) bool {
	if path, ok := strings.CutPrefix(s, "sqlite:"); ok {
		return path != "" && path[0] != '?'
	}
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok || !oneOf([]string{"postgres", "postgresql", "mysql"})(scheme) || strings.Contains(s, " ") {
		return false
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	return !strings.ContainsAny(rest[end:], "@#") && strings.Count(rest[:end], "@") <= 1
}

func isInt(low, high int) func(string) bool {
	return func(s string) bool {
		n, err := strconv.Atoi(s)
		return err == nil && low <= n && n <= high
	}
}

func isDuration(low, high time.Duration) func(string) bool {
	return func(s string) bool {
		d, err := time.ParseDuration(s)
		return err == nil && low <= d && d <= high
	}
}

func hasCertificate(pem []byte) error {
	if !x509.NewCertPool().AppendCertsFromPEM(pem) {
		return errors.New("no PEM certificate in it")
	}
	return nil
}
