package bridge

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"zonkeymwi/ami"
	"zonkeymwi/watchers"
)

// bootPatience is how long FullyBooted may take before the log says what could
// keep it away; a busy Asterisk may take longer.
const bootPatience = 10 * time.Second

// runSessions holds an AMI connection until ctx ends.
func (b *Bridge) runSessions(ctx context.Context) {
	ami.Loop(ctx, b.session, func(err error, wait time.Duration) {
		b.setAMI(func(s *AMIStatus) { s.Error = err.Error() })
		b.log.Warn("lost Asterisk", zap.String("event", "ami_lost"),
			zap.String("address", b.o.AMI.Address), zap.Error(err), zap.Duration("retry_in", wait))
	})
}

// asterisk is what the bridge asks of one that is booted; an *ami.Session is one.
type asterisk interface {
	Mailboxes(ctx context.Context) (int, error)
	MailboxCount(ctx context.Context, mailbox string) (ami.Counts, error)
	MailboxCounts(ctx context.Context, mailboxes []string) map[string]ami.Counts
	SendUserEvent(ctx context.Context, name string, headers ...ami.Header) error
	Done() <-chan struct{} // closed when the connection has ended
	Err() error            // why
}

// session is one AMI connection, from dialling to its end.
func (b *Bridge) session(ctx context.Context) error {
	s, err := ami.Dial(ctx, b.o.AMI, ami.Handler{Mailbox: b.mailbox, UserEvent: b.userEvent})
	if err != nil {
		return err
	}
	defer s.Close()
	b.setAMI(func(s *AMIStatus) { s.Connected, s.Since, s.Error = true, time.Now(), "" })
	defer b.setAMI(func(s *AMIStatus) { s.Connected, s.Booted, s.Since = false, false, time.Now() })
	b.log.Info("connected to Asterisk", zap.String("event", "ami_connected"), zap.String("address", b.o.AMI.Address))
	if err := b.booted(ctx, s); err != nil {
		return err
	}
	b.setAMI(func(s *AMIStatus) { s.Booted = true })
	defer b.employ(ctx, s)()
	return b.stay(ctx, s)
}

func (b *Bridge) setAMI(change func(*AMIStatus)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.ami)
}

// employ has an agent serve requests over the session until dismiss is called.
func (b *Bridge) employ(ctx context.Context, s asterisk) (dismiss func()) {
	ctx, cancel := context.WithCancel(ctx)
	a := &agent{b: b, s: s}
	set := func(a *agent) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.agent = a
	}
	set(a)
	var work sync.WaitGroup
	work.Go(func() { a.work(ctx) })
	return func() {
		set(nil)
		cancel()
		work.Wait()
	}
}

const (
	lastResyncGap = time.Minute      // the longest between two tries to read every mailbox
	resyncEvery   = 10 * time.Minute // when it went well: against events that nobody sent
)

