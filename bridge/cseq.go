package bridge

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"zonkeymwi/watchers"
)

// maxCSeq is the highest sequence number (RFC 3261 8.1.1.5).
const maxCSeq = 1<<31 - 1

// number gives each job its CSeq, higher than any that its dialog has used. It
// drops jobs for which there is none, and looks at their dialogs again later.
func (b *Bridge) number(ctx context.Context, jobs []job, now time.Time) ([]job, error) {
	base, err := b.base(ctx, jobs, now)
	if err != nil {
		return nil, err
	}
	numbered := jobs[:0]
	for _, j := range jobs {
		first, ok := base(j.d)
		j.cseq = max(first, j.d.cseq+1)
		if b.o.CSeq == CSeqAhead {
			j.cseq += j.d.climb
		}
		if !ok || j.cseq > maxCSeq {
			j.d.backOff(now, 0)
			b.retryAt(j.w.m, j.d.due())
			b.log.Error("no CSeq left: the row is gone, or its local_cseq has reached 2^31; the phone's next subscription mends it",
				zap.String("event", "cseq_exhausted"), zap.String("id", j.w.change.id), zap.String("call_id", j.d.row.CallID),
				zap.Uint32("local_cseq", j.d.row.LocalCSeq))
			continue
		}
		numbered = append(numbered, j)
	}
	return numbered, nil
}

// base returns the mode's own idea of a dialog's next number, false for none.
func (b *Bridge) base(ctx context.Context, jobs []job, now time.Time) (func(*dialog) (uint32, bool), error) {
	switch b.o.CSeq {
	case CSeqDatabase:
		return b.counted(ctx, jobs)
	case CSeqAhead:
		flavour, err := b.o.Dialogs.Flavour(ctx)
		if err != nil {
			return nil, err
		}
		// Kamailio's own last number is up to two above the row's, OpenSIPS' is in the row.
		ahead := uint32(1)
		if flavour == watchers.Kamailio {
			ahead = 3
		}
		return func(d *dialog) (uint32, bool) { return d.row.LocalCSeq + ahead, true }, nil
	}
	clock := uint32(now.Unix())
	return func(*dialog) (uint32, bool) { return clock, true }, nil
}

// counted counts the rows up in the database and reads the numbers.
func (b *Bridge) counted(ctx context.Context, jobs []job) (func(*dialog) (uint32, bool), error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	rows := make([]watchers.Dialog, len(jobs))
	for i := range jobs {
		rows[i] = jobs[i].d.row
	}
	numbers, err := b.o.Dialogs.NextCSeq(ctx, rows)
	if err != nil {
		return nil, fmt.Errorf("counting CSeq up: %w", err)
	}
	return func(d *dialog) (uint32, bool) {
		n, ok := numbers[d.row.Key]
		return n, ok
	}, nil
}
