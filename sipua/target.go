package sipua

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// target is one address to send to, and how.
type target struct {
	transport string // "UDP", "TCP" or "TLS"
	addr      netip.AddrPort
	domain    string // TLS: the name that the certificate must show; not the SRV record's target (RFC 5922 4)
	name      string // "udp:192.0.2.1:5060", for Outcome.Target
}

func newTarget(transport string, addr netip.AddrPort, domain string) target {
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	if transport != "TLS" {
		domain = ""
	}
	return target{transport, addr, domain, strings.ToLower(transport) + ":" + addr.String()}
}

// overTCP is the same address by TCP.
func (t target) overTCP() target { return newTarget("TCP", t.addr, "") }

// parseTarget reads Request.Target. Over TLS, domain is the name that is checked.
func parseTarget(s, domain string) (target, error) {
	transport, rest := "UDP", s
	if before, after, ok := strings.Cut(s, ":"); ok && isTransport(before) {
		transport, rest = strings.ToUpper(before), after
	}
	if addr, err := netip.ParseAddrPort(rest); err == nil && addr.Port() != 0 {
		return newTarget(transport, addr, domain), nil
	}
	if ip, err := netip.ParseAddr(strings.Trim(rest, "[]")); err == nil {
		return newTarget(transport, netip.AddrPortFrom(ip, defaultPort(transport)), domain), nil
	}
	return target{}, fmt.Errorf("SIP target %q is not udp:ip:port, tcp:ip:port or tls:ip:port", s)
}

func isTransport(s string) bool {
	switch strings.ToLower(s) {
	case "udp", "tcp", "tls":
		return true
	}
	return false
}

func defaultPort(transport string) uint16 {
	if transport == "TLS" {
		return 5061
	}
	return 5060
}

// Proxy is where requests go that name no target.
type Proxy struct {
	Host      string // name or IP address, IPv6 without brackets
	Port      int    // 0: from SRV records, or the default
	Transport string // "UDP", "TCP", "TLS"; "": from NAPTR and SRV records, or UDP
}

// ParseProxy reads "host[:port][;transport=udp|tcp|tls]". An IPv6 address with a port is in brackets.
func ParseProxy(s string) (Proxy, error) {
	hostport, param, hasParam := strings.Cut(s, ";")
	var p Proxy
	if hasParam {
		name, value, _ := strings.Cut(param, "=")
		if !strings.EqualFold(name, "transport") || !isTransport(value) {
			return p, fmt.Errorf("SIP proxy %q: %q is not ;transport=udp, tcp or tls", s, ";"+param)
		}
		p.Transport = strings.ToUpper(value)
	}
	host, port, err := splitHostPort(hostport)
	if err != nil {
		return p, fmt.Errorf("SIP proxy %q: %w", s, err)
	}
	p.Host, p.Port = host, port
	return p, nil
}

func splitHostPort(s string) (host string, port int, err error) {
	if ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")); err == nil {
		return ip.String(), 0, nil
	}
	host = s
	if strings.Contains(s, ":") {
		var p string
		if host, p, err = net.SplitHostPort(s); err != nil {
			return "", 0, fmt.Errorf("%q is not host or host:port (an IPv6 address with a port needs brackets)", s)
		}
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return "", 0, fmt.Errorf("port %q is not a number from 1 to 65535", p)
		}
		port = int(n)
	}
	if _, err := netip.ParseAddr(host); err != nil && !isHostName(host) {
		return "", 0, fmt.Errorf("%q is not a host name", host)
	}
	return host, port, nil
}

func isHostName(s string) bool {
	bad := func(r rune) bool {
		return r != '-' && r != '.' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}
	return s != "" && len(s) < 254 && strings.IndexFunc(s, bad) < 0
}

// String is the form that ParseProxy reads.
func (p Proxy) String() string {
	s := p.Host
	if p.Port != 0 {
		s = net.JoinHostPort(p.Host, strconv.Itoa(p.Port))
	}
	if p.Transport != "" {
		s += ";transport=" + strings.ToLower(p.Transport)
	}
	return s
}
