// Package sim plays the neighbours of the bridge over real sockets: an Asterisk that speaks AMI over TCP, phones that
// answer SIP over UDP, and a small proxy that keeps its presence dialogs in SQLite. The demo shows them, and tests break
// them on purpose: every fault that was seen on running servers can be asked for. What they put on the wire is held
// against captures of real ones in this package's tests.
package sim

import (
	"context"
	"encoding/hex"
	"math/rand/v2"
	"sync"
)

// changes wakes those who wait for a condition. The zero value is ready.
type changes struct {
	mu sync.Mutex
	ch chan struct{}
}

// next is closed by the first wake after this call.
func (c *changes) next() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ch == nil {
		c.ch = make(chan struct{})
	}
	return c.ch
}

func (c *changes) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ch != nil {
		close(c.ch)
		c.ch = nil
	}
}

// await returns when cond holds. It looks again after each wake, so no change is missed and nothing is polled.
func (c *changes) await(ctx context.Context, cond func() bool) error {
	for {
		next := c.next()
		if cond() {
			return nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// randomHex is n random hexadecimal digits, n at most 32. Unique enough for tags and branches; nothing here is secret.
func randomHex(n int) string {
	var b [16]byte
	for i := 0; i < len(b); i += 8 {
		v := rand.Uint64()
		for j := range 8 {
			b[i+j] = byte(v >> (8 * j))
		}
	}
	return hex.EncodeToString(b[:])[:n]
}
