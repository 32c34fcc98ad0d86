package watchers

import (
	"math"
	"reflect"
	"slices"
	"sync"
	"testing"
)

func nextCSeq(t *testing.T, s subject) {
	a := user("cseq")
	s.insert(t, a, row{"callid": "c1", "local_cseq": 10})
	s.insert(t, a, row{"callid": "c2", "local_cseq": 20})
	s.insert(t, a, row{"callid": "c3", "local_cseq": 30})
	dialogs := s.dialogs(t, a)[a]
	c1, c2 := dialogs[0].Key, dialogs[1].Key
	for _, step := range []map[Key]uint32{{c1: 12, c2: 22}, {c1: 13, c2: 23}} {
		got, err := s.NextCSeq(t.Context(), []Dialog{dialogs[0], dialogs[1], dialogs[0]})
		if err != nil || !reflect.DeepEqual(got, step) {
			t.Fatalf("got %v, %v, want %v", got, err, step)
		}
	}
	for i, want := range []uint32{12, 22, 30} {
		if got := s.dialogs(t, a)[a][i].LocalCSeq; got != want {
			t.Errorf("dialog %d: local_cseq is %d, want %d", i, got, want)
		}
	}
	if got, err := s.NextCSeq(t.Context(), nil); err != nil || len(got) != 0 {
		t.Errorf("an empty batch drew %v, %v", got, err)
	}
}

// Callers draw for the same dialogs in opposite orders, which deadlocks unless rows are locked in one.
func nextCSeqConcurrent(t *testing.T, s subject) {
	const callers, draws, size = 4, 10, 50
	a := user("race")
	for range size {
		s.insert(t, a, row{"local_cseq": 0})
	}
	dialogs := s.dialogs(t, a)[a]
	var wg sync.WaitGroup
	drawn := make([][]map[Key]uint32, callers)
	for c := range callers {
		mine := slices.Clone(dialogs)
		if c%2 == 1 {
			slices.Reverse(mine)
		}
		wg.Go(func() {
			for range draws {
				numbers, err := s.NextCSeq(t.Context(), mine)
				if err != nil {
					t.Error(err)
					return
				}
				drawn[c] = append(drawn[c], numbers)
			}
		})
	}
	wg.Wait()
	for _, d := range dialogs {
		seen := map[uint32]bool{}
		for c := range callers {
			last := uint32(0)
			for _, numbers := range drawn[c] {
				n := numbers[d.Key]
				if n <= last || seen[n] {
					t.Fatalf("%s: caller %d drew %d after %d, or someone had it", d.CallID, c, n, last)
				}
				last, seen[n] = n, true
			}
		}
		if len(seen) != callers*draws {
			t.Fatalf("%s: %d numbers, want %d", d.CallID, len(seen), callers*draws)
		}
	}
}

func nextCSeqAbsent(t *testing.T, s subject) {
	a := user("absent")
	s.insert(t, a, row{"callid": "last", "local_cseq": math.MaxInt32 - 2})
	s.insert(t, a, row{"callid": "over", "local_cseq": math.MaxInt32 - 1})
	d := s.dialogs(t, a)[a]
	gone := d[0]
	gone.FromTag = "gone"
	got, err := s.NextCSeq(t.Context(), []Dialog{d[0], d[1], gone})
	if want := (map[Key]uint32{d[0].Key: math.MaxInt32}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}
