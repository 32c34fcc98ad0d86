package bridge

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"zonkeymwi/sipmsg"
	"zonkeymwi/watchers"
)

// maxCSeq is the highest sequence number (RFC 3261 8.1.1.5).
const maxCSeq = 1<<31 - 1

// base is a mode's own idea of a dialog's next number, false for none.
type base func(*job) (uint32, bool)

// The most that a CSeq goes up by after a 500: a 500 may mean something else,
// and the proxy's own numbers must catch up again. By the clock, a quarter of an
// hour; the sum of the steps before it is as much again.
const (
	clockClimb = 1 << 10
	aheadClimb = 1 << 20
)

// number gives each job its CSeq, higher than any that its dialog has used. It
// drops jobs for which there is none, and looks at their dialogs again later.
func (b *Bridge) number(jobs []job, base base, now time.Time) []job {
	numbered := jobs[:0]
	for _, j := range jobs {
		first, ok := uint32(now.Unix()), true
		if j.d.kind == sipmsg.Notify {
			first, ok = base(&j)
		}
		j.cseq = max(first, j.d.cseq+1) + b.climb(j.d)
		if !ok || j.cseq > maxCSeq {
			j.d.backOff(now, 0)
			j.d.refuseDemands("no CSeq is left")
			b.retryAt(j.w.m, j.d.due(), paced)
			b.log.Error("no CSeq left: the row is gone, or its local_cseq has reached 2^31; the phone's next subscription mends it",
				zap.String("event", "cseq_exhausted"), zap.String("id", j.w.id), zap.String("call_id", j.row.CallID),
				zap.Uint32("local_cseq", j.row.LocalCSeq))
			continue
		}
		numbered = append(numbered, j)
	}
	return numbered
}

// base returns the number's source where the database need not be asked again.
func (b *Bridge) base(f found, now time.Time) base {
	if b.o.CSeq == CSeqAhead {
		// Kamailio's own last number is up to two above the row's, OpenSIPS' is in the row.
		ahead := uint32(1)
		if f.flavour == watchers.Kamailio {
			ahead = 3
		}
		return func(j *job) (uint32, bool) { return j.row.LocalCSeq + ahead, true }
	}
	clock := uint32(now.Unix())
	return func(j *job) (uint32, bool) {
		if !j.d.toldHere {
			return clock + 1, true // this second's number is the proxy's, for its own NOTIFY
		}
		return clock, true
	}
}

// climb is what a dialog's CSeq goes up by beyond the next, after 500s.
func (b *Bridge) climb(d *dialog) uint32 {
	switch {
	case b.o.CSeq == CSeqAhead:
		return min(d.climb, aheadClimb)
	case d.troubles().tooLow < 3:
		return 0 // the clock's next number is likely to do
	}
	return min(d.climb, clockClimb)
}

// counted counts the rows up in the database and reads the numbers.
func (b *Bridge) counted(ctx context.Context, jobs []job) (base, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	rows := make([]watchers.Dialog, 0, len(jobs))
	for i := range jobs {
		if jobs[i].d.kind == sipmsg.Notify {
			rows = append(rows, *jobs[i].row)
		}
	}
	numbers, err := b.o.Dialogs.NextCSeq(ctx, rows)
	if err != nil {
		return nil, fmt.Errorf("counting CSeq up: %w", err)
	}
	return func(j *job) (uint32, bool) {
		n, ok := numbers[j.row.Key]
		return n, ok
	}, nil
}
