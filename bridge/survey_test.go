package bridge

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"zonkeymwi/watchers"
)

// whole is a ledger that can be read whole, as its rows are when it begins.
type whole struct {
	*memory
	w       *world
	takes   time.Duration
	err     error
	surveys int
}

func (l *whole) Survey(ctx context.Context, each func(watchers.AoR, bool, uint32, uint32)) error {
	var rows []watchers.Dialog
	l.w.lock(func() {
		l.surveys++
		for _, d := range l.w.rows {
			rows = append(rows, d)
		}
	})
	time.Sleep(l.takes)
	if l.err != nil {
		return l.err
	}
	for _, d := range rows {
		a := d.Acked
		each(watchers.AoR{User: d.WatcherUser, Domain: "example.com"},
			d.HasAcked && a.RemoteCSeq == d.RemoteCSeq && a.Expires == d.Expires && a.Contact == d.Contact, a.New, a.Old)
	}
	return nil
}

// acked has the ledger know what a phone shows.
func (w *world) acked(k watchers.Key, n uint32) {
	w.edit(k, func(d *watchers.Dialog) {
		d.Acked = watchers.Acked{New: n, RemoteCSeq: d.RemoteCSeq, Expires: d.Expires, Contact: d.Contact, CSeq: 1}
		d.HasAcked = true
	})
}

const crowdOf = surveyLeast + 500

// afterRestart lists as many mailboxes with one message each, whose phones show
// it but for every hundredth.
func afterRestart(t *testing.T, l *whole, test func(w *world, logs *observer.ObservedLogs)) {
	l.memory = &memory{entries: map[watchers.Key]watchers.Acked{}}
	inWorld(t, Options{Ledger: l, Live: Live{Rate: 10_000}}, func(w *world, logs *observer.ObservedLogs) {
		l.w = w
		w.b.loop.lookupAt = time.Now().Add(time.Second) // so that the list comes before the first lookup
		for n := range crowdOf {
			user := fmt.Sprint(n)
			k := w.phone(user, "c"+user)
			w.acked(k, 1)
			if n%100 == 0 {
				w.acked(k, 0)
			}
			w.list(user, 1, 0)
		}
		w.b.complete()
		test(w, logs)
	})
}

func TestSurvey(t *testing.T) {
	l := &whole{}
	afterRestart(t, l, func(w *world, logs *observer.ObservedLogs) {
		time.Sleep(5 * time.Second)
		if n := w.count(); n != crowdOf/100 {
			t.Errorf("%d NOTIFYs, want %d", n, crowdOf/100)
		}
		if l.surveys != 1 || w.lookups != 1 {
			t.Errorf("%d surveys and %d lookups, want 1 and 1", l.surveys, w.lookups)
		}
		s, err := w.b.Status(w.t.Context())
		if err != nil || s.Dialogs != crowdOf || s.Unconverged.Mailboxes != 0 {
			t.Errorf("status %+v, %v", s, err)
		}
		u, err := w.b.User(w.t.Context(), "1", "example.com")
		if err != nil || len(u.Dialogs) != 1 || u.Dialogs[0].Shows == nil || u.Dialogs[0].Shows.New != 1 || u.Dialogs[0].CSeq != 1 {
			t.Errorf("user 1: %+v, %v", u, err)
		}
		w.event("1", 0, 0)
		time.Sleep(time.Second)
		if got := w.lamp("c1"); got != "0/0" {
			t.Errorf("after an event phone 1 shows %q", got)
		}
		if logs.FilterField(zap.String("event", "survey")).Len() != 1 {
			t.Error("the log does not tell of the survey")
		}
	})
}

// What happens while the ledger is asked is not lost in its answer, which is older.
func TestSurveyIsOvertaken(t *testing.T) {
	afterRestart(t, &whole{takes: 10 * time.Second}, func(w *world, _ *observer.ObservedLogs) {
		time.Sleep(3 * time.Second)
		w.event("1", 2, 0)
		k := watchers.Key{CallID: "c2", ToTag: "server", FromTag: "phone"}
		w.edit(k, func(d *watchers.Dialog) { d.RemoteCSeq++ }) // it has subscribed again
		w.b.subscribed(watchers.AoR{User: "2", Domain: "example.com"})
		time.Sleep(time.Second)
		if c1, c2 := w.lamp("c1"), w.lamp("c2"); c1 != "2/0" || c2 != "1/0" {
			t.Errorf("while the ledger is asked phone 1 shows %q and 2 %q", c1, c2)
		}
		w.lock(func() { w.hang = 4 * time.Second })
		time.Sleep(6 * time.Second)
		w.event("3", 5, 0) // its lookup is under way when the survey ends
		time.Sleep(2 * time.Second)
		if s, _ := w.b.Status(w.t.Context()); s.Unconverged.Mailboxes <= crowdOf/100 {
			t.Errorf("a phone is behind: %+v", s)
		}
		time.Sleep(20 * time.Second)
		if n := w.count(); n != crowdOf/100+3 {
			t.Errorf("%d NOTIFYs, want %d", n, crowdOf/100+3)
		}
		if s, _ := w.b.Status(w.t.Context()); s.Unconverged.Mailboxes != 0 || s.Dialogs != crowdOf {
			t.Errorf("status %+v", s)
		}
	})
}

func TestSurveyFails(t *testing.T) {
	l := &whole{err: errors.New("permission denied")}
	afterRestart(t, l, func(w *world, logs *observer.ObservedLogs) {
		time.Sleep(10 * time.Second)
		if n := w.count(); n != crowdOf/100 {
			t.Errorf("%d NOTIFYs, want %d", n, crowdOf/100)
		}
		if l.surveys != 1 || logs.FilterField(zap.String("event", "survey_failed")).Len() != 1 {
			t.Errorf("%d surveys", l.surveys)
		}
		synctest.Wait()
		if s, _ := w.b.Status(w.t.Context()); s.Unconverged.Mailboxes != 0 || s.Dialogs != crowdOf {
			t.Errorf("status %+v", s)
		}
	})
}
