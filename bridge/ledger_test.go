package bridge

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"zonkeymwi/ami"
	"zonkeymwi/sipua"
	"zonkeymwi/watchers"
)

// What the ledger could not be told to forget before a NOTIFY it is told when it is back.
func TestLedgerForgetsWhenItIsBack(t *testing.T) {
	l := &memory{entries: map[watchers.Key]watchers.Acked{}}
	fails := func(err error) { l.mu.Lock(); l.err = err; l.mu.Unlock() }
	inWorld(t, Options{Ledger: l}, func(w *world, _ *observer.ObservedLogs) {
		k := w.phone("202", "desk")
		w.event("202", 0, 0)
		w.shows(10*time.Second, map[string]string{"desk": "0/0"})
		fails(errors.New("away"))
		w.lock(func() { w.delay = 32 * time.Second })
		w.answers(func(string) sipua.Outcome { return sipua.Outcome{Class: sipua.NoAnswer} })
		w.event("202", 1, 0) // it may take this one, and its answer be lost
		time.Sleep(time.Second)
		fails(nil)
		time.Sleep(time.Second)
		l.mu.Lock()
		defer l.mu.Unlock()
		if got := l.entries[k]; got.Contact != "" || got.CSeq != lastCSeq(w) {
			t.Errorf("the ledger claims %+v", got)
		}
	})
}

// What could not be written does not push out what has come since.
func TestLedgerKeepsTheNewer(t *testing.T) {
	k := watchers.Key{CallID: "desk"}
	l := ledger{log: zap.NewNop(), pending: map[watchers.Key]watchers.Acked{k: {New: 1, CSeq: 1}}}
	batch := l.take()
	l.pending[k] = watchers.Acked{New: 2, CSeq: 2}
	l.putBack(batch)
	if got := l.pending[k]; len(batch) != 1 || got.New != 2 {
		t.Errorf("%+v", got)
	}
	l.putBack(l.take())
	if got := l.pending[k]; got.New != 2 {
		t.Errorf("%+v", got)
	}
}

// What the ledger knows goes for one state of a subscription alone.
func TestAdopt(t *testing.T) {
	row := watchers.Dialog{Contact: "sip:a", RemoteCSeq: 3, Expires: 9, HasAcked: true,
		Acked: watchers.Acked{New: 3, Old: 4, NewUrgent: 2, Contact: "sip:a", RemoteCSeq: 3, Expires: 9, CSeq: 7}}
	for name, c := range map[string]struct {
		change func(*watchers.Dialog)
		shows  bool
		cseq   uint32
	}{
		"the same":      {func(*watchers.Dialog) {}, true, 7},
		"refreshed":     {func(d *watchers.Dialog) { d.RemoteCSeq++ }, false, 7},
		"longer":        {func(d *watchers.Dialog) { d.Expires++ }, false, 7},
		"moved":         {func(d *watchers.Dialog) { d.Contact = "sip:b" }, false, 7},
		"unknown":       {func(d *watchers.Dialog) { d.HasAcked = false }, false, 5},
		"older than it": {func(d *watchers.Dialog) { d.Acked.CSeq = 5 }, false, 5},
	} {
		now := row
		c.change(&now)
		d := dialog{cseq: 5}
		d.adopt(&now, time.Now())
		if d.shows != c.shows || d.cseq != c.cseq || d.shows && d.acked != (counts{3, 4, 2}) {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// slow is an Asterisk that does not say what a mailbox holds.
type slow struct {
	fake
	asked int
}

func (s *slow) MailboxCounts(ctx context.Context, _ []string) map[string]ami.Counts {
	s.asked++
	<-ctx.Done()
	return nil
}

// An Asterisk that is slow to say how many messages are urgent is left alone for a while.
func TestSlowAsteriskIsAskedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{}
		a := &agent{s: s}
		for range 3 {
			a.urgent(t.Context(), []string{"202@example.com"})
		}
		if s.asked != 1 {
			t.Errorf("asked %d times", s.asked)
		}
		time.Sleep(urgentPause)
		a.urgent(t.Context(), []string{"202@example.com"})
		if s.asked != 2 {
			t.Errorf("asked %d times after the pause", s.asked)
		}
	})
}

// What is written is all that a phone acknowledged.
func TestLedgerIsToldAll(t *testing.T) {
	l := ledger{to: &memory{}, log: zap.NewNop(), pending: map[watchers.Key]watchers.Acked{}}
	row := watchers.Dialog{Key: watchers.Key{CallID: "desk"}, Contact: "sip:a", RemoteCSeq: 3, Expires: 9}
	l.note(&outcome{d: &dialog{cseq: 7}, row: &row, sent: counts{3, 4, 2}}, time.Unix(5, 0))
	want := watchers.Acked{New: 3, Old: 4, NewUrgent: 2, RemoteCSeq: 3, Expires: 9, Contact: "sip:a", CSeq: 7, At: 5}
	if got := l.pending[row.Key]; got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
