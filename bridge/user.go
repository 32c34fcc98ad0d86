package bridge

import (
	"context"
	"fmt"
	"time"

	"zonkeymwi/sipmsg"
	"zonkeymwi/watchers"
)

// User tells all that is known of one user's lamp, from the database and from
// what the bridge remembers. An error of the database is among the answer's
// words; it fails when the loop does not answer before ctx ends.
func (b *Bridge) User(ctx context.Context, user, domain string) (User, error) {
	aor := watchers.AoR{User: user, Domain: domain}
	query, cancel := context.WithTimeout(ctx, lookupTimeout)
	rows, dbErr := b.dialogs(query, []watchers.AoR{aor})
	cancel()
	u := User{User: user, Domain: domain, Dialogs: []DialogReport{}}
	err := b.ask(ctx, func() {
		now := time.Now()
		m, behind := b.describe(&u, aor, now)
		for _, row := range b.rows(aor, rows) {
			u.Dialogs = append(u.Dialogs, b.dialogReport(m, row, behind, now))
		}
		u.Why = b.why(&u, dbErr, now)
	})
	return u, err
}

// describe fills in what Asterisk said. It returns nil where it said nothing,
// and whether a phone is behind.
func (b *Bridge) describe(u *User, aor watchers.AoR, now time.Time) (m *mailbox, behind bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m = b.desired.mailboxes[aor]
	if m == nil {
		return nil, false
	}
	u.Mailbox, u.Dirty, u.Since = m.names(), m.queue != none, m.since
	if m.known {
		holds := m.want.report()
		u.Holds = &holds
	}
	return m, m.pending(now) > 0
}

// dialogReport puts a row and what the bridge made of it side by side.
func (b *Bridge) dialogReport(m *mailbox, row watchers.Dialog, behind bool, now time.Time) DialogReport {
	r := DialogReport{CallID: row.CallID, ToTag: row.ToTag, FromTag: row.FromTag,
		Watcher: watchers.AoR{User: row.WatcherUser, Domain: row.WatcherDomain}.URI(),
		Contact: row.Contact, Route: row.RecordRoute, Socket: row.SocketInfo, EventID: row.EventID,
		Status: row.Status, Expires: time.Unix(row.Expires, 0), ExpiresIn: row.Expires - now.Unix(),
		Sends: b.kind(&row).String(), LocalCSeq: row.LocalCSeq, Skipped: row.Live(now), Last: b.loop.recent.last(row.Key)}
	var d *dialog
	if m != nil {
		known := indexOf(m.dialogs, 0)
		d = known.find(row.Key)
	}
	if d == nil && m != nil { // as the next look will find it
		d = newDialog(&row, b.kind(&row))
		d.update(&row, now)
	}
	if d == nil {
		return r
	}
	r.CSeq, r.InFlight, r.Failures, r.ETag = d.cseq, d.inFlight, d.troubles().failures, d.etag()
	if d.outside != nil {
		r.Expires, r.ExpiresIn = d.outside.until, int64(d.outside.until.Sub(now).Seconds())
		r.Untaken = d.outside.untaken
	}
	if d.stamp != stampOf(&row) {
		return r // the phone has subscribed again: what was before counts no more
	}
	if dead := d.dead(); r.Skipped == "" && dead != "" {
		r.Skipped = "dead: " + dead
	}
	if d.shows && r.Untaken == "" {
		shows := d.acked.report()
		r.Shows, r.Told = &shows, d.told
	}
	if r.Skipped == "" && !d.inFlight && behind && d.due().After(now) {
		r.NextAttempt = d.due()
	}
	return r
}

// why says in plain words why the lamp is as it is, and what comes next.
func (b *Bridge) why(u *User, dbErr error, now time.Time) (why []string) {
	say := func(format string, args ...any) { why = append(why, fmt.Sprintf(format, args...)) }
	switch {
	case !b.connected() && u.Holds == nil:
		say("Asterisk is not connected, and has not said what this mailbox holds.")
	case u.Holds == nil:
		say("Asterisk has not spoken of this mailbox: is its voicemail context mapped to %s ([mailbox.domains])?", u.Domain)
	default:
		say("Mailbox %s holds %d new and %d old messages: the lamp is to be %s.", u.Mailbox, u.Holds.New, u.Holds.Old, onOff(u.Holds.New))
	}
	switch {
	case dbErr != nil:
		say("The dialogs cannot be looked up: %v", dbErr)
	case len(u.Dialogs) == 0:
		say("No phone is subscribed: there is no row for sip:%s@%s. Phones subscribe again by themselves; where they have, "+
			"the proxy may not write rows at once (Kamailio subs_db_mode 1 or 3, OpenSIPS fallback2db=1).", u.User, u.Domain)
	}
	if u.Dirty {
		say("It has changed and waits to be looked at.")
	}
	for _, d := range u.Dialogs {
		say("%s: %s.", d.who(), d.verdict(u.Holds, now))
	}
	return why
}

func (b *Bridge) connected() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ami.Connected
}

func onOff(fresh uint32) string {
	if fresh > 0 {
		return "on"
	}
	return "off"
}

// who is told.
func (d *DialogReport) who() string {
	switch d.Sends {
	case sipmsg.Publish.String():
		return "The presence server, which tells the phones"
	case sipmsg.Unsolicited.String():
		return "Phones that have registered without a subscription"
	}
	return "Phone " + d.Contact
}

// verdict is one phone's story in one sentence.
func (d *DialogReport) verdict(holds *Counts, now time.Time) string {
	switch {
	case d.Skipped == "expired":
		return fmt.Sprintf("its subscription expired %d s ago, so nothing is sent", -d.ExpiresIn)
	case d.Untaken != "":
		return fmt.Sprintf("none took it (%s); the next change is told again", d.Untaken)
	case d.Skipped != "":
		return fmt.Sprintf("nothing is sent until it subscribes again (%s)", d.Skipped)
	case d.InFlight:
		return "a " + d.Sends + " is under way"
	case d.Shows != nil && holds != nil && *d.Shows == *holds:
		return fmt.Sprintf("it shows that (%d/%d), acknowledged", d.Shows.New, d.Shows.Old)
	case d.Failures > 0 && d.Last != nil:
		return fmt.Sprintf("the last %s ended %s (%d %s); the next is due in %.0f s",
			d.Sends, d.Last.Outcome, d.Last.Status, firstOf(d.Last.Reason, d.Last.Error), max(0, d.NextAttempt.Sub(now).Seconds()))
	case d.Told:
		return fmt.Sprintf("it shows %d/%d, as it was asked to; the next change of the mailbox tells it what that holds", d.Shows.New, d.Shows.Old)
	case d.Shows != nil:
		return fmt.Sprintf("it shows %d/%d; it is told when its mailbox's turn comes", d.Shows.New, d.Shows.Old)
	case holds == nil:
		return "it is told when Asterisk says what the mailbox holds"
	}
	return "it has not been told anything yet; it is told when its mailbox's turn comes"
}
