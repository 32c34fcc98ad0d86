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

type changeID uint64

func (s *idSource) next() changeID { return changeID(s.last.Add(1)) }

// text is an id as the log has it.
func (s *idSource) text(id changeID) string { return s.run + "-" + strconv.FormatUint(uint64(id), 36) }
