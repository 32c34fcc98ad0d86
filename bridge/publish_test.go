package bridge

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"zonkeymwi/watchers"
)

// wants are the PUBLISHes since it was last called.
func (p *presence) wants(after time.Duration, want ...string) {
	p.t.Helper()
	time.Sleep(after)
	if got := p.said(); !slices.Equal(got, want) {
		p.t.Fatalf("after %v it was sent %q, want %q", after, got, want)
	}
}

func TestPublication(t *testing.T) {
	inPresence(t, 1, func(p *presence) {
		b, stop := p.publisher(nil)
		defer stop()
		holds(b, "202", 1, 0)
		p.wants(time.Second, "1/0  200")
		holds(b, "202", 0, 1)
		p.wants(time.Second, "0/1 e1 200")   // cleared by "no", never by Expires: 0
		p.wants(3*time.Second, "0/1 e2 200") // once more, see confirmAfter
		holds(b, "202", 0, 1)
		p.wants(25 * time.Minute) // nothing changed, and it lives for an hour
		p.wants(25*time.Minute, "0/1 e3 200")
		for range 20 {
			time.Sleep(time.Hour)
			if counts, n := p.shows(user202.URI()); counts != "0/1" || n != 1 {
				t.Fatalf("the phones see %q of %d publications", counts, n)
			}
		}
	})
}

func TestPreconditionFailed(t *testing.T) {
	inPresence(t, 1, func(p *presence) {
		b, stop := p.publisher(nil)
		defer stop()
		holds(b, "202", 1, 0)
		p.wants(time.Second, "1/0  200")
		p.lock(func() { clear(p.live) })
		holds(b, "202", 2, 0)
		p.wants(100*time.Millisecond, "2/0 e1 412", "2/0  200")
		p.lock(func() { p.status = 412 }) // to whatever it is sent: it must not go round in circles
		holds(b, "202", 3, 0)
		time.Sleep(time.Minute)
		if n := len(p.said()); n < 3 || n > 8 {
			t.Errorf("%d requests in a minute", n)
		}
		p.lock(func() { p.status = 0 })
		time.Sleep(10 * time.Minute)
		if counts, _ := p.shows(user202.URI()); counts != "3/0" {
			t.Errorf("the phones see %q", counts)
		}
	})
}

func TestIntervalTooBrief(t *testing.T) {
	inPresence(t, 1, func(p *presence) {
		p.least = 7200
		b, stop := p.publisher(nil)
		defer stop()
		holds(b, "202", 1, 0)
		p.wants(100*time.Millisecond, "1/0  423", "1/0  200")
		p.wants(50*time.Minute, "1/0 e1 200")
		holds(b, "202", 2, 0)
		p.wants(time.Second, "2/0 e2 200") // it has learned
		p.lock(func() { p.least = 1 << 30 })
		holds(b, "202", 3, 0)
		time.Sleep(time.Minute)
		if n := len(p.said()); n < 3 || n > 8 {
			t.Errorf("%d requests in a minute", n)
		}
	})
}

// A server that grants less than was asked for is refreshed in time.
func TestShortExpires(t *testing.T) {
	inPresence(t, 1, func(p *presence) {
		p.most = 120
		b, stop := p.publisher(nil)
		defer stop()
		holds(b, "202", 1, 0)
		time.Sleep(time.Second)
		for range 60 {
			time.Sleep(time.Minute)
			if counts, n := p.shows(user202.URI()); counts != "1/0" || n != 1 {
				t.Fatalf("the phones see %q of %d publications", counts, n)
			}
		}
	})
}

// A server whose ETag cannot be sent back is published to afresh each time.
func TestStrangeETag(t *testing.T) {
	inPresence(t, 1, func(p *presence) {
		p.prefix = "<"
		b, stop := p.publisher(nil)
		defer stop()
		holds(b, "202", 1, 0)
		p.wants(time.Second, "1/0  200")
		holds(b, "202", 2, 0)
		p.wants(time.Second, "2/0  200")
	})
}

