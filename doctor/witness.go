package doctor

import (
	"crypto/rand"
	"maps"
	"slices"
	"strings"
	"sync"

	"zonkeymwi/ami"
)

// What a hostile Asterisk can make us remember.
const (
	mostListed    = 1000 // contexts
	mostMailboxes = 200_000
)

// witness hears what Asterisk sends.
type witness struct {
	c      *checkup
	id     string        // of our UserEvent
	echoed chan struct{} // closed when it came back
	called chan struct{} // closed when an event of class call came

	mu       sync.Mutex
	contexts map[string]int
	unlisted map[string]bool   // of those it was to look for
	lights   map[string]string // a user's address: the first mailbox of it
	twins    twins
}

// twins are mailboxes that light the same lamp as one before them.
type twins struct {
	n                    int
	mailbox, first, user string // of the first of them
}

func (c *checkup) newWitness() *witness {
	w := &witness{c: c, id: rand.Text(), echoed: make(chan struct{}), called: make(chan struct{}),
		contexts: map[string]int{}, unlisted: map[string]bool{}, lights: map[string]string{}}
	for _, mailbox := range c.Shares {
		w.unlisted[mailbox] = true
	}
	return w
}

func (w *witness) handler() ami.Handler {
	echo, call := sync.OnceFunc(func() { close(w.echoed) }), sync.OnceFunc(func() { close(w.called) })
	return ami.Handler{
		Mailbox: func(b ami.Mailbox) {
			if !b.Listed {
				call()
				return
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.list(b.Name)
		},
		UserEvent: func(e ami.UserEvent) {
			if e.Get("Id") == w.id {
				echo()
			}
		},
		Other: func(m ami.Message) {
			if m.Event() != "" && strings.HasPrefix(m.Get("Privilege"), "call,") {
				call()
			}
		},
	}
}

// list takes a mailbox of the list.
func (w *witness) list(name string) {
	delete(w.unlisted, name)
	number, context, _ := strings.Cut(name, "@")
	if _, known := w.contexts[context]; known || len(w.contexts) < mostListed {
		w.contexts[context]++
	}
	domain, ok := w.c.Domain(context)
	user := number + "@" + domain
	switch first := w.lights[user]; {
	case !ok || first == name:
	case first != "" && w.twins.n == 0:
		w.twins = twins{1, name, first, user}
	case first != "":
		w.twins.n++
	case len(w.lights) < mostMailboxes:
		w.lights[user] = name
	}
}

func (w *witness) listed() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.contexts)
}

func (w *witness) together() twins {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.twins
}

// missed are the mailboxes that it was to look for, and that were not listed.
func (w *witness) missed() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(maps.Keys(w.unlisted))
}
