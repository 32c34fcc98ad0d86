package sim

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// notified answers a NOTIFY: as before when it is a repetition, else by the phone's verdict.
func (b *Bank) notified(m *message) {
	key := m.transaction()
	b.mu.Lock()
	if old, ok := b.answered.get(key); ok {
		if old.phone != nil {
			old.note.Time, old.note.Repeat = time.Now(), true
			old.phone.record(old.note)
		}
		b.mu.Unlock()
		b.reply(m, old.raw)
		return
	}
	p := b.find(m)
	note := Notify{Time: time.Now(), CSeq: m.cseq(), State: m.value("Subscription-State"), Body: string(m.body), Raw: m.raw}
	note.Status, note.Reason = p.judge(m)
	raw := p.verdict(m, note)
	if p != nil {
		note.Lamp = p.lamp
		p.record(note)
	}
	if strings.HasPrefix(m.branch(), "z9hG4bK") {
		b.answered.put(key, sent{raw, p, note})
	}
	b.mu.Unlock()
	b.reply(m, raw)
	p.tell(note)
}

func (b *Bank) reply(m *message, raw []byte) {
	if raw != nil {
		b.socket.send(raw, m.answerTo())
	}
}

// tell wakes those who wait, and calls OnNotify; bank.mu is not held. p may be nil.
func (p *Phone) tell(note Notify) {
	if p == nil {
		return
	}
	if p.cfg.OnNotify != nil {
		p.cfg.OnNotify(note)
	}
	p.bank.changed.wake()
}

func (p *Phone) record(note Notify) {
	if !note.Repeat {
		p.seen++
	}
	if len(p.notes) >= p.cfg.Keep {
		p.notes = slices.Delete(p.notes, 0, 1)
	}
	p.notes = append(p.notes, note)
}

// verdict renders the answer; nil is silence.
func (p *Phone) verdict(m *message, note Notify) []byte {
	if note.Status == 0 {
		return nil
	}
	var extra []string
	agent := "User-Agent: zonkeymwi-sim"
	if p != nil {
		agent = "User-Agent: " + p.cfg.UserAgent
		if note.Status == 200 {
			extra = append(extra, "Contact: "+p.contact())
		}
	}
	if note.Reason != "" {
		host, _, _ := strings.Cut(m.value("Call-ID"), "@")
		if p != nil {
			host = p.bank.socket.addr().Addr().String()
		}
		extra = append(extra, fmt.Sprintf("Warning: 399 %s %q", host, note.Reason))
	}
	return m.answer(note.Status, reasonPhrase(note.Status), "", append(extra, agent)...)
}

func reasonPhrase(status int) string {
	switch status {
	case 481:
		return "Subscription does not exist"
	case 489:
		return "Bad Event"
	}
	return cmp.Or(http.StatusText(status), "Simulated")
}

// judge is the strict UAS: it decides the status, with a reason where it refuses, and changes the phone's state where it
// accepts. The order is that of RFC 3261 12.2.2 and RFC 6665 4.1.3. p is nil for a NOTIFY to nobody.
func (p *Phone) judge(m *message) (status int, reason string) {
	if reason = malformed(m); reason != "" {
		return 400, reason
	}
	if p != nil && p.cfg.Unsolicited && m.toTag() == "" {
		return p.apply(m)
	}
	if p == nil || !p.matches(m) {
		return 481, "no dialog for Call-ID " + m.callID() + " / To-tag " + m.toTag()
	}
	if d := p.dialog; m.cseq() <= d.remoteCSeq {
		return 500, fmt.Sprintf("CSeq %d is not above %d", m.cseq(), d.remoteCSeq)
	}
	p.dialog.remoteCSeq = m.cseq()
	if p.forced.left != 0 {
		p.forced.left = max(p.forced.left-1, -1)
		return p.forced.status, "forced"
	}
	return p.apply(m)
}

