package bridge

import (
	"context"
	"sync"
	"time"

	"zonkeymwi/ami"
	"zonkeymwi/watchers"
)

const (
	agents     = 16   // requests by UserEvent that are served at once
	maxResends = 1024 // and how many may wait: who floods us is told so
)

// agent asks Asterisk for operators, over one session.
type agent struct {
	b *Bridge
	s *ami.Session

	slowUntil time.Time // no use asking before; only lookUp's, of which there is one at a time
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
// unless an event has said something newer while the answer was under way.
func (a *agent) read(ctx context.Context, aor watchers.AoR, name string) error {
	b := a.b
	b.mu.Lock()
	var before uint64
	if m := b.desired.mailboxes[aor]; m != nil {
		before = m.version
	}
	b.mu.Unlock()
	c, err := a.s.MailboxCount(ctx, name)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	m, holds := b.desired.mailboxFor(aor), counts{new: clamp(c.New + c.Urgent), old: clamp(c.Old)}
	if m.version != before || m.settled(name, holds) {
		return nil
	}
	m.hold(name, holds)
	b.desired.mark(m, paced, change{id: b.ids.next(), why: whyResync, received: time.Now()})
	b.poke()
	return nil
}

// urgentTime is how long a lamp waits for the number of urgent messages.
const urgentTime = 300 * time.Millisecond

// urgent asks how many of the new messages are urgent, for all mailboxes of a
// batch at once: neither events nor the list say it. What does not come in time,
// or is of another state than the batch's, is left out.
func (a *agent) urgent(ctx context.Context, batch []work) map[watchers.AoR]uint32 {
	if time.Now().Before(a.slowUntil) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, urgentTime)
	defer cancel()
	var mu sync.Mutex
	var asking sync.WaitGroup
	found := make(map[watchers.AoR]uint32)
	for i := range batch {
		w := &batch[i]
		if !w.known || w.want.new == 0 {
			continue
		}
		asking.Go(func() {
			c, err := a.s.MailboxCount(ctx, w.name)
			if err != nil || clamp(c.New+c.Urgent) != w.want.new {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			found[w.m.aor] = clamp(c.Urgent)
		})
	}
	asking.Wait()
	if ctx.Err() != nil {
		a.slowUntil = time.Now().Add(10 * time.Second)
	}
	return found
}
