package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"zonkeymwi/admin"
	"zonkeymwi/bridge"
)

// Where the 2013 module printed something, these print it in its words.

func printStatus(w io.Writer, s *admin.Status) {
	switch {
	case !s.AMI.Connected:
		fmt.Fprintln(w, "Module DISABLED (Asterisk not connected)")
	case !s.AMI.Booted:
		fmt.Fprintln(w, "Module DISABLED (Asterisk has not booted)")
	case !s.Database.OK && s.Database.Error != "":
		fmt.Fprintln(w, "Module DISABLED (database away)")
	default:
		fmt.Fprintln(w, "Module ENABLED")
	}
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "  %-11s %s\n", name+":", fmt.Sprintf(format, args...))
	}
	line("Version", "%s, running %s", s.Version, ago(s.Started))
	line("Asterisk", "%s at %s for %s%s", choose(s.AMI.Connected, "connected", "NOT CONNECTED"), s.AMI.Address, ago(s.AMI.Since), because(s.AMI.Error))
	if !s.AMI.Resynced.IsZero() {
		line("Resync", "every mailbox read %s ago", ago(s.AMI.Resynced))
	}
	if s.Publish {
		line("Database", "not needed: mailboxes are published to the presence server")
	} else if s.Database.Since.IsZero() {
		line("Database", "nothing was looked up yet")
	} else {
		line("Database", "%s for %s%s", choose(s.Database.OK, "ok", "AWAY"), ago(s.Database.Since), because(s.Database.Error))
	}
	line("Mailboxes", "%d, of which %d are not shown by every phone yet%s", s.Mailboxes, s.Unconverged.Mailboxes, oldest(s.Unconverged.Oldest))
	line("Dialogs", "%d, of which %d do not show their mailbox and %d are dead", s.Dialogs, s.Unconverged.Dialogs, s.Dead)
	line("NOTIFYs", "%s; %d under way, %d mailboxes queued", outcomes(s.Outcomes), s.InFlight, s.Queued)
}

func outcomes(n map[string]uint64) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(n)) {
		all = append(all, fmt.Sprintf("%d %s", n[name], name))
	}
	if len(all) == 0 {
		return "none yet"
	}
	return strings.Join(all, ", ")
}

func oldest(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return ", the longest for " + ago(t)
}

func because(err string) string {
	if err == "" {
		return ""
	}
	return ": " + err
}

func choose(b bool, yes, no string) string {
	if b {
		return yes
	}
	return no
}

// ago is how long ago something was.
func ago(t time.Time) string { return time.Since(t).Round(time.Second).String() }

func printSubscription(w io.Writer, u *bridge.User) {
	for i := range u.Dialogs {
		printDialog(w, u, &u.Dialogs[i])
	}
	if len(u.Dialogs) == 0 {
		fmt.Fprintf(w, "   Currently no valid MWI subscription found for %s@%s\n", u.User, u.Domain)
	}
}

func printDialog(w io.Writer, u *bridge.User, d *bridge.DialogReport) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "  %-9s %s\n", name+":", fmt.Sprintf(format, args...))
	}
	if d.ToTag == "" {
		fmt.Fprintf(w, "%s to %s:\n", d.Sends, d.Contact)
		if d.ETag != "" {
			line("ETag", "%s", d.ETag)
			line("Expires", "%d s (%s)", d.ExpiresIn, d.Expires.Format(time.RFC3339))
		}
		line("CSeq", "%d", d.CSeq)
	} else {
		fmt.Fprintf(w, "MWI subscription details for %s@%s:\n", u.User, u.Domain)
		line("To tag", "%s", d.ToTag)
		line("From tag", "%s", d.FromTag)
		line("Call-ID", "%s", d.CallID)
		line("Expires", "%d s (%s)", d.ExpiresIn, d.Expires.Format(time.RFC3339))
		line("CSeq", "%d (local_cseq %d)", d.CSeq, d.LocalCSeq)
		line("Contact", "%s", d.Contact)
	}
	if d.Route != "" {
		line("Route", "%s", d.Route)
	}
	if d.Shows != nil {
		line("Shows", "%d new, %d old", d.Shows.New, d.Shows.Old)
	}
	if d.Untaken != "" {
		line("Untaken", "%s", d.Untaken)
	}
	if d.Skipped != "" {
		line("Skipped", "%s", d.Skipped)
	}
	if d.Last != nil {
		line("Last", "%s, %s ago", answer(d.Last), ago(d.Last.Time))
	}
	fmt.Fprintln(w)
}

// answer is what became of a NOTIFY.
func answer(d *bridge.Delivery) string {
	text := d.Outcome
	if d.Status != 0 {
		text = fmt.Sprintf("%d %s, %s", d.Status, d.Reason, text)
	} else if d.Reason != "" {
		text += ", " + d.Reason
	}
	if d.CSeq != 0 { // it was sent
		text += fmt.Sprintf(" in %.1f ms", d.Seconds*1000)
	}
	return text + because(d.Error)
}

func printExplanation(w io.Writer, u *bridge.User) {
	for _, line := range u.Why {
		fmt.Fprintln(w, line)
	}
	for i := range u.Dialogs {
		d := &u.Dialogs[i]
		fmt.Fprintln(w)
		printDialog(w, u, d)
		if d.Last == nil {
			fmt.Fprintln(w, "  No NOTIFY of ours to it is kept.")
			continue
		}
		printMessage(w, "  The request last sent:", d.Last.Request)
		printMessage(w, "  Its answer:", d.Last.Response)
	}
}

func printMessage(w io.Writer, title, message string) {
	if message == "" {
		message = "(none)"
	}
	fmt.Fprintln(w, title)
	for line := range strings.Lines(strings.TrimRight(message, "\r\n")) {
		fmt.Fprintf(w, "    %s\n", strings.TrimRight(line, "\r\n"))
	}
}

func printResent(w io.Writer, r *bridge.Resent) {
	if r.Note != "" {
		fmt.Fprintf(w, "%s.\n", r.Note)
	}
	if r.Dialogs == 0 {
		fmt.Fprintf(w, "Subscription NOT found for %s\n", r.Mailbox)
		return
	}
	if len(r.Results) == 0 {
		fmt.Fprintf(w, "Notify %s was not sent: %s\n", r.Mailbox, r.Reason)
		return
	}
	sent := r.Results[0].Sent
	fmt.Fprintf(w, "Notify %s with %d new messages and %d old messages was sent\n", r.Mailbox, sent.New, sent.Old)
	for i := range r.Results {
		fmt.Fprintf(w, "  %s: %s\n", r.Results[i].CallID, answer(&r.Results[i]))
	}
}
