package sipua

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestAvoidedTargetIsProbedByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := avoided{probe: 32 * time.Second}
		bad, good := target{name: "bad"}, target{name: "good"}
		first := func() string { return a.last([]target{bad, good})[0].name }
		if first() != "bad" {
			t.Error("avoided before it failed")
		}
		a.add(bad, 0)
		time.Sleep(31 * time.Second)
		if first() != "good" {
			t.Error("tried again too early")
		}
		time.Sleep(2 * time.Second)
		if first() != "bad" || first() != "good" {
			t.Error("one request, and one only, finds out whether it works again")
		}
		a.remove(bad)
		if first() != "bad" {
			t.Error("avoided after it worked")
		}
		a.add(bad, 24*time.Hour) // a hostile Retry-After
		time.Sleep(5*time.Minute + 1)
		if first() != "bad" {
			t.Error("avoided for more than 5 minutes")
		}
		for i := range 3 * maxAvoided {
			a.add(target{name: fmt.Sprint(i)}, 0)
		}
		if len(a.until) > maxAvoided {
			t.Errorf("%d are remembered", len(a.until))
		}
	})
}
