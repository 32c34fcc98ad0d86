package sim

import "time"

// keepTransactions is how long an answered transaction is remembered: 64*T1, RFC 3261 17.2.2 timer J.
const keepTransactions = 32 * time.Second

// recent is a map that forgets: what was put is found for at least keepTransactions and gone after twice that, given
// traffic. Two generations need no timer per entry, which is what makes thousands of phones cheap.
type recent[V any] struct {
	young, old map[string]V
	turned     time.Time
}

func (r *recent[V]) put(key string, v V) {
	if now := time.Now(); r.young == nil || now.Sub(r.turned) > keepTransactions {
		r.old, r.young, r.turned = r.young, make(map[string]V), now
	}
	r.young[key] = v
}

func (r *recent[V]) get(key string) (V, bool) {
	v, ok := r.young[key]
	if !ok {
		v, ok = r.old[key]
	}
	return v, ok
}
