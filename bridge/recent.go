package bridge

import (
	"slices"

	"zonkeymwi/watchers"
)

// maxRecent is how many deliveries are kept for whoever asks, some 2 KB each.
const maxRecent = 512

// recent keeps the last deliveries, in a ring.
type recent struct {
	ring []kept
	next int
}

type kept struct {
	key      watchers.Key
	delivery Delivery
}

func (r *recent) add(key watchers.Key, d Delivery) {
	if len(r.ring) < maxRecent {
		r.ring = append(r.ring, kept{key, d})
		return
	}
	r.ring[r.next] = kept{key, d}
	r.next = (r.next + 1) % maxRecent
}

// list returns them all, the newest first.
func (r *recent) list() []Delivery {
	all := make([]Delivery, 0, len(r.ring))
	for i := range r.ring {
		all = append(all, r.ring[(r.next+i)%len(r.ring)].delivery)
	}
	slices.Reverse(all)
	return all
}

// last returns a dialog's newest, nil when none is kept.
func (r *recent) last(key watchers.Key) *Delivery {
	for i := range r.ring {
		if k := &r.ring[(r.next+len(r.ring)-1-i)%len(r.ring)]; k.key == key {
			d := k.delivery
			return &d
		}
	}
	return nil
}
