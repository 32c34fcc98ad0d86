package doctor

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"zonkeymwi/sipua"
)

// publish asks whether the proxy's presence server would take a publication.
func (c *checkup) publish(ctx context.Context, a area, ua *sipua.UA, proxy sipua.Proxy) {
	domain := c.mostLamps(uriHost(proxy.Host))
	// A user that there is not: should a server store it after all, no lamp is lost.
	o, answer := c.ask(ctx, ua, request(publishText, "sip:zonkeymwi@"+domain))
	switch {
	case o.Status == 0:
		a.fault("publish", unanswered(o.Err, "PUBLISH"), "%s", answer)
	case o.Status == 412, o.Status == 423: // 423: it wants a longer one, and the bridge heeds that
		a.ok("publish", "%s: it takes our publications, for the domain %s", answer, domain)
	case o.Status < 300:
		a.warn("publish", "is this the proxy's presence server? Kamailio's and OpenSIPS' refuse it with 412 (RFC 3903 section 6)",
			"%s, although it named a version that no server ever gave: publications may not be kept", answer)
	case o.Status == 503:
		a.warn("publish", unable, "%s", answer)
	default:
		a.fault("publish", c.publishMend(o.Status, domain), "%s%s", answer, seenAs(&o))
	}
}

// proxyLines have the proxy take what the bridge sends.
const proxyLines = "the lines to add to the proxy are in deploy/kamailio/zonkeymwi.cfg and deploy/opensips/zonkeymwi.cfg"

// publishMend says what to do about a refusal.
func (c *checkup) publishMend(status int, domain string) string {
	switch status {
	case 489:
		return "load presence_mwi in the proxy, after presence: it does not know message-summary"
	case 500:
		return "look at the proxy's log: does its presence module reach its database?"
	case 404, 480:
		return fmt.Sprintf("the proxy must hand PUBLISH to its presence server before it looks for users, and be responsible for %s: %s", domain, proxyLines)
	}
	return cmp.Or(c.notLetIn(status, "PUBLISH"), "the proxy does not hand PUBLISH to a presence server: "+proxyLines)
}

// notLetIn says what to do where the proxy does not take a method from us, "" where
// it said something else.
func (c *checkup) notLetIn(status int, method string) string {
	switch {
	case status == 403:
		return "have the proxy take " + method + " from the address that this machine sends from (that in deploy/kamailio/zonkeymwi.cfg, deploy/opensips/zonkeymwi.cfg), " +
			"or set sip.bindip to the one that it takes it from"
	case status != 401 && status != 407:
		return ""
	case c.SIP.Username != "":
		return correctPassword
	}
	return "set sip.username and sip.password, or have the proxy take " + method + " from this machine's address without: " + proxyLines
}

// seenAs is where the proxy saw the request come from (RFC 3581), if it says so.
func seenAs(o *sipua.Outcome) string {
	_, address, found := strings.Cut(o.Header("Via"), ";received=")
	if !found {
		return ""
	}
	address, _, _ = strings.Cut(address, ";")
	return "; it saw it come from " + address
}

// mostLamps is the SIP domain of the context with the most mailboxes, or else.
func (c *checkup) mostLamps(otherwise string) string {
	best, most := otherwise, 0
	for _, name := range slices.Sorted(maps.Keys(c.contexts)) {
		domain, ok := c.Domain(name)
		lamps := c.contexts[name]
		if strings.Contains(domain, ".") {
			lamps += mostMailboxes // others are most likely contexts that nobody has mapped
		}
		if ok && lamps > most && isHost(domain) {
			best, most = domain, lamps
		}
	}
	return best
}

// isHost keeps out of a request what Asterisk's contexts may hold beside domains.
func isHost(s string) bool {
	const host = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]"
	return s != "" && len(s) <= 253 && strings.Trim(s, host) == ""
}
