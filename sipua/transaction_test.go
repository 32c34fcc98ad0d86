package sipua

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// mem is a UA with RFC timers in a synctest bubble, and its network.
func mem(t *testing.T, peer func(c *memConn, b []byte)) *UA {
	c := newMemConn()
	c.peer = func(b []byte) { peer(c, b) }
	u, err := New(Config{Proxy: Proxy{Host: "127.0.0.2"}, Conn: c})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.Close() })
	return u
}

// RFC 3261 17.1.2.2: E doubles from T1 to T2, F ends it at 64*T1.
func TestTimersEAndFWhenNothingComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var at []float64
		u := mem(t, func(_ *memConn, _ []byte) { at = append(at, time.Since(start).Seconds()) })
		o := u.Do(context.Background(), notify("sip:a@127.0.0.1", 10))
		synctest.Wait()
		want(t, o, NoAnswer, 0)
		if !errors.Is(o.Err, ErrTimeout) || !strings.Contains(o.Err.Error(), "udp:127.0.0.2:5060") {
			t.Error(o.Err)
		}
		if took := time.Since(start); took != 32*time.Second {
			t.Errorf("ended after %v", took)
		}
		exact := []float64{0, .5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5}
		if !slices.Equal(at, exact) || o.Sent != len(exact) {
			t.Errorf("sent %d times, at %v", o.Sent, at)
		}
	})
}

// A provisional response makes E T2 once it has expired; F stays.
func TestTimersEAndFAfterProvisional(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var at []float64
		u := mem(t, func(c *memConn, b []byte) {
			if at = append(at, time.Since(start).Seconds()); len(at) == 2 {
				c.in <- answer(b, "100 Trying", "")
			}
		})
		o := u.Do(context.Background(), notify("sip:a@127.0.0.1", 10))
		synctest.Wait()
		want(t, o, NoAnswer, 0)
		if took := time.Since(start); took != 32*time.Second {
			t.Errorf("ended after %v", took)
		}
		if exact := []float64{0, .5, 1.5, 5.5, 9.5, 13.5, 17.5, 21.5, 25.5, 29.5}; !slices.Equal(at, exact) {
			t.Errorf("sent at %v", at)
		}
	})
}

func TestFinalResponseStopsTheTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		u := mem(t, func(c *memConn, b []byte) {
			if sent++; sent == 3 {
				c.in <- answer(b, "200 OK", "")
				c.in <- answer(b, "200 OK", "") // Timer K's business
				c.in <- answer(b, "481 Gone", "")
			}
		})
		o := u.Do(context.Background(), notify("sip:a@127.0.0.1", 10))
		synctest.Wait()
		want(t, o, Acknowledged, 200)
		time.Sleep(time.Minute)
		synctest.Wait()
		if sent != 3 || o.Sent != 3 {
			t.Errorf("sent %d times, outcome says %d", sent, o.Sent)
		}
		if err := lookBusy(u); err != nil {
			t.Error(err)
		}
	})
}

// lossy drops 30 % of the datagrams of each direction, the same ones at each run.
func lossy(direction, user string, n int) bool {
	h := fnv.New32a()
	fmt.Fprint(h, direction, user, n, "seed 3")
	x := h.Sum32()
	x ^= x >> 15 // FNV's last bytes alone do not mix well
	x *= 0x2c1b3c6d
	x ^= x >> 13
	return x%100 < 30
}

