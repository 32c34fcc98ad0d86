package bridge

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A simulation is a bridge among an Asterisk, a database, a network and phones
// that all fail as a seed says, in a synctest bubble. It holds the bridge to the
// invariants of its design while it runs, and at the end, when every fault is
// over, to every lamp being right.
//
//	simulation_test.go           seeds, and the story that each tells
//	simulation_faults_test.go    what may happen
//	simulation_life_test.go      one life of the bridge: start, kill, stop
//	simulation_asterisk_test.go  mailboxes, events, lists
//	simulation_store_test.go     rows, polls, CSeq, ledger
//	simulation_network_test.go   what becomes of a NOTIFY
//	simulation_phone_test.go     phones, and the proxy's own NOTIFYs
//	simulation_check_test.go     the invariants
//
// What a seed decides is the same in each run. Two things are not: the jitter of
// a back-off, and the order of goroutines within one instant. So a seed is
// replayed several times.
var (
	seedFlag   = flag.Uint64("seed", 0, "run this seed of TestSimulation only, until it fails, at most 100 times")
	seedsFlag  = flag.Int("seeds", 0, "how many seeds TestSimulation runs; 0: as fit for CI")
	chronicles = flag.Bool("chronicle", false, "with -seed: tell all that happens")
)

// healTime is how long the lamps may stay wrong after the last fault: a
// transaction of 32 s and the longest pause between two attempts.
const healTime = lastBackOff + lastBackOff/2 + time.Minute

type simulation struct {
	seed     uint64
	rnd      *rand.Rand // the story's own; all else asks roll
	plan     plan
	story    []string // of what happened, the last of it
	violated string   // the first invariant that was

	mu        sync.Mutex // guards all that follows
	boxes     []*simBox
	dialogs   []*simDialog
	store     simStore
	net       simNet
	asterisk  simAsterisk
	life      *simLife
	lives     int
	clock     time.Duration // how far the proxy's clock is ahead of the bridge's
	restartAt time.Time
	answered  time.Time // when a NOTIFY was last answered
	healed    time.Time // when the last fault was over
	totals    simTotals
}

// plan is what stays the same for the whole of a seed.
type plan struct {
	mode    CSeqMode
	ledger  bool
	listen  bool // the database tells of subscriptions by itself
	aspects int  // states of a mailbox: 0: each is new; else it goes to and fro between so many
	boxes   int
	steps   int
	pace    time.Duration // between two steps, on average
	skew    bool          // clocks step
	ghosts  bool          // NOTIFYs of a killed bridge outlive its restart
}

type simTotals struct{ seeds, notifies, accepted, refused, kills, stops, subscribes, lookups, surveys, resyncs int }

func (a *simTotals) add(b simTotals) {
	a.seeds++
	a.notifies += b.notifies
	a.accepted += b.accepted
	a.refused += b.refused
	a.kills += b.kills
	a.stops += b.stops
	a.subscribes += b.subscribes
	a.lookups += b.lookups
	a.surveys += b.surveys
	a.resyncs += b.resyncs
}

func (s *simulation) makePlan() {
	r := s.rnd
	s.plan = plan{
		mode: []CSeqMode{CSeqClock, CSeqClock, CSeqDatabase, CSeqAhead}[r.IntN(4)], ledger: r.IntN(2) == 0, listen: r.IntN(2) == 0,
		aspects: r.IntN(4), boxes: 1 + r.IntN(5), steps: 40 + r.IntN(120), pace: time.Duration(1+r.IntN(12)) * time.Second,
	}
	s.plan.skew = s.plan.mode == CSeqClock && r.IntN(4) == 0
	// A number of the bridge's next life may be lower than that of a NOTIFY which is
	// still under way from the last, where numbers may climb and are not written down.
	s.plan.ghosts = s.plan.mode != CSeqAhead && !s.plan.skew
}

func (p plan) String() string {
	return fmt.Sprintf("%s, ledger %v, listen %v, aspects %d, mailboxes %d, steps %d of %v, skew %v",
		p.mode, p.ledger, p.listen, p.aspects, p.boxes, p.steps, p.pace, p.skew)
}

