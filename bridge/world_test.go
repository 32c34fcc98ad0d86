package bridge

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"zonkeymwi/ami"
	"zonkeymwi/sipmsg"
	"zonkeymwi/sipua"
	"zonkeymwi/watchers"
)

// world is a database and phones in memory, for the logic of time: it is run
// inside a synctest bubble. A phone is as strict as RFC 3261 12.2.2 asks.
type world struct {
	t *testing.T
	b *Bridge

	mu       sync.Mutex
	rows     map[watchers.Key]watchers.Dialog
	lamps    map[string]string // Call-ID to the counts its phone shows
	cseqs    map[string]uint32 // Call-ID to the last CSeq taken
	sent     []sent
	flying   map[string]int
	delay    time.Duration
	answer   func(callID string) sipua.Outcome // nil: as a phone does
	err      error                             // of the database
	hang     time.Duration                     // how long it takes
	counting time.Duration                     // how long NextCSeq takes
	poison   string                            // a user whose rows fail every query

	loseAnswers, loseRequests bool
	challenged                uint32 // what a challenge adds to each CSeq
	lookups                   int
	flavour                   watchers.Flavour

	touched []watchers.AoR // for the next poll
	polls   int
	trigger chan watchers.AoR // nil: the database does not tell; closed: its connection is lost
	stopped func()            // called in the bubble when the bridge has stopped
}

type sent struct {
	at     time.Time
	callID string
	cseq   uint32
	counts string
	bytes  string
	target string
}

var testTemplate = func() *sipmsg.Template {
	t, err := sipmsg.Parse(sipmsg.Notify, "notify.tmpl", sipmsg.Builtin(sipmsg.Notify))
	if err != nil {
		panic(err)
	}
	return t
}()

// inWorld runs a test in a bubble, with the bridge's loop running.
func inWorld(t *testing.T, o Options, test func(w *world, logs *observer.ObservedLogs)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, rows: map[watchers.Key]watchers.Dialog{}, lamps: map[string]string{},
			cseqs: map[string]uint32{}, flying: map[string]int{}, flavour: watchers.Kamailio}
		core, logs := observer.New(zapcore.DebugLevel)
		o.Dialogs, o.Sender, o.Template, o.Log = w, w, testTemplate, zap.New(core)
		var err error
		if w.b, err = New(o); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var loop sync.WaitGroup
		loop.Go(func() { w.b.runLoop(ctx) })
		loop.Go(func() { w.b.runWatch(ctx) })
		looping, ends := context.WithCancel(context.WithoutCancel(ctx))
		var behind sync.WaitGroup
		behind.Go(func() { w.b.ledger.run(looping) })
		synctest.Wait() // the first poll has taken its mark
		logs.TakeAll()
		defer func() { // also when the test has failed
			cancel()
			loop.Wait()
			ends()
			behind.Wait()
			if w.stopped != nil {
				w.stopped()
			}
		}()
		test(w, logs)
	})
}

// phone adds a live dialog.
func (w *world) phone(user, callID string) watchers.Key {
	return w.put(watchers.Dialog{Key: watchers.Key{CallID: callID, ToTag: "server", FromTag: "phone"},
		Presentity: "sip:" + user + "@example.com", WatcherUser: user, WatcherDomain: "example.com",
		ToUser: user, ToDomain: "example.com", Contact: "sip:" + callID + "@192.0.2.7", LocalContact: "sip:192.0.2.1",
		SocketInfo: "udp:192.0.2.1:5060", Expires: time.Now().Unix() + 36000, Status: 1, RemoteCSeq: 1})
}

func (w *world) put(d watchers.Dialog) watchers.Key {
	w.lock(func() { w.rows[d.Key] = d })
	return d.Key
}

func (w *world) edit(k watchers.Key, change func(*watchers.Dialog)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.rows[k]
	change(&d)
	w.rows[k] = d
}

// event is a MessageWaiting, list an entry of VoicemailUsersList.
func (w *world) event(user string, n, old int) {
	w.b.mailbox(ami.Mailbox{Name: user + "@example.com", New: n, Old: old})
}

func (w *world) list(user string, n, old int) {
	w.b.mailbox(ami.Mailbox{Name: user + "@example.com", New: n, Old: old, Listed: true})
}

func (w *world) Dialogs(ctx context.Context, users []watchers.AoR) (map[watchers.AoR][]watchers.Dialog, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hang > 0 {
		hang := w.hang
		w.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(hang):
		}
		w.mu.Lock()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	w.lookups++
	if w.err != nil {
		return nil, w.err
	}
	found := make(map[watchers.AoR][]watchers.Dialog)
	for _, u := range users {
		if u.User == w.poison && w.poison != "" {
			return nil, errors.New("cannot scan NULL into *string")
		}
		for _, d := range w.rows {
			if d.Presentity == u.URI() {
				found[u] = append(found[u], d)
			}
		}
	}
	return found, nil
}

