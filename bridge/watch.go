package bridge

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

	"zonkeymwi/watchers"
)

const (
	defaultPoll  = 5 * time.Second
	pollTimeout  = 30 * time.Second
	listenedPoll = 12                     // how many times less often is polled while the database tells by itself
	triggerGap   = time.Minute            // between two looks for a trigger that was not there
	headStart    = 100 * time.Millisecond // the proxy's, see subscribed
	listenGap    = 2 * time.Second        // before a lost connection is made again
)

// runWatch has phones that subscribe, or do again, told without an event: their
// proxy's own NOTIFY is empty, and the next voicemail may be far off. The database tells
// of them where its trigger is installed; otherwise it is asked now and then.
func (b *Bridge) runWatch(ctx context.Context) {
	w := &watch{b: b, now: make(chan struct{}, 1)}
	var tasks sync.WaitGroup
	if b.o.Listen {
		tasks.Go(func() { w.listen(ctx) })
	}
	w.poll(ctx)
	tasks.Wait()
}

type watch struct {
	b    *Bridge
	now  chan struct{} // holds one token when a poll is due at once
	mark watchers.Mark // up to where the polls have seen
	seen bool          // there is a mark

	mu        sync.Mutex
	listening bool
}

// listen hears of changes from the database, for as long as it tells.
func (w *watch) listen(ctx context.Context) {
	for ctx.Err() == nil {
		err := w.b.o.Dialogs.Listen(ctx, func() { w.set(true) }, w.b.subscribed)
		w.set(false)
		wait := listenGap
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, watchers.ErrNoTrigger):
			wait = triggerGap
			w.b.log.Info("new subscriptions are found by polling",
				zap.String("event", "polling"), zap.Error(err), zap.Duration("every", w.b.live.Load().PollInterval))
		default:
			w.b.log.Warn("the database no longer tells of subscriptions", zap.String("event", "listen_lost"),
				zap.Error(err), zap.Duration("retry_in", wait))
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// set notes whether the database tells. What changed while it did not is found
// by a poll: listen first, then ask.
func (w *watch) set(listening bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if listening {
		w.b.log.Info("the database tells of subscriptions", zap.String("event", "listening"))
	}
	w.listening = listening
	select {
	case w.now <- struct{}{}:
	default:
	}
}

func (w *watch) interval() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	interval := w.b.live.Load().PollInterval
	if w.listening {
		return listenedPoll * interval
	}
	return interval
}

// poll asks for what changed since the last time.
func (w *watch) poll(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for failing := false; ; {
		select {
		case <-w.now:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		err := w.changed(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			w.b.log.Warn("new subscriptions could not be asked for", zap.String("event", "poll_failed"), zap.Error(err))
		}
		failing = err != nil
		timer.Reset(w.interval())
	}
}

func (w *watch) changed(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	users, next, err := w.b.o.Dialogs.Changed(ctx, w.mark)
	if err != nil {
		return err
	}
	w.mark = next
	for _, u := range users {
		w.b.subscribed(u)
	}
	if !w.seen {
		w.seen = true
		w.b.lookAgain()
	}
	return nil
}

// lookAgain has every mailbox looked at that is known already: its rows may have
// changed after they were read and before the first mark was taken.
func (b *Bridge) lookAgain() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.desired.mailboxes {
		if m.known {
			b.desired.mark(m, paced, change{id: b.ids.next(), why: whySubscribed, received: time.Now()})
		}
	}
	b.poke()
}

// subscribed has a user looked at whose rows may have changed, once the phone has
// had the proxy's own answer and NOTIFY. The row is there before them: a NOTIFY of
// ours that came first would be one of a dialog that the phone does not know yet,
// and the proxy's an older one that is refused, or puts the lamp out. Of a mailbox
// that Asterisk never spoke of there is nothing to tell.
func (b *Bridge) subscribed(aor watchers.AoR) {
	b.mu.Lock()
	m := b.desired.mailboxes[aor]
	known := m != nil && m.known && !m.heard
	if known {
		m.heard = true
	}
	b.mu.Unlock()
	if known {
		b.post(func() { b.lookSoon(m) })
	}
}

func (b *Bridge) lookSoon(m *mailbox) {
	now := time.Now()
	b.mu.Lock()
	m.heard = false
	if m.queue == none {
		m.change = change{id: b.ids.next(), why: whySubscribed, received: now}
	}
	b.mu.Unlock()
	b.retryAt(m, now.Add(headStart), fresh)
}
