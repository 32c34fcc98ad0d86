package bridge

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"zonkeymwi/ami"
	"zonkeymwi/sipua"
	"zonkeymwi/watchers"
)

// crowd is a database of users with two phones each, which is not kept in
// memory, and a proxy that answers at once or not at all.
type crowd struct {
	dead  atomic.Bool
	sends atomic.Int64
	ends  int64
}

func (c *crowd) Dialogs(_ context.Context, users []watchers.AoR) (map[watchers.AoR][]watchers.Dialog, error) {
	found := make(map[watchers.AoR][]watchers.Dialog, len(users))
	for _, u := range users {
		for _, phone := range []string{"desk", "mobile"} {
			found[u] = append(found[u], watchers.Dialog{
				Key:        watchers.Key{CallID: strings.Repeat("0123456789abcdef", 2) + u.User + phone, ToTag: "a6a1c5f60faecf035a1ae5b6e96e979a-" + u.User, FromTag: "9fxced76sl" + u.User},
				Presentity: u.URI(), WatcherUser: u.User, WatcherDomain: u.Domain, ToUser: u.User, ToDomain: u.Domain,
				Contact: fmt.Sprintf("sip:%s@192.0.2.7:5062;transport=udp;line=%s", u.User, phone), LocalContact: fmt.Sprint("sip:192.0.2.20:", 5060),
				SocketInfo: fmt.Sprint("udp:192.0.2.20:", 5060), Expires: c.ends, Status: 1, LocalCSeq: 1, RemoteCSeq: 1})
		}
	}
	return found, nil
}

func (c *crowd) NextCSeq(context.Context, []watchers.Dialog) (map[watchers.Key]uint32, error) {
	return nil, errors.New("not in this test")
}
func (c *crowd) Flavour(context.Context) (watchers.Flavour, error) { return watchers.Kamailio, nil }
func (c *crowd) Changed(context.Context, watchers.Mark) (users []watchers.AoR, next watchers.Mark, err error) {
	return nil, next, nil
}
func (c *crowd) Listen(context.Context, func(), func(watchers.AoR)) error {
	return watchers.ErrNoTrigger
}

func (c *crowd) Send(r sipua.Request, done func(sipua.Outcome)) {
	c.sends.Add(1)
	_, _ = r.Render(nil, sipua.Attempt{Transport: "UDP", SentBy: "192.0.2.10:5070", Branch: "z9hG4bKcrowd", CSeq: r.CSeq})
	o, wait := sipua.Outcome{Class: sipua.Acknowledged, Status: 200, CSeq: r.CSeq}, time.Millisecond
	if c.dead.Load() {
		o, wait = sipua.Outcome{Class: sipua.NoAnswer, CSeq: r.CSeq, Err: errors.New("no answer")}, transactionTime
	}
	time.AfterFunc(wait, func() { done(o) })
}

// With the proxy gone for an hour of events, the bridge's memory is that of its
// mailboxes and dialogs, and of nothing that happened. The bubble fails where a
// goroutine is left after the stop.
func TestMemoryIsBounded(t *testing.T) {
	users, events := 100_000, 72_000
	if raceEnabled || testing.Short() {
		users, events = 5_000, 18_000
	}
	const perMailbox = 8 << 10 // bytes; it is some 3 KB
	synctest.Test(t, func(t *testing.T) {
		base := heapInUse()
		c := &crowd{ends: time.Now().Unix() + 36000}
		b, err := New(Options{Dialogs: c, Sender: c, Live: Live{Template: testTemplate, Rate: 20_000}, Drain: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { b.Run(ctx); close(ended) }()
		event := func(user, n int, listed bool) {
			b.mailbox(ami.Mailbox{Name: fmt.Sprint(user, "@example.com"), New: n, Listed: listed})
		}
		for u := range users {
			event(u, 1, true)
		}
		time.Sleep(2 * time.Minute)
		if n := int(c.sends.Load()); n != 2*users {
			t.Errorf("%d NOTIFYs of a resync, want %d", n, 2*users)
		}
		heap := []int64{heapInUse() - base}
		c.dead.Store(true)
		for quarter := range 4 {
			for i := range events / 4 {
				event((i*7919)%users, quarter*i%5, false)
				time.Sleep(time.Hour / time.Duration(events))
			}
			for u := range users { // a resync finds what the events said
				event(u, u%5, true)
			}
			heap = append(heap, heapInUse()-base)
		}
		if n := int(c.sends.Load()) - 2*users; n > 2*(maxInFlight+3600/32) {
			t.Errorf("%d NOTIFYs to a dead proxy", n)
		}
		for i, h := range heap {
			t.Logf("%d mailboxes, %d dialogs, proxy dead for %2d min: %4d MiB, %d bytes a mailbox", users, 2*users, 15*i, h>>20, h/int64(users))
			if h > int64(users)*perMailbox {
				t.Errorf("%d bytes a mailbox, want less than %d", h/int64(users), perMailbox)
			}
		}
		if last, first := heap[4], heap[1]; last > first+first/10+4<<20 {
			t.Errorf("the heap has grown from %d to %d bytes in 45 min", first, last)
		}
		cancel()
		<-ended
	})
}

func heapInUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