// stay reads every mailbox, again until it has them all, and holds the session
// until it ends. Events come in all the while.
func (b *Bridge) stay(ctx context.Context, s asterisk) error {
	again := time.NewTimer(0)
	defer again.Stop()
	for failures := 0; ; {
		select {
		case <-again.C:
			if err := b.resync(ctx, s); err != nil {
				wait := min(lastResyncGap, time.Second<<min(failures, 8))
				failures++
				again.Reset(wait)
				b.log.Error("the mailboxes could not all be read", zap.String("event", "resync_failed"),
					zap.Error(err), zap.Duration("retry_in", wait))
				continue
			}
			failures = 0
			again.Reset(resyncEvery)
		case <-b.relist:
			again.Reset(0)
		case <-s.Done():
			return s.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// booted waits for FullyBooted: before it, Asterisk answers 0 for mailboxes
// that it has not loaded yet.
func (b *Bridge) booted(ctx context.Context, s *ami.Session) error {
	hint := time.AfterFunc(bootPatience, func() {
		b.log.Warn("Asterisk has not said FullyBooted yet; if it has booted, give the manager user read=system",
			zap.String("event", "ami_waiting"))
	})
	defer hint.Stop()
	return s.Booted(ctx)
}

// resync reads every mailbox. Events are on already, as AMI sends no list and
// no event twice: what comes between two entries of the list comes in its
// order, through the same mailbox method, so none is lost and none overtaken.
func (b *Bridge) resync(ctx context.Context, s asterisk) error {
	start := time.Now()
	b.mu.Lock()
	b.desired.round++
	b.mu.Unlock()
	defer b.complete()
	n, err := s.Mailboxes(ctx)
	if err != nil {
		return err
	}
	if err := b.readUnlisted(ctx, s); err != nil {
		return err
	}
	b.mu.Lock()
	gone := b.desired.vanished(b.ids.next)
	b.mu.Unlock()
	if len(gone) > 0 {
		b.poke()
		b.log.Warn("mailboxes are no longer there, or another user's now; their users' lamps go by what is left", zap.String("event", "mailboxes_vanished"),
			zap.Int("mailboxes", len(gone)), zap.String("first", gone[0]))
	}
	b.setAMI(func(s *AMIStatus) { s.Resynced = time.Now() })
	b.log.Info("read every mailbox", zap.String("event", "resync"),
		zap.Int("mailboxes", n), zap.Duration("took", time.Since(start)))
	return nil
}

// complete has the users told who share mailboxes, once all of those were read:
// a sum that lacks one would put their lamps out for a moment. Where the list
// fails, what is known must do.
func (b *Bridge) complete() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.desired.listed = true
	for _, m := range b.desired.mailboxes {
		if !m.known && len(m.boxes) > 0 {
			m.known = true
			b.desired.mark(m, paced, change{id: b.ids.next(), why: whyResync, received: time.Now(), events: uint32(len(m.boxes))})
		}
	}
	b.poke()
}

// readUnlisted asks for the mailboxes that Asterisk has spoken of and never
// lists: those of a realtime database. Events of theirs may have been missed too.
func (b *Bridge) readUnlisted(ctx context.Context, s asterisk) error {
	a := &agent{b: b, s: s}
	for name := range b.unlisted() {
		if err := a.read(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// unlisted are the mailboxes that no resync has listed. Those that a reload took
// away from a user are no longer among that user's.
func (b *Bridge) unlisted() map[string]bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	names := make(map[string]bool)
	for aor, m := range b.desired.mailboxes {
		if m.drop(func(x *box) bool { return x.round == 0 && !b.isLit(aor, x.name) }) != nil {
			b.desired.mark(m, paced, change{id: b.ids.next(), why: whyVanished, received: time.Now(), events: 1})
		}
		for i := range m.boxes {
			if m.boxes[i].round == 0 {
				names[m.boxes[i].name] = true
			}
		}
	}
	return names
}

// mailbox takes a MessageWaiting event or an entry of the list. It runs on
// AMI's reader, so it does nothing that could wait.
func (b *Bridge) mailbox(box ami.Mailbox) {
	users, err := b.lights(box.Name)
	if err != nil {
		b.ignore(box.Name, err)
		return
	}
	b.o.Meter.Received()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, user := range users {
		b.take(user, box)
	}
	b.poke()
}

// take has a user's lamp follow a mailbox.
func (b *Bridge) take(user watchers.AoR, said ami.Mailbox) {
	m, holds := b.desired.mailboxFor(user), counts{new: clamp(said.New), old: clamp(said.Old)}
	c, q := change{why: whyEvent, received: time.Now(), events: 1}, fresh
	if said.Listed {
		c.why, q = whyResync, paced
		if m.settled(said.Name, holds) {
			m.box(said.Name).round = b.desired.round
			return
		}
	}
	x := m.hold(said.Name, holds)
	if said.Listed || x.round != 0 { // an event while the list is read is as good: the mailbox is there
		x.round = b.desired.round
	}
	if !m.known && b.live.Load().Shares.shared[user] {
		return // until all are read
	}
	m.known = true
	if m.queue == none {
		c.id = b.ids.next()
	}
	b.desired.mark(m, q, c)
}

// maxIgnored bounds what is remembered of mailboxes without a domain.
const maxIgnored = 10000

// ignore complains of a mailbox once. The loop writes it: AMI's reader must not
// wait for a log.
func (b *Bridge) ignore(name string, why error) {
	b.mu.Lock()
	if b.ignored == nil {
		b.ignored = make(map[string]bool)
	}
	known := b.ignored[name] || len(b.ignored) == maxIgnored
	if !known {
		b.ignored[name] = true
	}
	b.mu.Unlock()
	if !known {
		b.post(func() {
			b.log.Warn("mailbox left out", zap.String("event", "mailbox_ignored"), zap.String("mailbox", name), zap.Error(why))
		})
	}
}

var errNoDomain = errors.New("its context has no domain: set mailbox.domain")

// aorOf maps a mailbox, user@context, to the user's SIP address.
func (b *Bridge) aorOf(name string) (watchers.AoR, error) {
	user, context, _ := strings.Cut(name, "@")
	if user == "" {
		return watchers.AoR{}, errors.New("the mailbox has no name")
	}
	domain, ok := b.live.Load().Domain(context)
	switch {
	case !ok:
		return watchers.AoR{}, errNoDomain
	case strings.Contains(domain, "@"): // Asterisk's aliases have such contexts
		return watchers.AoR{}, fmt.Errorf("an alias, in %q, of another mailbox, which lights its own user's lamp; [mailbox.domains] can give that context a domain", domain)
	}
	return watchers.AoR{User: user, Domain: domain}, nil
}

// clamp fits a count into what RFC 3842 3.5 lets a body say: up to 2^32-1.
func clamp(n int) uint32 {
	return uint32(max(0, min(int64(n), math.MaxUint32)))
}
