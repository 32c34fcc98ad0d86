package bridge

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"zonkeymwi/ami"
)

// fake is an Asterisk as a session shows it, for the logic of time.
type fake struct {
	w     *world
	pause time.Duration // between two entries
	err   error         // at the list's end
	done  chan struct{}

	mu     sync.Mutex
	list   []ami.Mailbox
	counts map[string]ami.Counts
	refuse bool // to say what one mailbox holds
	lists  int
	asked  []string
}

func newFake(w *world, list ...ami.Mailbox) *fake {
	for i := range list {
		list[i].Listed = true
	}
	return &fake{w: w, list: list, counts: make(map[string]ami.Counts), done: make(chan struct{})}
}

func (f *fake) Mailboxes(context.Context) (int, error) {
	f.mu.Lock()
	f.lists++
	list := slices.Clone(f.list)
	f.mu.Unlock()
	for _, m := range list {
		f.w.b.mailbox(m)
		time.Sleep(f.pause)
	}
	return len(list), f.err
}

func (f *fake) MailboxCount(_ context.Context, name string) (ami.Counts, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, name)
	if f.refuse {
		return ami.Counts{}, errors.New("permission denied")
	}
	return f.counts[name], nil
}

func (f *fake) MailboxCounts(context.Context, []string) map[string]ami.Counts { return nil }

func (f *fake) SendUserEvent(context.Context, string, ...ami.Header) error { return nil }

// listed is how often its list was asked for.
func (f *fake) listed() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lists
}

func (f *fake) Done() <-chan struct{} { return f.done }
func (f *fake) Err() error            { return errors.New("the connection is cut") }
