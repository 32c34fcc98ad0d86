package bridge

import (
	"errors"
	"time"

	"go.uber.org/zap"

	"zonkeymwi/sipmsg"
	"zonkeymwi/sipua"
	"zonkeymwi/watchers"
)

// request builds the request of a dialog. What it renders reads nothing that
// the loop may change, as it is rendered again for each attempt.
func (b *Bridge) request(j job, o *outcome) (r sipua.Request, err error) {
	d, row, live := j.d, j.row, b.live.Load()
	fields, template := b.outsideFields(d, row, live), live.Template
	switch d.kind {
	case sipmsg.Notify:
		fields, err = inDialog(row, live)
		if live.SocketInfo {
			r.Target = row.SocketInfo
		}
	case sipmsg.Unsolicited:
		if template = live.Unsolicited; template == nil {
			err = errors.New("sip.unsolicited has been switched off")
		}
	}
	if err != nil {
		return r, &badRow{err}
	}
	c := o.sent
	fields.UserAgent, fields.Account = live.UserAgent, live.account(row)
	fields.New, fields.Old, fields.NewUrgent = c.new, c.old, c.newUrgent
	r.Method, r.URI, r.Render = d.kind.Method(), fields.RequestURI, b.renderer(template, live.ContactUser, d.kind.Method(), &fields, o)
	return r, nil
}

// inDialog makes the fields that a dialog's row gives.
func inDialog(row *watchers.Dialog, live *Live) (sipmsg.Fields, error) {
	watcher := watchers.AoR{User: row.WatcherUser, Domain: row.WatcherDomain}.URI()
	remote := row.Contact
	if live.AoR {
		remote = watcher
	}
	uri, route, err := sipmsg.Target(remote, row.RecordRoute)
	return sipmsg.Fields{
		RequestURI: uri, Route: route,
		FromURI: watchers.AoR{User: row.ToUser, Domain: row.ToDomain}.URI(), FromTag: row.ToTag,
		ToURI: watcher, ToTag: row.FromTag,
		CallID: row.CallID, Contact: row.LocalContact, EventID: row.EventID,
		Expires: uint32(max(0, row.Expires-time.Now().Unix())),
	}, err
}

// account is where the user listens to the messages.
func (l *Live) account(row *watchers.Dialog) string {
	if l.VMExten == "" {
		return row.Presentity
	}
	return watchers.AoR{User: l.VMExten, Domain: row.ToDomain}.URI()
}

// renderer returns what makes the bytes of each attempt, logs it, and keeps it
// for whoever asks what was sent.
func (b *Bridge) renderer(template *sipmsg.Template, contactUser, method string, f *sipmsg.Fields, o *outcome) func([]byte, sipua.Attempt) ([]byte, error) {
	ours := f.Contact == ""
	return func(dst []byte, a sipua.Attempt) ([]byte, error) {
		f.Transport, f.SentBy, f.Branch, f.CSeq, f.Authorization = a.Transport, a.SentBy, a.Branch, a.CSeq, a.Authorization
		if ours {
			f.Contact = watchers.AoR{User: contactUser, Domain: a.SentBy}.URI()
		}
		out, err := template.Append(dst, f)
		if err != nil {
			return dst, &badRow{err}
		}
		o.secret = a.Authorization
		b.log.Info(sentText[method], zap.Inline(&sentLine{o, f}))
		if b.debug.Load() {
			b.log.Info("the request, whole", zap.String("event", "notify_debug"), zap.String("id", o.id), zap.String("message", o.text(out[len(dst):])))
		}
		return out, nil
	}
}

// badRow is a dialog that no valid request can be made of; trying again helps
// only when the row has changed.
type badRow struct{ err error }

func (e *badRow) Error() string { return e.err.Error() }
func (e *badRow) Unwrap() error { return e.err }
