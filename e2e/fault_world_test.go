//go:build linux

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"zonkeymwi/internal/pgtest"
	"zonkeymwi/sim"
)

const (
	faultUsers    = 500
	faultRecorded = 10 // of them: mailboxes that real calls leave their messages in
)

// world is the whole of it with two phones for each of 500 users, in which
// mailboxes change and phones come and go while something is broken.
type world struct {
	seed     uint64
	asterisk *Asterisk
	line     *Stream // from the bridge to Asterisk
	spool    *Spool
	recorded []string
	database *pgtest.Server
	kamailio *Kamailio
	network  *Datagrams // from the bridge to Kamailio
	program  *Program
	config   string
	starts   int // of the program, since the fault began
	desks    []*desk
	churners [4]*rand.Rand
}

// desk is one phone.
type desk struct {
	*sim.Phone
	mailbox string
	uri     string // of its Contact

	mu         sync.Mutex // one request at a time
	wants      bool       // a subscription did not succeed
	subscribed int        // tries to subscribe or to refresh, since the fault began
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{seed: seed(t)}
	for i := range w.churners {
		w.churners[i] = rand.New(rand.NewPCG(w.seed, uint64(2+i)))
	}
	var mailboxes []string
	for i := range faultUsers {
		mailboxes = append(mailboxes, fmt.Sprintf("%d@%s", 1000+i, domain))
	}
	w.asterisk = StartAsterisk(t, AsteriskConfig{Mailboxes: mailboxes, Manager: refresher})
	w.line = StartStream(t, w.asterisk.AMIAddr())
	w.spool = NewSpool(w.asterisk, mailboxes[faultRecorded:], w.seed)
	w.recorded = mailboxes[:faultRecorded]
	url := w.startDatabase(t)
	// A second's transactions to a thousand phones are more than the default holds.
	w.kamailio = StartKamailio(t, KamailioConfig{DB: url, ClockCSeq: true, FRTimer: 10 * time.Second, Memory: 128})
	w.network = StartDatagrams(t, w.kamailio.Addr(), w.seed)
	w.config = fmt.Sprintf(`
[ami]
address = %q
username = %q
secret = %q
[database]
url = %q
poll_interval = "1s"
[sip]
proxy = "%s;transport=udp"
bindip = "127.0.0.1"
[admin]
listen = "127.0.0.1:%d"
`, w.line.Addr(), w.asterisk.Username, w.asterisk.Secret, url, w.network.Addr(), freePort(t))
	w.addPhones(t, mailboxes)
	w.program = NewProgram(t, w.config)
	if out, code := w.program.Command("migrate"); code != 0 {
		t.Fatalf("migrate: exit code %d\n%s", code, out)
	}
	return w
}

// seed is ZONKEYMWI_FAULT_SEED, or a new one; a failing run can be told the same.
// It repeats what is done, not when: these are real processes.
func seed(t *testing.T) uint64 {
	t.Helper()
	n := rand.Uint64()
	if text := os.Getenv("ZONKEYMWI_FAULT_SEED"); text != "" {
		if _, err := fmt.Sscan(text, &n); err != nil {
			t.Fatalf("ZONKEYMWI_FAULT_SEED=%s: %v", text, err)
		}
	}
	t.Logf("ZONKEYMWI_FAULT_SEED=%d", n)
	return n
}

// startDatabase has few connections to give, so that a test can take them all.
func (w *world) startDatabase(t *testing.T) (url string) {
	t.Helper()
	w.database = pgtest.NewServer(t)
	for _, step := range []func() error{
		func() error { return w.database.CreateDB("presence") },
		func() error { return w.database.Exec("postgres", "ALTER SYSTEM SET max_connections = 40") },
		w.database.Restart,
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	return w.database.URL("presence")
}

// addPhones gives each user a phone in each of two banks, and subscribes them.
func (w *world) addPhones(t *testing.T, mailboxes []string) {
	t.Helper()
	for range 2 {
		bank, err := sim.NewBank("", 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(bank.Close)
		for _, mailbox := range mailboxes {
			user, _, _ := strings.Cut(mailbox, "@")
			phone, err := bank.Phone(sim.PhoneConfig{User: user, Domain: domain, Proxy: w.kamailio.Addr(), Keep: 16})
			if err != nil {
				t.Fatal(err)
			}
			w.desks = append(w.desks, &desk{Phone: phone, mailbox: mailbox, uri: "sip:" + user + "@" + bank.Addr(), wants: true})
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	w.subscribeAll(ctx)
	for _, d := range w.desks {
		if d.wants {
			t.Fatalf("phone %s could not subscribe", d.uri)
		}
	}
}

// subscribeAll has every phone that wants a subscription try until it has one.
func (w *world) subscribeAll(ctx context.Context) {
	work := make(chan *desk)
	var workers sync.WaitGroup
	for range 16 {
		workers.Go(func() {
			for d := range work {
				for d.wants && ctx.Err() == nil {
					d.subscribe(ctx)
				}
			}
		})
	}
	for _, d := range w.desks {
		work <- d
	}
	close(work)
	workers.Wait()
}

// A phone gives a request this long before it begins anew.
const phonePatience = 2 * time.Second

func (d *desk) subscribe(ctx context.Context) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, phonePatience)
	defer cancel()
	d.subscribed++
	if d.wants = d.Phone.Subscribe(ctx, 1200) != nil; d.wants {
		pause(ctx, 200*time.Millisecond) // it was refused
	}
}

func (d *desk) refresh(ctx context.Context) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, phonePatience)
	defer cancel()
	d.subscribed++
	d.wants = d.Phone.Refresh(ctx) != nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// live lets mailboxes change and phones refresh and reboot until end is called.
func (w *world) live(t *testing.T) (end func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var tasks sync.WaitGroup
	tasks.Go(func() {
		for _, mailbox := range w.recorded[:3] {
			_ = w.spool.Record(mailbox) // Asterisk may be down
		}
		for ctx.Err() == nil {
			w.spool.Change(t, 3)
			w.refresh(ctx, 500*time.Millisecond)
			pause(ctx, 100*time.Millisecond)
		}
	})
	for i, random := range w.churners {
		tasks.Go(func() {
			for ctx.Err() == nil {
				w.churn(ctx, random, i)
				pause(ctx, 100*time.Millisecond)
			}
		})
	}
	return func() { cancel(); tasks.Wait() }
}

// churn has a phone of every fourth do something. After a reboot it shows nothing until it is told.
func (w *world) churn(ctx context.Context, random *rand.Rand, worker int) {
	d := w.desks[random.IntN(len(w.desks)/4)*4+worker]
	switch {
	case random.Float64() < 0.3:
		d.Reboot()
		d.subscribe(ctx)
	case d.wants:
		d.subscribe(ctx)
	default:
		d.refresh(ctx)
	}
}

// refresh has Asterisk look at its spool, if it can.
func (w *world) refresh(ctx context.Context, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return w.spool.Refresh(ctx) == nil
}

// wrong are the phones whose lamps do not show what is on the disk.
func (w *world) wrong() (wrong []*desk) {
	truth := map[string]sim.Lamp{}
	for _, d := range w.desks {
		want, ok := truth[d.mailbox]
		if !ok {
			want = w.spool.Truth(d.mailbox)
			truth[d.mailbox] = want
		}
		if d.Lamp() != want {
			wrong = append(wrong, d)
		}
	}
	return wrong
}
