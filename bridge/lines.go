package bridge

import (
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"zonkeymwi/sipmsg"
)

// The four lines of a change's story. Each writes itself: a slice of fields for
// each would be half of all that a change allocates.
type (
	receivedLine work
	foundLine    struct {
		w               *work
		rows, live, due int
	}
	sentLine struct {
		o *outcome
		f *sipmsg.Fields
	}
	resultLine outcome
)

// logReceived starts the story of each change, before anything can hold it up.
func (b *Bridge) logReceived(batch []work) {
	for i := range batch {
		w := &batch[i]
		if w.change.events == 0 {
			continue // a retry tells its story under the id of the change it is for
		}
		b.log.Log(w.level(), "mailbox changed", zap.Inline((*receivedLine)(w)))
	}
}

func (l *receivedLine) MarshalLogObject(e zapcore.ObjectEncoder) error {
	e.AddString("event", "mwi_received")
	e.AddString("id", l.id)
	e.AddString("mailbox", l.name)
	e.AddUint32("new", l.want.new)
	e.AddUint32("old", l.want.old)
	e.AddString("why", l.change.why.String())
	e.AddUint32("events", l.change.events)
	e.AddTime("received", l.change.received)
	return nil
}

func (l *foundLine) MarshalLogObject(e zapcore.ObjectEncoder) error {
	event := "dialogs_found"
	if l.live == 0 {
		event = "no_dialogs"
	}
	e.AddString("event", event)
	e.AddString("id", l.w.id)
	e.AddString("presentity", l.w.m.aor.URI())
	e.AddInt("rows", l.rows)
	e.AddInt("live", l.live)
	e.AddInt("to_notify", l.due)
	return nil
}

var sentText = map[string]string{"NOTIFY": "sent NOTIFY", "PUBLISH": "sent PUBLISH"}

func (l *sentLine) MarshalLogObject(e zapcore.ObjectEncoder) error {
	e.AddString("event", "notify_sent")
	e.AddString("id", l.o.id)
	e.AddString("call_id", l.f.CallID)
	e.AddUint32("cseq", l.f.CSeq)
	e.AddString("request_uri", l.f.RequestURI)
	e.AddString("transport", l.f.Transport)
	e.AddString("branch", l.f.Branch)
	e.AddUint32("new", l.f.New)
	e.AddUint32("old", l.f.Old)
	return nil
}

func (l *resultLine) MarshalLogObject(e zapcore.ObjectEncoder) error {
	e.AddString("event", "notify_result")
	e.AddString("id", l.id)
	e.AddString("call_id", l.row.CallID)
	e.AddUint32("cseq", l.CSeq)
	e.AddString("outcome", l.Class.String())
	e.AddInt("status", l.Status)
	e.AddString("reason", l.Reason)
	e.AddInt("sent", l.Sent)
	e.AddDuration("took", l.ended.Sub(l.at))
	return nil
}
