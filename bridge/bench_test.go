package bridge

import (
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"zonkeymwi/ami"
	"zonkeymwi/sipua"
	"zonkeymwi/watchers"
)

// instant is a database and a proxy that take no time.
type instant struct {
	world
	users   map[watchers.AoR]watchers.Dialog
	message []byte
	done    chan struct{}
}

func (i *instant) Dialogs(_ context.Context, users []watchers.AoR) (map[watchers.AoR][]watchers.Dialog, error) {
	found := make(map[watchers.AoR][]watchers.Dialog, len(users))
	for _, u := range users {
		found[u] = []watchers.Dialog{i.users[u]}
	}
	return found, nil
}

func (i *instant) Send(r sipua.Request, done func(sipua.Outcome)) {
	var err error
	i.message, err = r.Render(i.message[:0], sipua.Attempt{Transport: "UDP", SentBy: "192.0.2.10:5070", Branch: "z9hG4bKbench", CSeq: r.CSeq})
	done(sipua.Outcome{Class: sipua.Acknowledged, Status: 200, Reason: "OK", CSeq: r.CSeq, Sent: 1, Err: err})
	i.done <- struct{}{}
}

// BenchmarkChange is what the bridge itself does for one NOTIFY, from AMI's
// reader to the outcome, its four log lines included.
func BenchmarkChange(b *testing.B) {
	const users = 100_000
	i := &instant{users: map[watchers.AoR]watchers.Dialog{}, done: make(chan struct{}, 1<<20)}
	names := make([]string, users)
	for n := range users {
		user := fmt.Sprint("user", n)
		names[n] = user + "@example.com"
		i.users[watchers.AoR{User: user, Domain: "example.com"}] = watchers.Dialog{
			Key:        watchers.Key{CallID: user + "-94f774b328254abb@192.0.2.41", ToTag: "server-tag", FromTag: "phone-tag"},
			Presentity: "sip:" + names[n], WatcherUser: user, WatcherDomain: "example.com", ToUser: user, ToDomain: "example.com",
			Contact: "sip:" + user + "@192.0.2.41:5062", LocalContact: "sip:192.0.2.20:5060", SocketInfo: "udp:192.0.2.20:5060",
			Expires: time.Now().Unix() + 36000, Status: 1, RemoteCSeq: 1}
	}
	log := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(io.Discard), zap.InfoLevel))
	bridge, err := New(Options{Dialogs: i, Sender: i, Log: log, Live: Live{Template: testTemplate, UserAgent: "Asterisk", VMExten: "*97"}})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	go bridge.runLoop(ctx)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		bridge.mailbox(ami.Mailbox{Name: names[n%users], New: 1 + n/users, Old: n % 3})
		if n >= 500 {
			<-i.done
		}
	}
}