// With the ledger a restart goes on with its publications; without, there are
// two for a while, of which the newest counts.
func TestPublicationsOutliveTheBridge(t *testing.T) {
	for _, ledger := range []*memory{{entries: map[watchers.Key]watchers.Acked{}}, nil} {
		inPresence(t, 1, func(p *presence) {
			start := func() (*Bridge, func()) {
				if ledger == nil {
					return p.publisher(nil)
				}
				return p.publisher(ledger)
			}
			b, stop := start()
			holds(b, "202", 1, 0)
			holds(b, "203", 4, 0)
			time.Sleep(time.Second)
			stop()
			p.said()
			b, stop = start()
			holds(b, "203", 4, 0)
			holds(b, "202", 2, 0)
			time.Sleep(time.Second)
			want, live := []string{"2/0 e1 200"}, 1
			if ledger == nil {
				want, live = []string{"2/0  200", "4/0  200"}, 2
			}
			got := p.said()
			slices.Sort(got)
			if !slices.Equal(got, want) {
				if !(ledger != nil && len(got) == 1 && got[0] == "2/0 e2 200") { // which was first is chance
					t.Errorf("it was sent %q, want %q", got, want)
				}
			}
			for i := range 3 {
				if counts, n := p.shows(user202.URI()); counts != "2/0" || n != live {
					t.Errorf("%d h later the phones see %q of %d publications, want %d", i, counts, n, live)
				}
				live = 1
				time.Sleep(time.Hour)
			}
			stop()
			b, stop = start()
			defer stop()
			time.Sleep(2 * time.Hour) // what the ledger has is over
			p.said()
			holds(b, "202", 5, 0)
			p.wants(time.Second, "5/0  200")
		})
	}
}

// Whatever is lost, forgotten or killed on the way: in the end the phones see
// what the mailboxes hold, and old publications do not pile up.
func TestPublishSimulation(t *testing.T) {
	kills, lost := 0, 0
	for seed := range uint64(40) {
		inPresence(t, seed, func(p *presence) {
			ledger := &memory{entries: map[watchers.Key]watchers.Acked{}}
			var to Ledger
			if seed%4 > 0 {
				to = ledger
			}
			b, stop := p.publisher(to)
			truth := [3]int{}
			tell := func() {
				for i, n := range truth {
					holds(b, fmt.Sprint(200+i), n, 0)
				}
			}
			for range 30 {
				time.Sleep(time.Duration(p.rnd.IntN(int(20 * time.Minute))))
				i := p.rnd.IntN(len(truth))
				truth[i] = p.rnd.IntN(4)
				holds(b, fmt.Sprint(200+i), truth[i], 0)
				switch p.rnd.IntN(8) {
				case 0:
					p.lock(func() { p.loss = 10 * p.rnd.IntN(8) })
				case 1:
					p.lock(func() { clear(p.live); lost++ })
				case 2:
					p.lock(func() { p.status = []int{0, 500, 489, 503}[p.rnd.IntN(4)] })
				case 3:
					ledger.mu.Lock() // what it was last told is lost with the crash
					before := map[watchers.Key]watchers.Acked{}
					for k, a := range ledger.entries {
						switch p.rnd.IntN(3) {
						case 0: // only that something was about to be sent, in place of what is gone
							a.Contact, a.ETag = "", "gone"
							fallthrough
						case 1:
							before[k] = a
						}
					}
					ledger.mu.Unlock()
					stop()
					kills++
					ledger.entries = before
					b, stop = p.publisher(to)
					tell()
				}
			}
			p.lock(func() { p.loss, p.status = 0, 0 })
			time.Sleep(2 * time.Hour)
			synctest.Wait()
			for i, want := range truth {
				counts, n := p.shows(fmt.Sprintf("sip:%d@example.com", 200+i))
				if counts != fmt.Sprint(want, "/0") && (counts != "" || want != 0) || n > 1 {
					t.Errorf("seed %d: phones of %d see %q of %d publications, want %d", seed, 200+i, counts, n, want)
				}
			}
			stop()
		})
	}
	if kills == 0 || lost == 0 {
		t.Error("nothing was tried")
	}
	t.Logf("%d restarts, %d times the server forgot everything", kills, lost)
}