func (w *world) NextCSeq(_ context.Context, dialogs []watchers.Dialog) (map[watchers.Key]uint32, error) {
	time.Sleep(w.counting)
	w.mu.Lock()
	defer w.mu.Unlock()
	next := make(map[watchers.Key]uint32)
	for _, d := range dialogs {
		if row, ok := w.rows[d.Key]; ok && row.LocalCSeq < maxCSeq {
			row.LocalCSeq++
			w.rows[d.Key] = row
			next[d.Key] = row.LocalCSeq + 1
		}
	}
	return next, w.err
}

// Changed returns the users whose rows a test has touched since the last poll.
func (w *world) Changed(context.Context, watchers.Mark) (users []watchers.AoR, next watchers.Mark, err error) {
	w.lock(func() { users, w.touched, err, w.polls = w.touched, nil, w.err, w.polls+1 })
	return users, next, err
}

// Listen tells of touched users where the test has given it a channel.
func (w *world) Listen(ctx context.Context, ready func(), changed func(watchers.AoR)) error {
	var trigger chan watchers.AoR
	w.lock(func() { trigger = w.trigger })
	if trigger == nil {
		return watchers.ErrNoTrigger
	}
	ready()
	for {
		select {
		case u, ok := <-trigger:
			if !ok {
				return errors.New("connection lost")
			}
			changed(u)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (w *world) Flavour(context.Context) (watchers.Flavour, error) { return w.flavour, nil }

var fieldsOf = regexp.MustCompile(`(?s)\r\nCall-ID: (\S+)\r\nCSeq: (\d+) NOTIFY\r\n.*Voice-Message: (\S+) `)

func (w *world) Send(r sipua.Request, done func(sipua.Outcome)) {
	msg, err := r.Render(nil, sipua.Attempt{Transport: "UDP", SentBy: "192.0.2.10:5070", Branch: "z9hG4bKtest", CSeq: r.CSeq})
	if err != nil {
		done(sipua.Outcome{Class: sipua.Refused, CSeq: r.CSeq, Err: err})
		return
	}
	m := fieldsOf.FindStringSubmatch(string(msg))
	if m == nil {
		w.t.Errorf("strange NOTIFY:\n%s", msg)
		return
	}
	cseq, _ := strconv.Atoi(m[2])
	s := sent{time.Now(), m[1], uint32(cseq) + w.challenged, m[3], string(msg), r.Target}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, s)
	if w.flying[s.callID]++; w.flying[s.callID] > 1 {
		w.t.Errorf("%s: %d NOTIFYs in flight", s.callID, w.flying[s.callID])
	}
	time.AfterFunc(w.delay, func() {
		o := w.reply(s)
		o.Request = msg
		done(o)
	})
}

// reply is the phone's answer.
func (w *world) reply(s sent) sipua.Outcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flying[s.callID]--
	lost := sipua.Outcome{Class: sipua.NoAnswer, Status: 408, CSeq: s.cseq}
	if w.loseRequests {
		return lost
	}
	if w.answer != nil {
		if o := w.answer(s.callID); o.Class != sipua.Acknowledged {
			o.CSeq = s.cseq
			return o
		}
	}
	if s.cseq <= w.cseqs[s.callID] {
		return sipua.Outcome{Class: sipua.CSeqTooLow, Status: 500, CSeq: s.cseq}
	}
	w.cseqs[s.callID], w.lamps[s.callID] = s.cseq, s.counts
	if w.loseAnswers {
		return lost
	}
	return sipua.Outcome{Class: sipua.Acknowledged, Status: 200, CSeq: s.cseq}
}

// answers sets what the phones answer from now on; nil: as phones do.
func (w *world) answers(answer func(callID string) sipua.Outcome) {
	w.lock(func() { w.answer = answer })
}

func (w *world) fails(err error) { w.lock(func() { w.err = err }) }

func (w *world) lock(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// shows waits for d and then wants these lamps.
func (w *world) shows(d time.Duration, want map[string]string) {
	w.t.Helper()
	time.Sleep(d)
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !maps.Equal(w.lamps, want) {
		w.t.Fatalf("after %v the lamps are %v, want %v", d, w.lamps, want)
	}
}

// count is how many NOTIFYs were sent so far.
func (w *world) count() int {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.sent)
}

// gaps are the times between the NOTIFYs of a dialog.
func (w *world) gaps(callID string) (gaps []time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var last time.Time
	for _, s := range w.sent {
		if s.callID == callID {
			if !last.IsZero() {
				gaps = append(gaps, s.at.Sub(last))
			}
			last = s.at
		}
	}
	return gaps
}

func (s sent) String() string { return fmt.Sprintf("%s %d %s", s.callID, s.cseq, s.counts) }
