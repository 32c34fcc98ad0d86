package sim

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestRecentForgets: kept for 32 s at least, gone after twice that; time is synctest's.
func TestRecentForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r recent[int]
		r.put("a", 1)
		time.Sleep(keepTransactions + time.Second)
		r.put("b", 2)
		if v, ok := r.get("a"); !ok || v != 1 {
			t.Fatal("forgotten too soon")
		}
		time.Sleep(keepTransactions + time.Second)
		r.put("c", 3)
		if _, ok := r.get("a"); ok {
			t.Fatal("never forgotten")
		}
		if v, ok := r.get("b"); !ok || v != 2 {
			t.Fatal("forgotten too soon")
		}
	})
}
