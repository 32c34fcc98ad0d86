package sim

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// subscribed is the presence server. The order is what a bridge depends on: row, 200, then the server's own NOTIFY, which
// has no body, as nothing is published here.
func (p *Proxy) subscribed(m *message) {
	event, id := eventOf(m)
	if event != "message-summary" {
		p.answer(m, 489, "Bad Event", "")
		return
	}
	life := min(seconds(m.value("Expires"), 3600), time.Hour)
	r, ok, err := p.store(m, id, life)
	switch {
	case err != nil:
		p.answer(m, 500, "Server Internal Error", "", fmt.Sprintf("Warning: 399 sim %q", err.Error()))
		return
	case !ok:
		p.answer(m, 481, "Subscription does not exist", "")
		return
	}
	cseq, err := p.ownCSeq(r, life == 0)
	if err != nil {
		p.answer(m, 500, "Server Internal Error", "", fmt.Sprintf("Warning: 399 sim %q", err.Error()))
		return
	}
	left := int(life.Seconds())
	p.answer(m, 200, "OK", r.toTag, fmt.Sprintf("Expires: %d", left), "Contact: <"+r.localContact+">")
	p.notify(r, left, cseq)
}

// store writes the row of a SUBSCRIBE; ok is false when it names a dialog that is not there.
func (p *Proxy) store(m *message, eventID string, life time.Duration) (row, bool, error) {
	expires := time.Now().Add(life).Unix()
	if m.toTag() == "" {
		r := p.newRow(m, eventID)
		r.expires = expires
		if life == 0 { // only asked once
			return r, true, nil
		}
		return r, true, p.table.insert(r)
	}
	r, ok, err := p.table.find(m.callID(), m.toTag(), m.fromTag())
	if !ok {
		return r, false, err
	}
	r.contact, r.remoteCSeq, r.expires = uriIn(m.value("Contact")), m.cseq(), expires
	if life == 0 {
		return r, true, p.table.remove(r)
	}
	return r, true, p.table.refresh(r)
}

func (p *Proxy) newRow(m *message, eventID string) row {
	contact := "sip:" + p.Addr()
	if p.cfg.Flavour == "opensips" {
		contact = "sip:presence@" + p.Addr()
	}
	r := row{presentity: "sip:" + userAtHost(m.requestURI()), eventID: eventID, toTag: randomHex(32), fromTag: m.fromTag(),
		callID: m.callID(), contact: uriIn(m.value("Contact")), recordRoute: strings.Join(routes(m.values("Record-Route")), ","),
		socket: "udp:" + p.Addr(), localContact: contact, remoteCSeq: m.cseq()}
	r.watcherUser, r.watcherDomain, _ = strings.Cut(userAtHost(m.value("From")), "@")
	r.toUser, r.toDomain, _ = strings.Cut(userAtHost(m.value("To")), "@")
	return r
}

// ownCSeq numbers the server's own NOTIFY, and keeps local_cseq as the real servers do:
//
//	clock     unix time, as a local-request route makes it; local_cseq as with memory
//	memory    a private counter that no UPDATE reaches: Kamailio subs_db_mode 1, where it is local_cseq+2 at first and
//	          local_cseq+1 later, or OpenSIPS, where it is local_cseq
//	database  local_cseq+1, read back each time: Kamailio subs_db_mode 3
func (p *Proxy) ownCSeq(r row, last bool) (uint32, error) {
	if p.cfg.CSeq == "database" {
		if last { // its row is gone
			return r.localCSeq + 2, nil
		}
		n, err := p.table.countUp(r)
		return n + 1, err
	}
	n, err := p.count(r, last)
	if p.cfg.CSeq == "memory" || err != nil {
		return n, err
	}
	return uint32(time.Now().Unix()), nil
}

// count steps the private counter and lets local_cseq follow it.
func (p *Proxy) count(r row, last bool) (n uint32, err error) {
	key := r.callID + " " + r.toTag
	n, again := p.memory[key]
	kamailio := p.cfg.Flavour != "opensips"
	n++
	if kamailio && !again {
		n = 2
	}
	p.memory[key] = n
	switch {
	case last:
		delete(p.memory, key)
	case !kamailio:
		err = p.table.setCSeq(r, n)
	case again:
		err = p.table.setCSeq(r, n-1)
	}
	return n, err
}

// notify sends the server's own NOTIFY, headers in Kamailio's order. Nobody waits for the answer.
func (p *Proxy) notify(r row, left int, cseq uint32) {
	event, state := "Event: message-summary", fmt.Sprintf("active;expires=%d", left)
	if r.eventID != "" {
		event += ";id=" + r.eventID
	}
	if left == 0 {
		state = "terminated;reason=timeout"
	}
	hop := r.contact
	lines := []string{"Via: SIP/2.0/UDP " + p.viaHost() + ";branch=z9hG4bK" + randomHex(12) + ".0"}
	if set := routes([]string{r.recordRoute}); len(set) > 0 {
		hop = uriIn(set[0])
		for _, route := range set {
			lines = append(lines, "Route: "+route)
		}
	}
	lines = append(lines, fmt.Sprintf("To: <sip:%s@%s>;tag=%s", r.watcherUser, r.watcherDomain, r.fromTag),
		fmt.Sprintf("From: <sip:%s@%s>;tag=%s", r.toUser, r.toDomain, r.toTag), "Call-ID: "+r.callID,
		fmt.Sprintf("CSeq: %d NOTIFY", cseq), "Content-Length: 0", "User-Agent: zonkeymwi-sim", "Max-Forwards: 70", event,
		"Contact: <"+r.localContact+">", "Subscription-State: "+state)
	if to, err := hostPort(hop); err == nil {
		p.socket.send(render("NOTIFY "+r.contact+" SIP/2.0", lines, nil), to)
	}
}

// userAtHost is "user@host" of a header value or URI, without port and parameters, escapes kept.
func userAtHost(value string) string {
	uri := strings.TrimPrefix(uriIn(value), "sip:")
	uri, _, _ = strings.Cut(uri, ";")
	at := strings.LastIndex(uri, "@") + 1
	if colon := strings.LastIndex(uri[at:], ":"); colon >= 0 && !strings.HasSuffix(uri, "]") {
		uri = uri[:at+colon]
	}
	return uri
}

// seconds reads an Expires value; what is not there or unreadable is otherwise.
func seconds(v string, otherwise int64) time.Duration {
	n, err := strconv.ParseUint(v, 10, 32)
	if err != nil {
		n = uint64(otherwise)
	}
	return time.Duration(n) * time.Second
}
