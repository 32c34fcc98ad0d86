package bridge

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"zonkeymwi/sipmsg"
	"zonkeymwi/watchers"
)

// Ledger keeps what phones acknowledged beyond the bridge's own life; a
// watchers.Store is one. Its entries come back with the dialogs.
//
// Acknowledged means that the phone answered 2xx to a NOTIFY with these counts
// in this state of its subscription. It says nothing of a subscription that has
// been refreshed since.
type Ledger interface {
	Record(ctx context.Context, entries []watchers.Entry) error
	Acked(ctx context.Context, keys []watchers.Key) (map[watchers.Key]watchers.Acked, error)
	Survey(ctx context.Context, each func(user watchers.AoR, acked bool, new, old uint32)) error
	Prune(ctx context.Context) (int64, error)
}

const (
	recordEvery = 200 * time.Millisecond // what is lost with kill -9 is sent once more
	recordBatch = 1000
	recordTime  = 5 * time.Second
	pruneEvery  = time.Hour
)

// ledger writes behind: nothing waits for it, and of a dialog only the last
// acknowledgement is kept, so that memory is bounded by dialogs.
type ledger struct {
	to  Ledger
	log *zap.Logger

	failing atomic.Bool // it is in the log

	mu      sync.Mutex
	pending map[watchers.Key]watchers.Acked
}

// note takes an acknowledgement. It never blocks.
func (l *ledger) note(o *outcome, now time.Time) {
	if l.to == nil {
		return
	}
	c, d, row := o.sent, o.d, o.row
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending[row.Key] = watchers.Acked{New: c.new, Old: c.old, NewUrgent: c.newUrgent,
		RemoteCSeq: row.RemoteCSeq, Expires: d.ends(row.Expires), Contact: row.Contact, CSeq: d.cseq, At: now.Unix(), ETag: d.etag()}
}

// ends is until when the ledger is to keep an entry, Unix seconds.
func (d *dialog) ends(expires int64) int64 {
	if d.kind == sipmsg.Publish {
		return d.outside.until.Unix()
	}
	return expires
}

// void has the ledger forget, before a NOTIFY is sent, what its phone showed: a
// crash may come between the phone's answer and the next write, and a claim that
// has become false would keep the lamp wrong for good. The CSeq stays.
func (l *ledger) void(ctx context.Context, jobs []job) {
	batch := make([]watchers.Entry, len(jobs))
	for i, j := range jobs {
		batch[i] = watchers.Entry{Key: j.row.Key, Acked: watchers.Acked{CSeq: j.cseq, Expires: j.d.ends(j.row.Expires),
			At: time.Now().Unix(), ETag: j.d.etag()}}
	}
	if !l.write(ctx, batch) {
		l.putBack(batch)
	}
}

// run writes until ctx ends, and once more then.
func (l *ledger) run(ctx context.Context) {
	if l.to == nil {
		return
	}
	write, prune := time.NewTicker(recordEvery), time.NewTicker(pruneEvery)
	defer write.Stop()
	defer prune.Stop()
	for {
		select {
		case <-write.C:
			l.flush(ctx)
		case <-prune.C:
			ctx, cancel := context.WithTimeout(ctx, recordTime)
			_, _ = l.to.Prune(ctx) // the next will do
			cancel()
		case <-ctx.Done():
			l.flush(context.WithoutCancel(ctx))
			return
		}
	}
}

// flush writes what is pending.
func (l *ledger) flush(ctx context.Context) {
	for batch := l.take(); len(batch) > 0; batch = l.take() {
		if !l.write(ctx, batch) {
			l.putBack(batch)
			return
		}
	}
}

// write writes a batch, and tells the log once where it cannot.
func (l *ledger) write(ctx context.Context, batch []watchers.Entry) bool {
	ctx, cancel := context.WithTimeout(ctx, recordTime)
	defer cancel()
	err := l.to.Record(ctx, batch)
	if err != nil && !l.failing.Swap(true) {
		l.log.Warn("the ledger cannot be written; a crash now could leave lamps as they are",
			zap.String("event", "ledger_failed"), zap.Error(err))
	}
	if err == nil {
		l.failing.Store(false)
	}
	return err == nil
}

func (l *ledger) take() []watchers.Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	batch := make([]watchers.Entry, 0, min(recordBatch, len(l.pending)))
	for key, acked := range l.pending {
		if len(batch) == recordBatch {
			break
		}
		batch = append(batch, watchers.Entry{Key: key, Acked: acked})
		delete(l.pending, key)
	}
	return batch
}

// putBack keeps what could not be written, unless something newer has come.
func (l *ledger) putBack(batch []watchers.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range batch {
		if _, newer := l.pending[e.Key]; !newer {
			l.pending[e.Key] = e.Acked
		}
	}
}

// adopt takes over what the ledger knows of a dialog: from before a restart, or
// from another bridge that shares the mailboxes.
func (d *dialog) adopt(row *watchers.Dialog, now time.Time) {
	a := &row.Acked
	if !row.HasAcked || a.CSeq <= d.cseq {
		return
	}
	d.cseq = a.CSeq
	d.acked = counts{a.New, a.Old, a.NewUrgent}
	d.shows = a.RemoteCSeq == row.RemoteCSeq && a.Expires == row.Expires && a.Contact == row.Contact
	if d.kind == sipmsg.Publish {
		d.adoptPublication(row, now)
	}
}
