package sipua

import (
	"cmp"
	"context"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// service is the name of SRV records, and the transport that they are about.
type service struct{ name, transport string }

func wellKnown(transport, host string) service {
	switch transport {
	case "TLS":
		return service{"_sips._tcp." + host, transport}
	case "TCP":
		return service{"_sip._tcp." + host, transport}
	default:
		return service{"_sip._udp." + host, transport}
	}
}

// naptr asks for a domain's services (RFC 3263 4.1). Of those that this package speaks, the ones of the lowest order count,
// by preference (RFC 3403 4.1). No answer is no services: SRV records may still be there.
func (r *resolver) naptr(ctx context.Context, name string) []service {
	query := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeNAPTR)
	query.SetEdns0(1232, false)
	for _, server := range r.servers() {
		answer, err := ask(ctx, query, server)
		if err == nil && (answer.Rcode == dns.RcodeSuccess || answer.Rcode == dns.RcodeNameError) {
			return services(answer.Answer)
		}
	}
	return nil
}

func ask(ctx context.Context, query *dns.Msg, server string) (*dns.Msg, error) {
	client := dns.Client{Timeout: 2 * time.Second}
	answer, _, err := client.ExchangeContext(ctx, query, server)
	if err == nil && answer.Truncated {
		client.Net = "tcp"
		answer, _, err = client.ExchangeContext(ctx, query, server)
	}
	return answer, err
}

// servers are resolv.conf's. Without one there is no NAPTR, and the system's resolver does the rest.
func (r *resolver) servers() []string {
	if r.server != "" {
		return []string{r.server}
	}
	conf, err := dns.ClientConfigFromFile("/etc/resolv.conf")
	if err != nil {
		return nil
	}
	for i, s := range conf.Servers {
		conf.Servers[i] = net.JoinHostPort(s, conf.Port)
	}
	return conf.Servers
}

func services(answer []dns.RR) []service {
	var records []*dns.NAPTR
	for _, rr := range answer {
		if n, ok := rr.(*dns.NAPTR); ok && naptrTransport(n) != "" {
			records = append(records, n)
		}
	}
	slices.SortStableFunc(records, func(a, b *dns.NAPTR) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Preference, b.Preference))
	})
	var out []service
	for _, n := range records {
		if n.Order == records[0].Order && len(out) < maxTargets {
			out = append(out, service{n.Replacement, naptrTransport(n)})
		}
	}
	return out
}

// naptrTransport is "" for what this package does not speak.
func naptrTransport(n *dns.NAPTR) string {
	if !strings.EqualFold(n.Flags, "s") {
		return ""
	}
	switch strings.ToUpper(n.Service) {
	case "SIP+D2U":
		return "UDP"
	case "SIP+D2T":
		return "TCP"
	case "SIPS+D2T":
		return "TLS"
	}
	return ""
}
