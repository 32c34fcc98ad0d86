package bridge

import (
	"crypto/rand"
	"strconv"
	"sync/atomic"
)

// idSource numbers lamp changes. The random start tells the runs of a bridge
// apart in one log.
type idSource struct {
	run  string
	last atomic.Uint64
}

func newIDSource() *idSource { return &idSource{run: rand.Text()[:5]} }

func (s *idSource) next() string {
	return s.run + "-" + strconv.FormatUint(s.last.Add(1), 36)
}
