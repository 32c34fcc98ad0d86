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
	id     string        // of our UserEvent
	echoed chan struct{} // closed when it came back
	called chan struct{} // closed when an event of class call came

	mu       sync.Mutex
	contexts map[string]int
	numbers  map[string][]string // the contexts of each number
	unlisted map[string]bool     // of those it was to look for
}

func newWitness(lookFor []string) *witness {
	w := &witness{id: rand.Text(), echoed: make(chan struct{}), called: make(chan struct{}),
		contexts: map[string]int{}, numbers: map[string][]string{}, unlisted: map[string]bool{}}
	for _, mailbox := range lookFor {
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
	if known := w.numbers[number]; !slices.Contains(known, context) && (known != nil || len(w.numbers) < mostMailboxes) && len(known) < mostListed {
		w.numbers[number] = append(known, context)
	}
}

func (w *witness) listed() (contexts map[string]int, numbers map[string][]string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.contexts), maps.Clone(w.numbers)
}

// missed are the mailboxes that it was to look for, and that were not listed.
func (w *witness) missed() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(maps.Keys(w.unlisted))
}
