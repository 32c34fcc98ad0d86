package bridge

import (
	"context"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"zonkeymwi/sipmsg"
	"zonkeymwi/sipua"
	"zonkeymwi/watchers"
)

// job is one NOTIFY that is due.
type job struct {
	w    *work
	d    *dialog
	cseq uint32
}

// notifyAll sends each live dialog of the batch what its phone does not show.
func (b *Bridge) notifyAll(ctx context.Context, batch []work, found map[watchers.AoR][]watchers.Dialog) {
	now := time.Now()
	var jobs []job
	for i := range batch {
		w := &batch[i]
		dialogs := w.m.update(found[w.m.aor])
		due := b.due(w, dialogs, now)
		b.logDialogs(w, dialogs, len(due), now)
		jobs = append(jobs, due...)
	}
	if len(jobs) == 0 {
		return
	}
	jobs, err := b.number(ctx, jobs, now)
	if err != nil {
		b.lookupFailed(batch, err)
		return
	}
	paced := 0
	for _, j := range jobs {
		if j.w.paced {
			paced++
		}
		b.send(j, now)
	}
	spent := time.Duration(paced) * time.Second / time.Duration(b.o.Rate)
	b.loop.pacedAt = later(b.loop.pacedAt, now).Add(spent)
}

// update takes the rows of a mailbox as they were just read. A dialog whose
// row has gone is forgotten, but for one with a NOTIFY under way.
func (m *mailbox) update(rows []watchers.Dialog) []*dialog {
	before := m.dialogs
	m.dialogs = make(map[watchers.Key]*dialog, len(rows))
	for key, d := range before {
		if d.inFlight {
			m.dialogs[key] = d
		}
	}
	dialogs := make([]*dialog, len(rows))
	for i, row := range rows {
		d := before[row.Key]
		if d == nil {
			d = new(dialog)
		}
		d.update(row)
		m.dialogs[row.Key] = d
		dialogs[i] = d
	}
	return dialogs
}

// due returns a job for each dialog that must and may be told now; those that
// must wait are looked at again when their time has come.
func (b *Bridge) due(w *work, dialogs []*dialog, now time.Time) []job {
	var jobs []job
	for _, d := range dialogs {
		d.forced = d.forced || w.change.forced
		switch {
		case d.row.Live(now) != "" || d.dead != "":
		case !d.forced && d.acked == w.shown(d):
		case d.inFlight:
			d.again = true
		case now.Before(d.due()):
			b.retryAt(w.m, d.due())
		default:
			jobs = append(jobs, job{w: w, d: d})
		}
	}
	return jobs
}

// shown is what a dialog's phone ought to show.
func (w *work) shown(d *dialog) shown { return shown{w.want, stampOf(&d.row)} }

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

func (b *Bridge) logDialogs(w *work, dialogs []*dialog, due int, now time.Time) {
	live := 0
	for _, d := range dialogs {
		if d.row.Live(now) == "" && d.dead == "" {
			live++
		}
	}
	event, text := "dialogs_found", "found the user's dialogs"
	if live == 0 {
		event, text = "no_dialogs", "no phone is subscribed"
	}
	level := w.level()
	if due > 0 {
		level = zap.InfoLevel
	}
	b.log.Log(level, text, zap.String("event", event), zap.String("id", w.change.id), zap.String("presentity", w.m.aor.URI()),
		zap.Int("rows", len(dialogs)), zap.Int("live", live), zap.Int("to_notify", due))
}

// send starts the NOTIFY of one dialog.
func (b *Bridge) send(j job, now time.Time) {
	w, d := j.w, j.d
	d.cseq, d.sentAt, d.inFlight, d.again, d.forced = j.cseq, now, true, false, false
	b.loop.inFlight++
	o := outcome{m: w.m, d: d, id: w.change.id, sent: w.shown(d), at: now}
	done := func(result sipua.Outcome) {
		o.Outcome = result
		b.mu.Lock()
		b.outcomes = append(b.outcomes, o)
		b.mu.Unlock()
		b.poke()
	}
	r, err := b.request(w, d, j.cseq)
	if err != nil {
		done(sipua.Outcome{Class: sipua.Refused, CSeq: j.cseq, Err: err})
		return
	}
	b.o.Sender.Send(r, done)
}

// request builds the NOTIFY of a dialog. What it renders reads nothing that
// the loop may change, as it is rendered again for each attempt.
func (b *Bridge) request(w *work, d *dialog, cseq uint32) (sipua.Request, error) {
	row := &d.row
	watcher := watchers.AoR{User: row.WatcherUser, Domain: row.WatcherDomain}.URI()
	remote := row.Contact
	if b.o.AoR {
		remote = watcher
	}
	uri, route, err := sipmsg.Target(remote, row.RecordRoute)
	if err != nil {
		return sipua.Request{}, &badRow{err}
	}
	fields := sipmsg.Fields{
		RequestURI: uri, Route: route,
		FromURI: watchers.AoR{User: row.ToUser, Domain: row.ToDomain}.URI(), FromTag: row.ToTag,
		ToURI: watcher, ToTag: row.FromTag,
		CallID: row.CallID, Contact: row.LocalContact, EventID: row.EventID,
		Expires:   uint32(max(0, row.Expires-time.Now().Unix())),
		UserAgent: b.o.UserAgent, Account: b.account(row),
		New: w.want.new, Old: w.want.old, NewUrgent: w.want.newUrgent, OldUrgent: w.want.oldUrgent,
	}
	r := sipua.Request{Method: "NOTIFY", URI: uri, CSeq: cseq, Render: b.renderer(fields, w.change.id)}
	if b.o.SocketInfo {
		r.Target = row.SocketInfo
	}
	return r, nil
}

// account is where the user listens to the messages.
func (b *Bridge) account(row *watchers.Dialog) string {
	if b.o.VMExten == "" {
		return row.Presentity
	}
	return watchers.AoR{User: b.o.VMExten, Domain: row.ToDomain}.URI()
}

// renderer returns what makes the bytes of each attempt, and logs it.
func (b *Bridge) renderer(fields sipmsg.Fields, id string) func([]byte, sipua.Attempt) ([]byte, error) {
	return func(dst []byte, a sipua.Attempt) ([]byte, error) {
		f := fields
		f.Transport, f.SentBy, f.Branch, f.CSeq, f.Authorization = a.Transport, a.SentBy, a.Branch, a.CSeq, a.Authorization
		if f.Contact == "" {
			f.Contact = watchers.AoR{User: b.o.ContactUser, Domain: a.SentBy}.URI()
		}
		out, err := b.o.Template.Append(dst, &f)
		if err != nil {
			return dst, &badRow{err}
		}
		b.log.Info("sent NOTIFY", zap.String("event", "notify_sent"), zap.String("id", id),
			zap.String("call_id", f.CallID), zap.Uint32("cseq", f.CSeq), zap.String("request_uri", f.RequestURI),
			zap.String("transport", f.Transport), zap.String("branch", f.Branch), zap.Uint32("new", f.New), zap.Uint32("old", f.Old))
		return out, nil
	}
}

// badRow is a dialog that no valid request can be made of; trying again helps
// only when the row has changed.
type badRow struct{ err error }

func (e *badRow) Error() string { return e.err.Error() }
func (e *badRow) Unwrap() error { return e.err }
