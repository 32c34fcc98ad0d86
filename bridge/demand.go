package bridge

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"zonkeymwi/sipua"
	"zonkeymwi/watchers"
)

// demand is an operator's wish to have a user's phones told now, and to hear
// what each answered. It is served by the same loop as everything else.
type demand struct {
	counts  *counts // to be told once; nil: what the mailbox holds
	version uint64  // of the mailbox when they were given: what Asterisk says later is newer
	err     error   // why nobody was told
	resent  Resent
	waiting map[*dialog]string // those that have not answered, and their Call-IDs
	served  bool
	over    bool
	done    chan Resent // takes one
}

// demandTime is how long a demand waits for answers: for one transaction (RFC
// 3261 Timer F), and what goes before. A phone whose last is still under way may
// take longer.
const demandTime = 34 * time.Second

const unspoken = "Asterisk neither lists this mailbox nor has spoken of it, so it holds nothing; should it have another context, map that in [mailbox.domains]"

// Notify sends a user's phones the given counts, once, or with nil what the
// mailbox holds, whether they show it already or not. A mailbox that Asterisk
// neither lists nor has spoken of holds nothing: that is sent once, too. It
// returns what each phone answered within 34 s. It fails when ctx ends first,
// and when Asterisk cannot be asked.
func (b *Bridge) Notify(ctx context.Context, user, domain string, c *Counts) (Resent, error) {
	return b.notify(ctx, watchers.AoR{User: user, Domain: domain}, "", c)
}

// notify is Notify; name is the mailbox's where the caller knows it.
func (b *Bridge) notify(ctx context.Context, aor watchers.AoR, name string, c *Counts) (Resent, error) {
	d := &demand{resent: Resent{Mailbox: aor.User + "@" + aor.Domain, Results: []Delivery{}}, done: make(chan Resent, 1)}
	if c != nil {
		d.counts = &counts{new: c.New, old: c.Old, newUrgent: c.Urgent}
	} else if known, err := b.readMailbox(ctx, aor, name); err != nil {
		return Resent{}, err
	} else if !known {
		d.counts, d.resent.Note = new(counts), unspoken
	}
	b.mu.Lock()
	m := b.desired.mailboxFor(aor)
	d.version = m.version
	m.demands = append(m.demands, d)
	b.desired.mark(m, fresh, change{id: b.ids.next(), why: whyForced, received: time.Now()})
	b.mu.Unlock()
	b.poke()
	late := time.AfterFunc(demandTime, func() { b.post(func() { d.giveUp(b.loop.breaker.open) }) })
	defer late.Stop()
	select {
	case r := <-d.done:
		return r, d.err
	case <-b.ended:
		return Resent{}, ErrStopped
	case <-ctx.Done():
		return Resent{}, fmt.Errorf("not every phone of %s has answered: %w", d.resent.Mailbox, context.Cause(ctx))
	}
}

// readMailbox asks Asterisk what a mailbox holds now. known is false where that is
// nothing, and Asterisk has never spoken of it.
func (b *Bridge) readMailbox(ctx context.Context, aor watchers.AoR, name string) (known bool, err error) {
	b.mu.Lock()
	m, agent := b.desired.mailboxes[aor], b.agent
	known = m != nil && m.known
	var names []string
	if name != "" {
		names = []string{name}
	} else if known {
		for i := range m.boxes {
			names = append(names, m.boxes[i].name)
		}
	}
	b.mu.Unlock()
	if agent == nil {
		if known {
			return true, nil // the last that it said
		}
		return false, errors.New("no connection to Asterisk, which has not spoken of this mailbox")
	}
	if names == nil { // it may still be there: Asterisk does not list realtime mailboxes
		domain, ok := b.live.Load().Domain(aor.Domain)
		if !ok || domain != aor.Domain {
			return false, errors.New("this mailbox is one that Asterisk has not spoken of: name it as voicemail.conf does, Mailbox: user@context")
		}
		names = []string{aor.User + "@" + aor.Domain}
	}
	for _, name := range names {
		if err := agent.read(ctx, name); err != nil {
			return false, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	m = b.desired.mailboxes[aor]
	return m != nil && m.known, nil
}

// serve hands the demands on a mailbox to its dialogs. Those that nothing can be
// sent to count as failed at once.
func (w *work) serve(dialogs []read, now time.Time) {
	for _, demand := range w.demands {
		demand.resent.Dialogs, demand.waiting = len(dialogs), make(map[*dialog]string)
		for _, d := range dialogs {
			if d.live(now) != "" {
				continue
			}
			demand.waiting[d.dialog] = d.row.CallID
			if why := d.dead(); why != "" {
				demand.answer(d.dialog, undelivered(sipua.DialogGone, why))
				continue
			}
			if d.wish == nil {
				d.wish = new(wish)
			}
			d.wish.demands = append(d.wish.demands, demand)
			d.wish.override, d.wish.version = demand.counts, demand.version // of several demands the last counts
			d.ill().notUntil = time.Time{}                                  // an operator does not wait for a back-off
		}
		demand.served = true
		demand.finish()
	}
	w.demands = nil
}

// refuseDemands answers those who wait for the next NOTIFY, which will not be.
func (d *dialog) refuseDemands(why string) {
	if d.wish == nil {
		return
	}
	for _, demand := range d.wish.demands {
		demand.answer(d, undelivered(sipua.DialogGone, why))
	}
	d.wish = nil
}

func undelivered(as sipua.Class, why string) Delivery {
	return Delivery{Time: time.Now(), Outcome: as.String(), Reason: why}
}

// giveUp reports what there is: some phone is silent, or the mailbox has not had
// its turn.
func (d *demand) giveUp(noProxy bool) {
	if d.over {
		return
	}
	if !d.served {
		d.served, d.err = true, fmt.Errorf("the dialogs of %s could not be looked up yet; its phones are told when they can", d.resent.Mailbox)
		if noProxy {
			d.err = fmt.Errorf("the proxy does not answer; the phones of %s are told when it does", d.resent.Mailbox)
		}
		d.finish()
	}
	for _, dialog := range slices.SortedFunc(maps.Keys(d.waiting), func(a, b *dialog) int { return strings.Compare(d.waiting[a], d.waiting[b]) }) {
		d.answer(dialog, undelivered(sipua.NoAnswer, "no answer yet; it goes on being tried"))
	}
}

// answer takes what became of one dialog.
func (d *demand) answer(of *dialog, r Delivery) {
	if d.over {
		return
	}
	r.CallID = d.waiting[of]
	delete(d.waiting, of)
	if r.CSeq == 0 && d.counts != nil { // nothing was sent
		r.Sent = d.counts.report()
	}
	d.resent.Results = append(d.resent.Results, r)
	if r.Outcome == sipua.Acknowledged.String() {
		d.resent.Delivered++
	} else {
		d.resent.Failed++
		d.resent.Reason = firstOf(r.Reason, r.Error, r.Outcome)
	}
	d.finish()
}

// finish reports when the last dialog has answered.
func (d *demand) finish() {
	if d.over || !d.served || len(d.waiting) > 0 {
		return
	}
	if len(d.resent.Results) == 0 {
		d.resent.Reason = "no phone is subscribed"
	}
	d.over = true
	d.done <- d.resent
}

// firstOf returns the first that is not empty.
func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
