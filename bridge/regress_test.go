package bridge

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zaptest/observer"

	"zonkeymwi/sipua"
	"zonkeymwi/watchers"
)

// A mailbox that goes back to what the phone showed before, while the NOTIFY of
// the state between is under way, or after its answer was lost.
func TestThereAndBackAgain(t *testing.T) {
	inWorld(t, Options{}, func(w *world, _ *observer.ObservedLogs) {
		w.phone("202", "desk")
		w.event("202", 0, 0)
		w.shows(10*time.Second, map[string]string{"desk": "0/0"})
		w.lock(func() { w.delay = 500 * time.Millisecond })
		w.event("202", 1, 0)
		time.Sleep(200 * time.Millisecond)
		w.event("202", 0, 0)
		w.shows(time.Minute, map[string]string{"desk": "0/0"})

		w.lock(func() { w.loseAnswers = true })
		w.event("202", 1, 0)
		time.Sleep(700 * time.Millisecond) // the phone has it, the bridge does not know
		w.event("202", 0, 0)
		time.Sleep(time.Minute)
		w.lock(func() { w.loseAnswers = false })
		w.shows(2*lastBackOff, map[string]string{"desk": "0/0"})
	})
}

// Mailboxes that toggle at random between few states, over a network that loses
// requests and answers and takes its time: in the end every lamp is right.
func TestRandomToggling(t *testing.T) {
	for seed := range uint64(200) {
		inWorld(t, Options{}, func(w *world, _ *observer.ObservedLogs) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			want := map[string]string{}
			for i := range 5 {
				w.phone(fmt.Sprint(i), fmt.Sprint("a", i))
				w.phone(fmt.Sprint(i), fmt.Sprint("b", i))
			}
			for range 100 {
				w.lock(func() {
					w.delay = time.Duration(rnd.IntN(1500)) * time.Millisecond
					w.loseAnswers, w.loseRequests = rnd.IntN(4) == 0, rnd.IntN(4) == 0
				})
				user, n := rnd.IntN(5), rnd.IntN(3)
				w.event(fmt.Sprint(user), n, 0)
				for _, phone := range []string{"a", "b"} {
					want[fmt.Sprint(phone, user)] = fmt.Sprintf("%d/0", n)
				}
				time.Sleep(time.Duration(rnd.IntN(2000)) * time.Millisecond)
			}
			w.lock(func() { w.delay, w.loseAnswers, w.loseRequests = 0, false, false })
			w.shows(2*lastBackOff, want)
		})
	}
}

// One mailbox whose rows cannot be read darkens no other.
func TestPoisonedRow(t *testing.T) {
	inWorld(t, Options{}, func(w *world, _ *observer.ObservedLogs) {
		want := map[string]string{}
		for i := range 300 {
			w.phone(fmt.Sprint(i), fmt.Sprint("p", i))
			want[fmt.Sprint("p", i)] = "1/0"
		}
		w.lock(func() { w.poison = "poison" })
		w.phone("poison", "poisoned")
		for i := range 150 {
			w.event(fmt.Sprint(i), 1, 0)
		}
		w.event("poison", 1, 0)
		for i := range 150 {
			w.event(fmt.Sprint(150+i), 1, 0)
		}
		w.shows(time.Minute, want)
		w.lock(func() { w.poison = "" })
		want["poisoned"] = "1/0"
		w.shows(lastLookupGap, want)
	})
}

// Phones that are off and fill the transactions hold no fresh event up.
func TestSilentPhonesHoldNoFreshEventUp(t *testing.T) {
	inWorld(t, Options{Live: Live{Rate: 5000}}, func(w *world, _ *observer.ObservedLogs) {
		w.answers(func(id string) sipua.Outcome {
			if id == "now" {
				return sipua.Outcome{Class: sipua.Acknowledged}
			}
			return sipua.Outcome{Class: sipua.NoAnswer, Status: 408}
		})
		w.lock(func() { w.delay = 32 * time.Second })
		for i := range maxInFlight + 1000 {
			w.phone(fmt.Sprint(i), fmt.Sprint("p", i))
		}
		w.phone("now", "now")
		for i := range maxInFlight + 1000 {
			w.list(fmt.Sprint(i), 1, 0)
		}
		time.Sleep(10 * time.Second)
		w.lock(func() { w.delay = 0 })
		if n := w.count(); n < pacedInFlight || n > pacedInFlight+500 {
			t.Errorf("%d NOTIFYs of the resync are in flight, want %d", n, pacedInFlight)
		}
		w.event("now", 1, 0)
		w.shows(0, map[string]string{"now": "1/0"})
	})
}

