package bridge

import (
	"fmt"
	"testing"
	"time"

	"go.uber.org/zap/zaptest/observer"

	"zonkeymwi/watchers"
)

// A resync in which little has changed is a matter of few lookups; one in which
// everything has keeps to its rate from the start.
func TestResyncStepsGrowWhereLittleHasChanged(t *testing.T) {
	const users, rate = 2000, 500
	ledger := &memory{entries: map[watchers.Key]watchers.Acked{}}
	inWorld(t, Options{Ledger: ledger, Live: Live{Rate: rate}}, func(w *world, _ *observer.ObservedLogs) {
		for n := range users {
			k := w.phone(fmt.Sprint(n), fmt.Sprint("c", n))
			if n%100 > 0 { // its phone shows what it is to show
				w.edit(k, func(d *watchers.Dialog) {
					d.Acked, d.HasAcked = watchers.Acked{New: 1, RemoteCSeq: d.RemoteCSeq, Expires: d.Expires, Contact: d.Contact, CSeq: 1}, true
				})
			}
			w.list(fmt.Sprint(n), 1, 0)
		}
		time.Sleep(10 * time.Second)
		if n := w.count(); n != users/100 {
			t.Errorf("%d NOTIFYs, want %d", n, users/100)
		}
		if w.lookups > 4+users/rate*2 {
			t.Errorf("%d lookups for %d mailboxes", w.lookups, users)
		}
	})
	inWorld(t, Options{Live: Live{Rate: rate}}, func(w *world, _ *observer.ObservedLogs) {
		for n := range users {
			w.phone(fmt.Sprint(n), fmt.Sprint("c", n))
			w.list(fmt.Sprint(n), 1, 0)
		}
		time.Sleep(time.Second)
		if n := w.count(); n > rate*12/10 {
			t.Errorf("%d NOTIFYs in the first second, at most %d are wanted", n, rate)
		}
		time.Sleep(6 * time.Second)
		if n := w.count(); n != users {
			t.Errorf("%d NOTIFYs, want %d", n, users)
		}
	})
}
