package ami

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	firstPause = time.Second      // before jitter, which takes off up to half
	maxPause   = 30 * time.Second // before jitter
	steady     = 5 * time.Second  // a session that lasted longer starts the pauses anew
)

// Loop calls session, once per connection, until ctx ends. Between two calls it waits 0.5 to 1 s, then up to twice as
// long each time, at most 30 s; a session of more than 5 s begins anew. pause (nil allowed) hears why and how long.
func Loop(ctx context.Context, session func(context.Context) error, pause func(err error, wait time.Duration)) {
	next := firstPause
	for ctx.Err() == nil {
		began := time.Now()
		err := session(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > steady {
			next = firstPause
		}
		wait := next/2 + rand.N(next/2) // jitter: a restarted Asterisk must not meet all its clients at once
		next = min(2*next, maxPause)
		if pause != nil {
			pause(err, wait)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}
