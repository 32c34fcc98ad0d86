package bridge

import (
	"context"
	"sync"

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
	if m := b.desired.mailboxFor(aor); m.version == before {
		m.hold(name, counts{new: clamp(c.New + c.Urgent), old: clamp(c.Old)})
	}
	return nil
}
