package bridge

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap/zaptest/observer"

	"zonkeymwi/sipua"
	"zonkeymwi/watchers"
)

// A bridge is killed before the ledger has an acknowledgement; meanwhile the
// mailbox returns to what the ledger says that the phone shows.
func TestLedgerIsBehindWhenKilled(t *testing.T) {
	ledger := &memory{entries: map[watchers.Key]watchers.Acked{}}
	lamps, cseqs := map[string]string{}, map[string]uint32{}
	var row watchers.Dialog
	inWorld(t, Options{Ledger: ledger}, func(w *world, _ *observer.ObservedLogs) {
		row = w.rows[w.phone("202", "desk")]
		w.event("202", 1, 0)
		w.shows(10*time.Second, map[string]string{"desk": "1/0"})
		w.event("202", 0, 1)
		w.shows(0, map[string]string{"desk": "0/1"})
		ledger.mu.Lock()
		ledger.err = errors.New("kill -9: nothing is written any more")
		ledger.mu.Unlock()
		lamps, cseqs = w.lamps, w.cseqs
	})
	ledger.err = nil
	inWorld(t, Options{Ledger: ledger}, func(w *world, _ *observer.ObservedLogs) {
		row.Acked, row.HasAcked = ledger.entries[row.Key], true
		w.put(row)
		w.lock(func() { w.cseqs, w.lamps = cseqs, lamps })
		time.Sleep(time.Minute)
		w.list("202", 1, 0) // marked new again while the bridge was away
		w.shows(time.Minute, map[string]string{"desk": "1/0"})
	})
}

// The proxy dies while a phone that has subscribed again waits for an answer.
func TestRefreshedWhileTheProxyDied(t *testing.T) {
	inWorld(t, Options{}, func(w *world, _ *observer.ObservedLogs) {
		want := map[string]string{}
		var k watchers.Key
		w.lock(func() { w.delay = 32 * time.Second })
		w.answers(func(string) sipua.Outcome {
			return sipua.Outcome{Class: sipua.NoAnswer, Err: errors.New("time-out")}
		})
		for i := range 10 {
			k = w.phone(fmt.Sprint(i), fmt.Sprint("p", i))
			if i == 9 { // its NOTIFY ends last
				time.Sleep(time.Second)
			}
			want[fmt.Sprint("p", i)] = "1/0"
			w.event(fmt.Sprint(i), 1, 0)
		}
		time.Sleep(time.Second)
		w.edit(k, func(d *watchers.Dialog) { d.RemoteCSeq++ })
		w.b.subscribed(watchers.AoR{User: "9", Domain: "example.com"})
		time.Sleep(40 * time.Second)
		synctest.Wait()
		w.lock(func() { w.delay = 0 })
		w.answers(nil)
		w.shows(5*time.Minute, want)
	})
}

// One of a user's phones is off, and much happens.
func TestRetriesAreBounded(t *testing.T) {
	inWorld(t, Options{}, func(w *world, _ *observer.ObservedLogs) {
		w.phone("202", "desk")
		w.phone("202", "off")
		w.answers(func(id string) sipua.Outcome {
			if id == "off" {
				return sipua.Outcome{Class: sipua.NoAnswer, Status: 408}
			}
			return sipua.Outcome{Class: sipua.Acknowledged}
		})
		most := 0
		for n := range 6000 {
			w.event("202", n%3, 0)
			time.Sleep(600 * time.Millisecond)
			synctest.Wait()
			most = max(most, len(w.b.loop.retries))
		}
		if most > 8 {
			t.Errorf("%d retries wait for one mailbox", most)
		}
	})
}

// A phone subscribes again and its mailbox changes, both just before the clock's
// next second; the proxy's own NOTIFY has that second's number and comes last.
func TestSubscriptionMeetsEventAtTheTurnOfTheSecond(t *testing.T) {
	inWorld(t, Options{}, func(w *world, _ *observer.ObservedLogs) {
		k := w.phone("202", "desk")
		w.event("202", 1, 0)
		w.shows(10*time.Second, map[string]string{"desk": "1/0"})
		time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(990 * time.Millisecond)))
		w.edit(k, func(d *watchers.Dialog) { d.RemoteCSeq++ })
		w.event("202", 2, 0)
		w.shows(0, map[string]string{"desk": "2/0"})
		time.Sleep(20 * time.Millisecond)
		w.lock(func() { // the proxy's own, of this second: empty, and dark the lamp
			if now := uint32(time.Now().Unix()); now > w.cseqs["desk"] {
				w.cseqs["desk"], w.lamps["desk"] = now, ""
			}
		})
		w.b.subscribed(user202) // a poll, or the trigger
		w.shows(5*time.Second, map[string]string{"desk": "2/0"})
	})
}

// A subscription ends while the database counts its CSeq up.
func TestExpiresWhileItIsNumbered(t *testing.T) {
	inWorld(t, Options{CSeq: CSeqDatabase}, func(w *world, _ *observer.ObservedLogs) {
		w.lock(func() { w.counting = 3 * time.Second })
		w.edit(w.phone("202", "desk"), func(d *watchers.Dialog) { d.Expires = time.Now().Unix() + 2 })
		w.event("202", 1, 0)
		w.shows(time.Minute, map[string]string{})
	})
}