// With 30 % of requests and 30 % of responses lost, every transaction ends exactly when the first exchange that came through
// whole says it must.
func TestEveryTransactionDeliversDespiteLoss(t *testing.T) {
	const n = 1000
	schedule := []time.Duration{0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500}
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		sent := make(map[string]int)
		u := mem(t, func(c *memConn, b []byte) {
			user := string(b[len("NOTIFY sip:"):strings.IndexByte(string(b), '@')])
			i := sent[user]
			sent[user]++
			if !lossy("request", user, i) && !lossy("response", user, i) {
				c.in <- answer(b, "200 OK", "")
			}
		})
		var wg sync.WaitGroup
		for i := range n {
			user := fmt.Sprint("u", i)
			first := slices.IndexFunc(schedule, func(d time.Duration) bool {
				k := slices.Index(schedule, d)
				return !lossy("request", user, k) && !lossy("response", user, k)
			})
			if first < 0 {
				t.Fatalf("%s loses all its datagrams: choose another seed", user)
			}
			wg.Add(1)
			u.Send(notify("sip:"+user+"@127.0.0.1", 10), func(o Outcome) {
				defer wg.Done()
				took := time.Since(start)
				if o.Class != Acknowledged || took != schedule[first]*time.Millisecond || o.Sent != first+1 {
					t.Errorf("%s: %v after %v, sent %d times; the %d. should have delivered", user, o.Class, took, o.Sent, first+1)
				}
			})
		}
		wg.Wait()
		if err := lookBusy(u); err != nil {
			t.Error(err)
		}
	})
}

func TestStrayResponsesAreIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		u := mem(t, func(c *memConn, b []byte) {
			if sent++; sent == 2 {
				c.in <- answer(b, "202 Accepted", "")
				return
			}
			good := string(answer(b, "481 Gone", ""))
			for _, bad := range []string{
				"", "\r\n\r\n", "\x00\xff garbage", string(b), good[:len(good)-3],
				strings.Replace(good, "z9hG4bK", "z9hG4bK0", 1),
				strings.Replace(good, " NOTIFY", " PUBLISH", 1),
				strings.Replace(good, "branch=z9hG4bK", "branch=z9hG4bX", 1),
				strings.Replace(good, "Via: ", "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nVia: ", 1),
				strings.Replace(good, "\r\nFrom", ", SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom", 1),
				strings.Replace(good, "481", "99", 1), strings.Replace(good, "481", "4811", 1),
				strings.Replace(good, "Content-Length: 0", "Content-Length: 9", 1),
			} {
				c.in <- []byte(bad)
			}
		})
		o := u.Do(context.Background(), notify("sip:a@127.0.0.1", 10))
		synctest.Wait()
		want(t, o, Acknowledged, 202)
	})
}

func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := mem(t, func(*memConn, []byte) {})
		done := 0
		for range 100 {
			u.Send(notify("sip:a@127.0.0.1", 10), func(o Outcome) {
				if done++; o.Class != NoAnswer || !errors.Is(o.Err, ErrClosed) {
					t.Errorf("%v %v", o.Class, o.Err)
				}
			})
		}
		if u.Close() != nil || done != 100 {
			t.Errorf("%d of 100 ended", done)
		}
		o := u.Do(context.Background(), notify("sip:a@127.0.0.1", 10))
		if want(t, o, NoAnswer, 0); !errors.Is(o.Err, ErrClosed) {
			t.Error(o.Err)
		}
		if err := u.Close(); err != nil {
			t.Error("a second Close:", err)
		}
	})
}

func TestRequestsAtFaultAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := mem(t, func(*memConn, []byte) { t.Error("something was sent") })
		broken := errors.New("unsafe contact")
		for name, r := range map[string]Request{
			"no render":    {Method: "NOTIFY"},
			"render fails": {Method: "NOTIFY", Render: func([]byte, Attempt) ([]byte, error) { return nil, broken }},
			"no branch":    {Method: "NOTIFY", Render: func(b []byte, _ Attempt) ([]byte, error) { return append(b, "NOTIFY"...), nil }},
			"bad target":   {Method: "NOTIFY", Target: "sctp:127.0.0.1:5060"},
		} {
			o := u.Do(context.Background(), r)
			if o.Class != Refused || o.Err == nil || o.Sent != 0 {
				t.Errorf("%s: %v, sent %d, %v", name, o.Class, o.Sent, o.Err)
			}
			if name == "render fails" && !errors.Is(o.Err, broken) {
				t.Error(o.Err)
			}
		}
	})
}

func TestDoStopsWaitingWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := mem(t, func(*memConn, []byte) {})
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		o := u.Do(ctx, notify("sip:a@127.0.0.1", 10))
		if want(t, o, NoAnswer, 0); !errors.Is(o.Err, context.DeadlineExceeded) {
			t.Error(o.Err)
		}
	})
}
