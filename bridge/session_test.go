package bridge

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"zonkeymwi/ami"
	"zonkeymwi/sim"
	"zonkeymwi/watchers"
)

// running starts a bridge on an AMI address, with a database and phones in
// memory, and stops it at the end of the test.
func running(t *testing.T, address string, o Options) (*world, *observer.ObservedLogs) {
	t.Helper()
	w := &world{t: t, rows: map[watchers.Key]watchers.Dialog{}, lamps: map[string]string{},
		cseqs: map[string]uint32{}, flying: map[string]int{}}
	core, logs := observer.New(zapcore.InfoLevel)
	o.Log, o.Template, o.Sender = zap.New(core), testTemplate, w
	if o.Dialogs == nil {
		o.Dialogs = w
	}
	o.AMI = ami.Config{Address: address, Username: "bridge", Secret: "bridge-secret"}
	var err error
	if w.b, err = New(o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() { w.b.Run(ctx) })
	t.Cleanup(func() { cancel(); run.Wait() })
	return w, logs
}

// eventually waits for a condition that other goroutines make true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never came: %s", what)
		}
	}
}

func (w *world) lamp(callID string) (counts string) {
	w.lock(func() { counts = w.lamps[callID] })
	return counts
}

// What changed while AMI was lost shows after the reconnect.
func TestReconnectResyncs(t *testing.T) {
	asterisk, err := sim.StartAsterisk(sim.AsteriskConfig{Username: "bridge", Secret: "bridge-secret",
		Mailboxes: []sim.Mailbox{{Name: "202@example.com", Counts: sim.Counts{New: 1}}, {Name: "203@example.com"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer asterisk.Close()
	w, logs := running(t, asterisk.Addr(), Options{})
	w.phone("202", "desk")
	w.phone("203", "other")
	asterisk.Set("202@example.com", 1, 0) // the phones may have come too late for the resync
	asterisk.Set("203@example.com", 0, 0)
	eventually(t, "both lamps", func() bool { return w.lamp("desk") == "1/0" && w.lamp("other") == "0/0" })

	asterisk.Down()
	asterisk.Set("202@example.com", 4, 2)
	asterisk.Up()
	eventually(t, "the lamp after the reconnect", func() bool { return w.lamp("desk") == "4/2" })
	for _, event := range []string{"ami_connected", "ami_lost", "resync"} {
		if logs.FilterField(zap.String("event", event)).Len() == 0 {
			t.Errorf("%s is not in the log", event)
		}
	}
	if n := w.told("other"); n != 1 {
		t.Errorf("the unchanged lamp was told %d times, want once", n)
	}
}

func (w *world) told(callID string) (n int) {
	w.lock(func() {
		for _, s := range w.sent {
			if s.callID == callID {
				n++
			}
		}
	})
	return n
}

// Asterisk can lose entries of its list and still end it normally.
func TestIncompleteListIsReadAgain(t *testing.T) {
	asterisk, err := sim.StartAsterisk(sim.AsteriskConfig{Username: "bridge", Secret: "bridge-secret",
		Mailboxes: []sim.Mailbox{{Name: "201@example.com"}, {Name: "202@example.com", Counts: sim.Counts{New: 1}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer asterisk.Close()
	asterisk.ShortList(1)
	_, logs := running(t, asterisk.Addr(), Options{})
	eventually(t, "a complete resync", func() bool { return logs.FilterField(zap.String("event", "resync")).Len() > 0 })
	if logs.FilterField(zap.String("event", "resync_failed")).Len() != 1 {
		t.Errorf("the short list was not noticed: %v", logs.All())
	}
}

// stalling is a database that now and then takes 50 ms.
type stalling struct {
	*world
	lookups int
}

func (s *stalling) Dialogs(ctx context.Context, users []watchers.AoR) (map[watchers.AoR][]watchers.Dialog, error) {
	if s.lookups++; s.lookups%50 == 1 {
		time.Sleep(50 * time.Millisecond)
	}
	return s.world.Dialogs(ctx, users)
}

// 100 000 events, as recorded and generated, with a database that stalls: no
// mailbox's last state is lost, in the bridge or on a phone.
func TestNoStateIsLost(t *testing.T) {
	stream, last := events(t, 100_000)
	store := &stalling{}
	address := serve(t, stream)
	store.world = &world{t: t, rows: map[watchers.Key]watchers.Dialog{}, lamps: map[string]string{},
		cseqs: map[string]uint32{}, flying: map[string]int{}}
	for box := range last {
		user, domain, _ := strings.Cut(box, "@")
		aor := watchers.AoR{User: user, Domain: domain}
		store.put(watchers.Dialog{Key: watchers.Key{CallID: box, ToTag: "s", FromTag: "p"}, Presentity: aor.URI(),
			WatcherUser: user, WatcherDomain: domain, ToUser: user, ToDomain: domain, Contact: "sip:192.0.2.7",
			LocalContact: "sip:192.0.2.1", Expires: time.Now().Unix() + 3600, Status: 1})
	}
	w, _ := running(t, address, Options{Dialogs: store})
	eventually(t, "every lamp", func() bool {
		for box, want := range last {
			if w.lamp(box) != want {
				return false
			}
		}
		return true
	})
	t.Logf("%d mailboxes, %d NOTIFYs", len(last), len(w.sent))
}

var waiting = regexp.MustCompile(`(?s)^Event: MessageWaiting\r\n.*\r\nMailbox: (\S+)\r\nWaiting: \d+\r\nNew: (\d+)\r\nOld: (\d+)\r\n$`)

// events returns a stream of n MessageWaiting events, and each mailbox's last
// state: every recorded one, others made of them with other numbers, in any
// order, and events of other kinds in between.
func events(t *testing.T, n int) (stream string, last map[string]string) {
	files, _ := filepath.Glob("../ami/testdata/*.server.txt")
	var recorded, others []string
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for block := range strings.SplitSeq(string(data), "\r\n\r\n") {
			switch block += "\r\n"; {
			case waiting.MatchString(block):
				recorded = append(recorded, block)
			case strings.HasPrefix(block, "Event: UserEvent\r\n"):
				others = append(others, block)
			}
		}
	}
	if len(recorded) < 10 || len(others) < 5 {
		t.Fatalf("%d recorded events, %d others: where are the captures?", len(recorded), len(others))
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	last = make(map[string]string)
	var b strings.Builder
	for i := range n {
		block := recorded[i%len(recorded)]
		m := waiting.FindStringSubmatchIndex(block)
		box := block[m[2]:m[3]]
		if i >= len(recorded) { // the first round as it was recorded
			box = fmt.Sprintf("%d@domain.example.com", rnd.IntN(1000))
		}
		fresh, old := rnd.IntN(50), rnd.IntN(50)
		fmt.Fprintf(&b, "%s%s\r\nWaiting: %d\r\nNew: %d\r\nOld: %d\r\n\r\n", block[:m[2]], box, rnd.IntN(2), fresh, old)
		last[box] = fmt.Sprintf("%d/%d", fresh, old)
		if i%7 == 0 {
			b.WriteString(others[i%len(others)] + "\r\n")
		}
	}
	// Without a domain there is no phone.
	maps.DeleteFunc(last, func(box, _ string) bool { return !strings.Contains(box, "@") })
	return b.String(), last
}

// serve is the least Asterisk that lets a bridge log in; then it sends stream
// as fast as the bridge reads it.
func serve(t *testing.T, stream string) (address string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var server sync.WaitGroup
	t.Cleanup(func() { listener.Close(); server.Wait() })
	server.Go(func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(conn, "Asterisk Call Manager/11.0.0\r\n")
		action := map[string]string{}
		for in := bufio.NewScanner(conn); in.Scan(); {
			if name, value, ok := strings.Cut(in.Text(), ": "); ok {
				action[name] = value
				continue
			}
			reply := "Response: Success\r\nActionID: " + action["ActionID"] + "\r\nChallenge: 176693960\r\n\r\n"
			switch action["Action"] {
			case "Login":
				reply += "Event: FullyBooted\r\nPrivilege: system,all\r\n\r\n"
			case "VoicemailUsersList":
				reply += stream
			}
			if _, err := io.WriteString(conn, reply); err != nil {
				return
			}
		}
	})
	return listener.Addr().String()
}

// Neither events nor the list say how many new messages are urgent; the body does.
func TestUrgentMessages(t *testing.T) {
	asterisk, err := sim.StartAsterisk(sim.AsteriskConfig{Username: "bridge", Secret: "bridge-secret"})
	if err != nil {
		t.Fatal(err)
	}
	defer asterisk.Close()
	w, logs := running(t, asterisk.Addr(), Options{})
	w.phone("202", "desk")
	eventually(t, "resync", func() bool { return logs.FilterField(zap.String("event", "resync")).Len() > 0 })
	asterisk.SetCounts("202@example.com", sim.Counts{Urgent: 2, New: 1, Old: 4})
	eventually(t, "the lamp", func() bool { return w.lamp("desk") == "3/4" })
	eventually(t, "two urgent messages in the body", func() (told bool) {
		w.lock(func() { told = strings.Contains(w.sent[len(w.sent)-1].bytes, "Voice-Message: 3/4 (2/0)\r\n") })
		return told
	})
}

// A resync asks for no mailbox whose phones all show what it holds, as the ledger
// says; it takes the number of urgent messages from there.
func TestResyncTakesUrgentFromTheLedger(t *testing.T) {
	row := watchers.Dialog{Contact: "sip:a", RemoteCSeq: 3, Expires: 9, HasAcked: true,
		Acked: watchers.Acked{New: 3, Old: 4, NewUrgent: 2, Contact: "sip:a", RemoteCSeq: 3, Expires: 9}}
	other, refreshed, unknown := row, row, row
	other.Acked.NewUrgent, refreshed.RemoteCSeq, unknown.HasAcked = 1, 4, false
	for _, c := range []struct {
		name string
		rows []watchers.Dialog
		ok   bool
	}{
		{"all show it", []watchers.Dialog{row, row}, true},
		{"no phone", nil, false},
		{"one shows other urgent ones", []watchers.Dialog{row, other}, false},
		{"one has refreshed", []watchers.Dialog{refreshed, row}, false},
		{"of one nothing is known", []watchers.Dialog{row, unknown}, false},
	} {
		claim, ok := claimOf(counts{new: 3, old: 4}, c.rows)
		if ok != c.ok || ok && claim != (counts{new: 3, newUrgent: 2}) {
			t.Errorf("%s: %+v, %v", c.name, claim, ok)
		}
	}
	if _, ok := claimOf(counts{new: 2, old: 4}, []watchers.Dialog{row}); ok {
		t.Error("it claims what the mailbox no longer holds")
	}
}
