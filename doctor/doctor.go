// Package doctor finds out what keeps lamps from working: it tries Asterisk,
// the database and the proxy with the bridge's own settings, and says of each
// fault how to mend it. It changes nothing, and may run beside the bridge.
package doctor

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"

	"zonkeymwi/ami"
	"zonkeymwi/sipua"
	"zonkeymwi/watchers"
)

// Options are the bridge's settings. The zero value of what follows Template
// is what an operator wants.
type Options struct {
	AMI       ami.Config
	UserEvent string // ami.userevent; the doctor's own is called so with "Check" after it, which no bridge obeys
	Database  watchers.Config
	Listen    bool         // database.listen
	Publish   bool         // sip.method is "publish": then neither Listen nor CSeq matters, and Database only for its Ledger
	CSeq      string       // sip.cseq: clock, database or ahead
	SIP       sipua.Config // but for its Proxy
	Proxy     string       // host[:port][;transport=udp|tcp|tls]

	// Domain gives the SIP domain of a voicemail context ("" where the mailbox
	// names none), or false where there is none.
	Domain   func(context string) (string, bool)
	Shares   []string     // the mailboxes of mailbox.share, as Asterisk names them
	NoRelay  bool         // NOTIFYs do not go to phones' contacts by way of Proxy: sip.request_uri or sip.route is not the default
	Template func() error // reads sip.template; nil: there is none to read

	Running  bool             // a bridge with these settings runs now: sip.bindport is taken by it
	Patience time.Duration    // the longest that one step may take; 0: 5 s
	Now      func() time.Time // our clock; nil: time.Now
}

// Level says how grave a finding is.
type Level int

// The levels, each graver than the one before.
const (
	OK      Level = iota
	Warning       // lamps may work, or not all of them
	Fault         // lamps do not work
)

func (l Level) String() string {
	return [...]string{"ok", "warning", "fault"}[l]
}

// MarshalText makes JSON say "ok", "warning" or "fault".
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// ExitCode is 1 for a Fault, else 0: a warning does not stop a deployment.
func (l Level) ExitCode() int {
	if l == Fault {
		return 1
	}
	return 0
}

// Finding is one thing that was tried. Its texts are one line each, without
// control characters and without secrets.
type Finding struct {
	Level  Level  `json:"level"`
	Area   string `json:"area"` // "settings", "clock", "asterisk", "database" or "proxy"
	Check  string `json:"check"`
	Detail string `json:"detail"`
	Mend   string `json:"mend,omitempty"` // what to do; "" for OK
}

// Run tries everything, and reports each finding as it is made. An area goes
// on where another has failed. It returns the gravest level. When ctx ends, so
// does Run, with what was found until then.
func Run(ctx context.Context, o Options, report func(Finding)) (worst Level) {
	o.Patience = cmp.Or(o.Patience, 5*time.Second)
	o.UserEvent = cmp.Or(o.UserEvent, "ZonkeyMWI")
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Domain == nil {
		o.Domain = func(context string) (string, bool) { return context, context != "" }
	}
	c := &checkup{Options: o, contexts: map[string]int{}, report: func(f Finding) {
		if ctx.Err() == nil { // what ends the checkup is no fault
			worst = max(worst, f.Level)
			report(f)
		}
	}}
	for _, check := range []func(context.Context){c.template, c.clock, c.asterisk, c.database, c.mailboxes, c.proxy} {
		if ctx.Err() == nil {
			check(ctx)
		}
	}
	return worst
}

// checkup is one Run, and what its areas learn from each other.
type checkup struct {
	Options
	report   func(Finding)
	contexts map[string]int      // voicemail contexts that were listed, and how many mailboxes each has
	numbers  map[string][]string // mailboxes that were listed: the contexts of each number
	live     map[string]int64
}

// step bounds one step.
func (c *checkup) step(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, c.Patience, fmt.Errorf("no answer within %s: %w", c.Patience, context.DeadlineExceeded))
}

// area reports findings of one area.
type area struct {
	name   string
	report func(Finding)
}

func (c *checkup) in(name string) area { return area{name, c.report} }

func (a area) ok(check, format string, args ...any) { a.add(OK, check, "", format, args...) }

func (a area) warn(check, mend, format string, args ...any) {
	a.add(Warning, check, mend, format, args...)
}

func (a area) fault(check, mend, format string, args ...any) {
	a.add(Fault, check, mend, format, args...)
}

func (a area) add(l Level, check, mend, format string, args ...any) {
	a.report(Finding{l, a.name, check, line(fmt.Sprintf(format, args...)), line(mend)})
}

// line makes one line of a text that may hold anything, at most 500 characters.
func line(s string) string {
	const most = 500
	clean := []rune(strings.Join(strings.Fields(s), " "))
	for i, r := range clean {
		if !unicode.IsPrint(r) {
			clean[i] = '?'
		}
	}
	if len(clean) > most {
		clean = append(clean[:most], '…')
	}
	return string(clean)
}