// malformed checks what every NOTIFY must have, dialog or not.
func malformed(m *message) string {
	vias := viasOf(m)
	for _, via := range vias {
		if strings.Count(via, ";branch=") != 1 || !strings.Contains(via, ";branch=z9hG4bK") {
			return fmt.Sprintf("Via %q has not one branch with the z9hG4bK cookie", via)
		}
	}
	if n, err := strconv.Atoi(m.value("Max-Forwards")); err != nil || n < 0 || n > 255 || len(m.values("Max-Forwards")) != 1 {
		return fmt.Sprintf("Max-Forwards %q", m.values("Max-Forwards"))
	}
	if n, err := strconv.Atoi(m.value("Content-Length")); err != nil || n != len(m.body) || len(m.values("Content-Length")) != 1 {
		return fmt.Sprintf("Content-Length %q, body of %d bytes", m.values("Content-Length"), len(m.body))
	}
	if m.fromTag() == "" {
		return "From has no tag"
	}
	if m.cseq() >= 1<<31 {
		return "CSeq is not below 2^31"
	}
	return ""
}

// viasOf are the single Via values of a message, however many a line holds.
func viasOf(m *message) []string {
	var out []string
	for _, v := range m.values("Via") {
		for part := range strings.SplitSeq(v, ",") {
			out = append(out, strings.TrimSpace(part))
		}
	}
	return out
}

// matches tells whether a NOTIFY is in the phone's dialog. The server's tag is learnt from whichever comes first, the
// answer to SUBSCRIBE or this. Another id in Event is another subscription: RFC 6665 4.1.3.
func (p *Phone) matches(m *message) bool {
	d := p.dialog
	if d == nil || m.callID() != d.callID || m.toTag() != d.localTag || d.remoteTag != "" && m.fromTag() != d.remoteTag {
		return false
	}
	event, id := eventOf(m)
	if event == "message-summary" && id != p.cfg.EventID {
		return false
	}
	if d.remoteTag == "" {
		d.remoteTag = m.fromTag()
		d.routes = routes(m.values("Record-Route"))
	}
	return true
}

// apply checks the event and lets the lamp follow. A NOTIFY without body changes no lamp.
func (p *Phone) apply(m *message) (status int, reason string) {
	if event, _ := eventOf(m); event != "message-summary" || len(m.values("Event")) != 1 {
		return 489, fmt.Sprintf("Event %q", m.values("Event"))
	}
	state, reason := subscriptionState(m)
	if reason != "" {
		return 400, reason
	}
	lamp := p.lamp
	if len(m.body) > 0 {
		if ct := m.values("Content-Type"); len(ct) != 1 || !strings.EqualFold(ct[0], "application/simple-message-summary") {
			return 415, fmt.Sprintf("Content-Type %q", ct)
		}
		var err error
		if lamp, err = parseSummary(string(m.body)); err != nil {
			return 400, err.Error()
		}
	}
	contact := m.value("Contact")
	if contact == "" {
		return 400, "Contact is missing"
	}
	p.lamp = lamp
	if m.toTag() == "" {
		return 200, "" // it is in no dialog
	}
	p.dialog.target = uriIn(contact) // NOTIFY is a target refresh request, RFC 6665 4.4.1
	if state == "terminated" {
		p.forget()
	}
	return 200, ""
}

// eventOf splits Event into package and id.
func eventOf(m *message) (event, id string) {
	event, params, _ := strings.Cut(m.value("Event"), ";")
	for param := range strings.SplitSeq(params, ";") {
		if v, ok := strings.CutPrefix(strings.TrimSpace(param), "id="); ok {
			id = v
		}
	}
	return strings.TrimSpace(event), id
}

// subscriptionState checks RFC 6665 8.2.3: one header, a known state, and expires, where there, a number.
func subscriptionState(m *message) (state, reason string) {
	values := m.values("Subscription-State")
	if len(values) != 1 {
		return "", fmt.Sprintf("Subscription-State %q", values)
	}
	state, params, _ := strings.Cut(values[0], ";")
	if state != "active" && state != "pending" && state != "terminated" {
		return "", "Subscription-State " + values[0]
	}
	for param := range strings.SplitSeq(params, ";") {
		if v, ok := strings.CutPrefix(strings.TrimSpace(param), "expires="); ok {
			if _, err := strconv.ParseUint(v, 10, 32); err != nil {
				return "", "Subscription-State " + values[0]
			}
		}
	}
	return state, ""
}
