package bridge

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	agents     = 16   // requests by UserEvent that are served at once
	maxResends = 1024 // and how many may wait: who floods us is told so
)

// agent asks Asterisk for operators, over one session.
type agent struct {
	b *Bridge
	s asterisk

	slowUntil atomic.Int64 // Unix nanoseconds; no use asking for urgent messages before
}

// work serves the requests that come by UserEvent until ctx ends.
func (a *agent) work(ctx context.Context) {
	var workers sync.WaitGroup
	for range agents {
		workers.Go(func() {
			for {
				select {
				case r := <-a.b.resends:
					a.resend(ctx, r)
				case <-ctx.Done():
					return
				}
			}
		})
	}
	workers.Wait()
}

// read asks what a mailbox holds, and has the bridge take it for the truth
// unless an event has said something newer while the answer was under way. Of a
// mailbox that there is not Asterisk says that it holds nothing; it is not made.
func (a *agent) read(ctx context.Context, name string) error {
	b := a.b
	users, err := b.lights(name)
	if err != nil {
		return err
	}
	before := make([]uint64, len(users))
	b.mu.Lock()
	for i, user := range users {
		if m := b.desired.mailboxes[user]; m != nil {
			before[i] = m.version
		}
	}
	b.mu.Unlock()
	c, err := a.s.MailboxCount(ctx, name)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	holds := counts{new: clamp(c.New + c.Urgent), old: clamp(c.Old)}
	for i, user := range users {
		if m := b.desired.mailboxes[user]; holds == (counts{}) && (m == nil || m.box(name) == nil) {
			continue
		}
		m := b.desired.mailboxFor(user)
		if m.version != before[i] || m.settled(name, holds) {
			continue
		}
		m.hold(name, holds)
		m.known = true
		b.desired.mark(m, paced, change{id: b.ids.next(), why: whyResync, received: time.Now()})
	}
	b.poke()
	return nil
}