// A dialog whose row goes and comes back goes on counting.
func TestRowGoneAndBack(t *testing.T) {
	inWorld(t, Options{CSeq: CSeqAhead}, func(w *world, _ *observer.ObservedLogs) {
		k := w.phone("202", "desk")
		row := w.rows[k]
		for n := range 5 {
			w.event("202", n+1, 0)
			time.Sleep(2 * time.Second)
		}
		w.lock(func() { delete(w.rows, k) })
		w.event("202", 7, 0)
		time.Sleep(2 * time.Second)
		w.put(row)
		w.event("202", 8, 0)
		w.shows(0, map[string]string{"desk": "8/0"})
		last := uint32(0)
		for _, s := range w.sent {
			if s.cseq <= last {
				t.Errorf("CSeq %d after %d", s.cseq, last)
			}
			last = s.cseq
		}
		w.lock(func() { delete(w.rows, k) })
		time.Sleep(11 * time.Hour) // it would have expired
		w.event("202", 9, 0)
		w.count()
		if s, _ := w.b.Status(w.t.Context()); s.Dialogs != 0 {
			t.Errorf("%d dialogs are kept", s.Dialogs)
		}
	})
}

// The proxy's clock is ahead of ours.
func TestClockSkew(t *testing.T) {
	inWorld(t, Options{}, func(w *world, _ *observer.ObservedLogs) {
		w.phone("202", "desk")
		w.lock(func() { w.cseqs["desk"] = uint32(time.Now().Unix()) + 300 })
		w.event("202", 1, 0)
		w.shows(20*time.Second, map[string]string{"desk": "1/0"})
	})
}

func TestWhereARequestGoes(t *testing.T) {
	for _, c := range []struct {
		live         Live
		target, want string
	}{
		{Live{}, "", "NOTIFY sip:desk@192.0.2.7 SIP/2.0"},
		{Live{AoR: true}, "", "NOTIFY sip:202@example.com SIP/2.0"},
		{Live{SocketInfo: true}, "udp:192.0.2.1:5060", "NOTIFY sip:desk@192.0.2.7 SIP/2.0"},
		{Live{ContactUser: "asterisk"}, "", "\r\nContact: <sip:asterisk@192.0.2.10:5070>\r\n"},
		{Live{UserAgent: "Lamp"}, "", "\r\nUser-Agent: Lamp\r\n"},
		{Live{VMExten: "*97"}, "", "\r\nMessage-Account: sip:*97@example.com\r\n"},
		{Live{}, "", "\r\nMessage-Account: sip:202@example.com\r\n"},
	} {
		inWorld(t, Options{Live: c.live}, func(w *world, _ *observer.ObservedLogs) {
			w.edit(w.phone("202", "desk"), func(d *watchers.Dialog) {
				if c.live.ContactUser != "" {
					d.LocalContact = ""
				}
			})
			w.event("202", 1, 0)
			w.shows(0, map[string]string{"desk": "1/0"})
			if got := w.sent[0]; got.target != c.target || !strings.Contains(got.bytes, c.want) ||
				!strings.Contains(got.bytes, "\r\nFrom: <sip:202@example.com>;tag=server\r\nTo: <sip:202@example.com>;tag=phone\r\n") {
				t.Errorf("to %q, want %q with %q:\n%s", got.target, c.target, c.want, got.bytes)
			}
		})
	}
}

// A challenge costs a CSeq; the next NOTIFY goes on from there.
func TestChallengedCSeq(t *testing.T) {
	inWorld(t, Options{CSeq: CSeqDatabase}, func(w *world, _ *observer.ObservedLogs) {
		w.phone("202", "desk")
		w.lock(func() { w.challenged = 1 })
		w.event("202", 1, 0)
		time.Sleep(5 * time.Second)
		w.event("202", 2, 0)
		w.shows(0, map[string]string{"desk": "2/0"})
		if a, b := w.sent[0].cseq, w.sent[1].cseq; b <= a+1 {
			t.Errorf("CSeq %d after %d and its repetition with credentials", b, a)
		}
	})
}

func TestDatabaseErrorIsShownOnce(t *testing.T) {
	inWorld(t, Options{}, func(w *world, logs *observer.ObservedLogs) {
		w.phone("202", "desk")
		w.fails(errors.New("connection refused"))
		w.event("202", 1, 0)
		time.Sleep(time.Minute)
		received := 0
		for _, e := range logs.All() {
			if e.ContextMap()["event"] == "mwi_received" {
				received++
			}
		}
		if received != 1 {
			t.Errorf("mwi_received is in the log %d times for one event", received)
		}
	})
}

func TestClamp(t *testing.T) {
	for in, want := range map[int]uint32{-1: 0, 0: 0, 7: 7, 1<<32 - 1: 1<<32 - 1, 1 << 40: 1<<32 - 1} {
		if got := clamp(in); got != want {
			t.Errorf("clamp(%d) = %d", in, got)
		}
	}
}
