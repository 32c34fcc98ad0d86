package bridge

import (
	"slices"

	"zonkeymwi/watchers"
)

// maxRecent is how many outcomes are kept for whoever asks, some 2 KB each.
const maxRecent = 512

// recent keeps the last outcomes, in a ring.
type recent struct {
	ring []*outcome
	next int
}

func (r *recent) add(o *outcome) {
	if len(r.ring) < maxRecent {
		r.ring = append(r.ring, o)
		return
	}
	r.ring[r.next] = o
	r.next = (r.next + 1) % maxRecent
}

// list returns them all, the newest first.
func (r *recent) list() []Delivery {
	all := make([]Delivery, 0, len(r.ring))
	for i := range r.ring {
		all = append(all, r.ring[(r.next+i)%len(r.ring)].delivery())
	}
	slices.Reverse(all)
	return all
}

// last returns a dialog's newest, nil when none is kept.
func (r *recent) last(key watchers.Key) *Delivery {
	for i := range r.ring {
		if o := r.ring[(r.next+len(r.ring)-1-i)%len(r.ring)]; o.row.Key == key {
			d := o.delivery()
			return &d
		}
	}
	return nil
}
