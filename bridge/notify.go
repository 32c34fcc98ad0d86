package bridge

import (
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"zonkeymwi/sipmsg"
	"zonkeymwi/sipua"
	"zonkeymwi/watchers"
)

// job is one NOTIFY, or PUBLISH, that is due.
type job struct {
	w    *work
	d    *dialog
	row  *watchers.Dialog
	cseq uint32
}

// read is a dialog and its row as it was just read.
type read struct {
	*dialog
	row *watchers.Dialog
}

// jobs returns the NOTIFYs that are due in a batch whose dialogs were found.
func (b *Bridge) jobs(batch []work, f found, now time.Time) (jobs []job) {
	b.loop.lookupFailures = 0
	b.loop.most = min(maxBatch, 2*b.loop.most)
	b.loop.lookups++
	b.loop.database.set(true, nil)
	for i := range batch {
		w := &batch[i]
		b.addUrgent(w, f.urgent)
		dialogs := w.m.update(b.rows(w.m.aor, f.dialogs), b.kind, now)
		w.serve(dialogs, now)
		due := b.due(w, dialogs, now)
		b.logDialogs(w, dialogs, len(due), now)
		jobs = append(jobs, due...)
	}
	return jobs
}

// notifyAll sends the jobs of a batch, which is done then. Meanwhile the database
// works on the next.
func (b *Bridge) notifyAll(r *run, batch []work, jobs []job, now time.Time) {
	jobs = slices.DeleteFunc(jobs, func(j job) bool {
		why := j.d.skipped(now) // it has expired since it was read
		if why != "" {
			j.d.refuseDemands(why)
		}
		return why != ""
	})
	l := &b.loop
	l.busy = false
	l.inFlight += len(jobs)
	if len(batch) > 0 && batch[0].paced {
		l.share = float64(len(jobs)) / float64(len(batch))
		spent := time.Duration(len(jobs)) * time.Second / time.Duration(b.live.Load().Rate)
		l.pacedAt = later(l.pacedAt, now).Add(spent)
	}
	for i := range batch {
		b.checkConverged(batch[i].m, now)
	}
	if !l.breaker.open {
		b.step(r)
	}
	for _, j := range jobs {
		b.send(j, now)
	}
}

const keptAfter = 10 * 60 // seconds

// update takes the rows of a mailbox as they were just read. A dialog whose row
// has gone is kept until it would have expired, and a while longer: should it come
// back, its CSeq must go on rising.
func (m *mailbox) update(rows []watchers.Dialog, kind func(*watchers.Dialog) sipmsg.Kind, now time.Time) []read {
	known := indexOf(m.dialogs, len(rows))
	for _, d := range m.dialogs {
		d.gone = true
	}
	all := make([]read, 0, len(rows))
	for i := range rows {
		row := &rows[i]
		d := known.find(row.Key)
		switch {
		case d == nil:
			d = newDialog(row, kind(row))
			known.add(d)
		case !d.gone:
			continue // a view may show a row twice; one dialog has one NOTIFY in flight
		}
		d.update(row, now)
		all = append(all, read{d, row})
	}
	m.vouched = 0
	m.dialogs = slices.DeleteFunc(known.all, func(d *dialog) bool {
		if d.gone {
			d.refuseDemands("its row has gone")
		}
		return d.gone && !d.inFlight && d.stamp.expires+keptAfter <= now.Unix()
	})
	return all
}

// due returns a job for each dialog that must and may be told now; those that
// must wait are looked at again when their time has come.
func (b *Bridge) due(w *work, dialogs []read, now time.Time) []job {
	var jobs []job
	for _, d := range dialogs {
		target, ok := w.target(d.dialog)
		switch {
		case d.skipped(now) != "":
			d.refuseDemands(d.skipped(now))
		case !ok:
		case d.settled(target, now):
			b.refreshLater(w.m, d.dialog)
		case d.inFlight:
			d.again = true
		case now.Before(d.due()):
			b.retryAt(w.m, d.due(), w.queue())
		default:
			jobs = append(jobs, job{w: w, d: d.dialog, row: d.row})
		}
	}
	return jobs
}

// refreshLater looks at a publication, or what else has to be repeated, again.
func (b *Bridge) refreshLater(m *mailbox, d *dialog) {
	if at := d.refreshAt(); !at.IsZero() {
		b.retryAt(m, at, paced)
	}
}

// target is what a dialog's phone is to show, false where nobody knows.
func (w *work) target(d *dialog) (counts, bool) {
	if d.isTold(w.version) {
		return *d.wish.override, true
	}
	return w.want, w.known
}

// isTold tells whether an operator's numbers are due, and nothing newer is known.
func (d *dialog) isTold(version uint64) bool {
	return d.wish != nil && d.wish.override != nil && d.wish.version == version
}

// queue is where the work came from.
func (w *work) queue() queue {
	if w.paced {
		return paced
	}
	return fresh
}

// level keeps a resync of many mailboxes out of the log where nothing is new.
func (w *work) level() zapcore.Level {
	if w.paced {
		return zap.DebugLevel
	}
	return zap.InfoLevel
}

func (b *Bridge) logDialogs(w *work, dialogs []read, due int, now time.Time) {
	if b.o.Publish {
		return // nothing was looked for
	}
	live := 0
	for _, d := range dialogs {
		if d.skipped(now) == "" {
			live++
		}
	}
	level, text := w.level(), "found the user's dialogs"
	if live == 0 {
		text = "no phone is subscribed"
	}
	if due > 0 {
		level = zap.InfoLevel
	}
	b.log.Log(level, text, zap.Inline(&foundLine{w, len(dialogs), live, due}))
}

// rows are a user's dialogs and what goes for one.
func (b *Bridge) rows(user watchers.AoR, found map[watchers.AoR][]watchers.Dialog) []watchers.Dialog {
	if b.live.Load().Unsolicited == nil {
		return found[user]
	}
	return append(found[user], unsolicitedOf(user))
}

// kind tells what is sent to a dialog.
func (b *Bridge) kind(row *watchers.Dialog) sipmsg.Kind {
	switch {
	case b.o.Publish:
		return sipmsg.Publish
	case strings.HasPrefix(row.CallID, unsolicitedPrefix):
		return sipmsg.Unsolicited
	}
	return sipmsg.Notify
}

// send starts the NOTIFY of one dialog.
func (b *Bridge) send(j job, now time.Time) {
	d := j.d
	target, _ := j.w.target(d)
	o := &outcome{probe: b.loop.breaker.sent(), m: j.w.m, d: d, row: j.row, change: j.w.change, id: j.w.id,
		sent: target, stamp: d.stamp, at: now, etag: d.etag()}
	if d.wish != nil {
		o.demands, o.told = d.wish.demands, d.isTold(j.w.version)
	}
	d.cseq, d.sentAt, d.inFlight, d.again, d.wish = j.cseq, now, true, false, nil
	d.toldHere, d.shows = true, false // until it answers nobody knows: it may take this one and its answer be lost
	if d.outside != nil {
		d.outside.untaken = ""
	}
	done := func(result sipua.Outcome) {
		o.Outcome = result
		b.post(func() { b.settle(o, time.Now()) })
	}
	r, err := b.request(j, o)
	if err != nil {
		done(sipua.Outcome{Class: sipua.Refused, CSeq: j.cseq, Err: err})
		return
	}
	r.CSeq = j.cseq
	b.o.Sender.Send(r, done)
}