// run tells one seed's story.
func (s *simulation) run(t *testing.T) {
	s.rnd = rand.New(rand.NewPCG(s.seed, 1))
	s.makePlan()
	s.lock(func() {
		s.tell("%v", s.plan)
		for i := range s.plan.boxes {
			s.addBox(i)
			s.subscribe(s.boxes[i])
		}
	})
	s.start()
	for range s.plan.steps {
		s.pause()
		s.step()
		if s.failed() {
			break
		}
	}
	if !s.failed() {
		s.heal()
		if s.rnd.IntN(2) == 0 {
			s.lastAct()
		}
		s.lock(func() { s.healed = time.Now() })
		time.Sleep(healTime)
		synctest.Wait()
		s.checkEnd(t.Context())
	}
	s.end()
}

// pause waits for the next step: often some seconds, at times almost nothing or
// until just before the clock's next second.
func (s *simulation) pause() {
	wait := time.Duration(s.rnd.Int64N(int64(2 * s.plan.pace)))
	switch s.rnd.IntN(8) {
	case 0, 1:
		wait = time.Duration(s.rnd.Int64N(int64(20 * time.Millisecond)))
	case 2:
		now := time.Now()
		wait = now.Truncate(time.Second).Add(time.Second - time.Duration(s.rnd.Int64N(int64(20*time.Millisecond)))).Sub(now)
	}
	time.Sleep(max(wait, 0))
}

// roll returns random numbers that depend on nothing but the seed and what they
// are for, so that what else happens does not change them.
func (s *simulation) roll(what string, n ...uint64) *rand.Rand {
	h := uint64(14695981039346656037)
	for i := range len(what) {
		h = (h ^ uint64(what[i])) * 1099511628211
	}
	for _, v := range n {
		h = (h ^ v) * 1099511628211
		h ^= h >> 29
	}
	return rand.New(rand.NewPCG(s.seed, h))
}

func (s *simulation) tell(format string, args ...any) {
	s.story = append(s.story, time.Now().Format("15:04:05.000000 ")+fmt.Sprintf(format, args...))
	if len(s.story) > 5000 {
		s.story = s.story[2500:]
	}
}

// fail notes the first violation.
func (s *simulation) fail(format string, args ...any) {
	if s.violated == "" {
		s.violated = fmt.Sprintf(format, args...)
		s.tell("VIOLATED: %s", s.violated)
	}
}

func (s *simulation) failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.violated != ""
}

func (s *simulation) lock(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// simulate runs a seed. A bubble whose time cannot go on would hang without a
// word, so that a watch stands outside it.
func simulate(t *testing.T, seed uint64) *simulation {
	s := &simulation{seed: seed}
	watch := time.AfterFunc(time.Minute, func() {
		panic(fmt.Sprintf("seed %d hangs: a goroutine of the bridge waits for another while it holds a lock", seed))
	})
	defer watch.Stop()
	synctest.Test(t, s.run)
	return s
}

func TestSimulation(t *testing.T) {
	if *seedFlag != 0 {
		for try := range 100 {
			if s := simulate(t, *seedFlag); s.violated != "" || *chronicles {
				s.print(t)
				t.Fatalf("seed %d, run %d: %s", s.seed, try+1, s.violated)
			}
		}
		return
	}
	seeds := *seedsFlag
	switch {
	case seeds > 0:
	case raceEnabled || testing.Short():
		seeds = 300
	default:
		seeds = 3000
	}
	var next atomic.Uint64
	var mu sync.Mutex
	var totals simTotals
	start := time.Now()
	t.Run("seeds", func(t *testing.T) {
		for range runtime.GOMAXPROCS(0) {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for seed := next.Add(1); seed <= uint64(seeds) && !t.Failed(); seed = next.Add(1) {
					s := simulate(t, seed)
					mu.Lock()
					totals.add(s.totals)
					mu.Unlock()
					if s.violated != "" {
						s.print(t)
						t.Errorf("seed %d: %s\nreplay: go test ./bridge -run TestSimulation -seed=%d", seed, s.violated, seed)
					}
				}
			})
		}
	})
	t.Logf("%d seeds in %v: %d NOTIFYs (%d taken, %d refused for their CSeq), %d subscriptions, %d lookups, %d surveys, %d lists, %d kills, %d stops",
		totals.seeds, time.Since(start).Round(time.Second/10), totals.notifies, totals.accepted, totals.refused, totals.subscribes,
		totals.lookups, totals.surveys, totals.resyncs, totals.kills, totals.stops)
}

// print shows the end of the story.
func (s *simulation) print(t *testing.T) {
	story := s.story
	if len(story) > 80 && !*chronicles {
		t.Log(story[0])
		story = story[len(story)-80:]
	}
	for _, line := range story {
		t.Log(line)
	}
}
