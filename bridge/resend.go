package bridge

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.uber.org/zap"

	"zonkeymwi/ami"
	"zonkeymwi/watchers"
)

// request is what a UserEvent asks for. Nothing in it is trusted: it may come
// from anybody's dialplan.
type request struct {
	name    string // mailbox, "" when the user was given
	users   []watchers.AoR
	counts  *Counts
	id      string // the caller's own, given back
	replyTo string // name of the UserEvent that answers
}

// maxValue bounds what a UserEvent may name: SIP addresses in active_watchers
// are no longer.
const maxValue = 255

// userEvent takes a UserEvent. It runs on AMI's reader, so others do the work.
func (b *Bridge) userEvent(e ami.UserEvent) {
	name := b.live.Load().UserEvent
	if name == "" || !strings.EqualFold(e.Name, name) {
		return
	}
	r, err := b.parseRequest(e)
	r.replyTo = name + "Result"
	if err == nil {
		select {
		case b.resends <- r:
			return
		default:
			err = errors.New("too many requests are waiting")
		}
	}
	b.log.Warn("request refused", zap.String("event", "resend_refused"), zap.String("request", r.id), zap.Error(err))
}

// parseRequest reads Mailbox, or User and Domain; New and Old; Id or ActionID.
// Notify holds all of the first in the words of the command line: user, domain,
// and perhaps new and old.
func (b *Bridge) parseRequest(e ami.UserEvent) (r request, err error) {
	get := func(header string) string {
		v := strings.TrimSpace(e.Get(header))
		if len(v) > maxValue {
			err = fmt.Errorf("its %s has %d bytes, at most %d are allowed", header, len(v), maxValue)
			return ""
		}
		return strings.Clone(v) // a mailbox may keep it, and is not to keep the whole event
	}
	r.id = printable(firstOf(get("Id"), get("ActionID")))
	r.name = get("Mailbox")
	user := watchers.AoR{User: get("User"), Domain: get("Domain")}
	fresh, old := get("New"), get("Old")
	words := strings.Fields(get("Notify"))
	switch {
	case err != nil:
		return r, err
	case len(words) == 2 || len(words) == 4:
		user = watchers.AoR{User: words[0], Domain: words[1]}
		if len(words) == 4 {
			fresh, old = words[2], words[3]
		}
	case len(words) > 0:
		err = fmt.Errorf("its Notify is %q, want: user domain [new old]", strings.Join(words, " "))
	case r.name != "":
		r.users, err = b.lights(r.name)
	case user.User == "" || user.Domain == "":
		err = errors.New("it names no Mailbox, nor User and Domain")
	}
	if r.users == nil {
		r.users = []watchers.AoR{user}
	}
	if err == nil && (fresh != "" || old != "") {
		r.counts, err = parseCounts(fresh, old)
	}
	return r, err
}

func parseCounts(fresh, old string) (*Counts, error) {
	n, err := strconv.ParseUint(fresh, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("its New is %q, want a number up to 2^32-1", fresh)
	}
	o, err := strconv.ParseUint(firstOf(old, "0"), 10, 32)
	if err != nil {
		return nil, fmt.Errorf("its Old is %q, want a number up to 2^32-1", old)
	}
	return &Counts{New: uint32(n), Old: uint32(o)}, nil
}

// resend serves a request and answers it.
func (a *agent) resend(ctx context.Context, r request) {
	b := a.b
	result := b.notifyAllOf(ctx, r)
	if ctx.Err() != nil { // the session has ended; so has whoever could hear
		return
	}
	b.log.Info("resent by request", zap.String("event", "resend_forced"), zap.String("request", r.id),
		zap.String("mailbox", result.Mailbox), zap.Int("dialogs", result.Dialogs), zap.Int("delivered", result.Delivered),
		zap.Int("failed", result.Failed), zap.String("reason", result.Reason))
	err := a.s.SendUserEvent(ctx, r.replyTo,
		ami.Header{Name: "Mailbox", Value: printable(result.Mailbox)},
		ami.Header{Name: "Dialogs", Value: strconv.Itoa(result.Dialogs)},
		ami.Header{Name: "Delivered", Value: strconv.Itoa(result.Delivered)},
		ami.Header{Name: "Failed", Value: strconv.Itoa(result.Failed)},
		ami.Header{Name: "Reason", Value: printable(result.Reason)},
		ami.Header{Name: "Id", Value: r.id})
	if err != nil && ctx.Err() == nil {
		b.log.Warn("the answer could not be sent; the manager user may lack write=user",
			zap.String("event", "answer_failed"), zap.String("request", r.id), zap.Error(err))
	}
}

// notifyAllOf serves a request for each user whose lamp it is about. The answer
// names the first of them, the user whose mailbox it is where it is anybody's.
func (b *Bridge) notifyAllOf(ctx context.Context, r request) (all Resent) {
	for i := range r.users {
		user := r.users[len(r.users)-1-i] // a mailbox's own stands last
		one, err := b.notify(ctx, user, r.name, r.counts)
		if err != nil {
			one.Reason = err.Error()
		}
		if i == 0 {
			all.Mailbox = user.User + "@" + user.Domain
		}
		all.Dialogs += one.Dialogs
		all.Delivered += one.Delivered
		all.Failed += one.Failed
		all.Reason = firstOf(all.Reason, one.Reason, one.Note)
	}
	return all
}

// printable makes a text fit for one line of AMI.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), maxValue)]
}
