//go:build linux

package e2e

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestFaults breaks one thing after the other in one running world, while
// mailboxes change and phones come and go. After each fault every lamp must
// become right by itself, without a storm.
func TestFaults(t *testing.T) {
	w := newWorld(t)
	var rows []row
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			r := w.suffer(t, f)
			rows = append(rows, r)
			t.Logf("%d packets, excess %d of %s\n%s%s", r.packets, r.excess, r.excessOf, tableHead, r)
			w.check(t, f, r)
		})
	}
	writeTable(t, rows)
	w.program.Stop()
	if text, err := os.ReadFile(w.program.logFile()); err != nil || bytes.Contains(text, []byte("DATA RACE")) || bytes.Contains(text, []byte("panic:")) {
		t.Errorf("the log tells of a race or a panic (%v):\n%s", err, text)
	}
}

// The order matters: a session of AMI that lasted a minute makes the pauses before the next connections short again, so
// what ends sessions comes in two groups with a minute between them.
var faults = []fault{
	{name: "none: the bridge starts", during: func(_ *testing.T, w *world) { w.start(); hold(3) }},
	{name: "Asterisk stopped", during: func(_ *testing.T, w *world) { hold(0.5); w.asterisk.Stop(); hold(1.5); w.asterisk.Start() }},
	{name: "Asterisk killed", during: func(_ *testing.T, w *world) { hold(0.5); w.asterisk.Kill(); hold(1.5); w.asterisk.Start() }},
	{name: "Asterisk restarted", during: func(_ *testing.T, w *world) { hold(0.5); w.asterisk.Restart(); hold(1) }},
	{name: "Asterisk frozen", during: func(_ *testing.T, w *world) { hold(0.5); w.asterisk.Freeze(); hold(3); w.asterisk.Thaw() }},
	{name: "AMI stalled", during: func(_ *testing.T, w *world) { hold(0.5); w.line.Stall(); hold(3); w.line.Resume() }},

	{name: "database restarted", during: func(t *testing.T, w *world) { hold(0.5); try(t, w.database.Stop); hold(2); try(t, w.database.Start) }},
	{name: "database frozen", during: func(t *testing.T, w *world) { hold(0.5); try(t, w.database.Pause); hold(6); try(t, w.database.Resume) }},
	{name: "database out of connections", during: exhaust},
	{name: "database read-only", during: readOnly},
	{name: "database connections terminated", during: terminate},

	{name: "proxy stopped and restarted", during: func(_ *testing.T, w *world) { hold(0.5); w.kamailio.Stop(); hold(3); w.kamailio.Start() }},
	{name: "proxy frozen", during: func(_ *testing.T, w *world) { hold(0.5); w.kamailio.Freeze(); hold(4); w.kamailio.Thaw() }},
	{name: "proxy slow, 700 ms", during: weather(4, Weather{Delay: 700 * time.Millisecond})},
	{name: "proxy answers nonsense", during: weather(4, Weather{Answer: nonsense()})},
	{name: "proxy answers 503 to what it delivered", during: weather(4, Weather{Response: refused})},
	{name: "proxy's clock 5 s ahead, then stepped back", during: otherClock},
	{name: "UDP loss 30 %", during: weather(4, Weather{Loss: 0.3})},
	{name: "UDP reordered, 300 ms", during: weather(4, Weather{Jitter: 300 * time.Millisecond})},
	{name: "UDP all duplicated", during: weather(3, Weather{Duplicate: 1})},

	// Nobody says that the other host is gone: Ping after at most 15 s finds out, 30 s later.
	{name: "AMI peer vanished", during: func(_ *testing.T, w *world) { hold(0.5); w.line.Lose(); hold(2) }, patience: 70 * time.Second},
	{name: "AMI cut off in mid-line", during: cutLine},

	{name: "bridge killed at random moments", during: killBridge},
	{name: "bridge killed, with the ledger", during: killWithLedger},
	{name: "disk full for the log", during: fullDisk},
}

func hold(seconds float64) { time.Sleep(time.Duration(seconds * float64(time.Second))) } // a fault lasts

func try(t *testing.T, f func() error) {
	t.Helper()
	if err := f(); err != nil {
		t.Error(err)
	}
}

func (w *world) start() {
	w.starts++
	w.program.Start()
}

// cutLine ends the connection three times within a MessageWaiting event.
func cutLine(_ *testing.T, w *world) {
	for range 3 {
		hold(1.5)
		w.line.CutAfter("\r\nMailbox: 1")
	}
	hold(1)
}

// exhaust takes every connection that the database has, the bridge's too.
func exhaust(t *testing.T, w *world) {
	hold(0.5)
	ctx := t.Context()
	var taken []*pgx.Conn
	take := func() {
		for {
			c, err := pgx.Connect(ctx, w.database.URL("postgres"))
			if err != nil {
				return
			}
			taken = append(taken, c)
		}
	}
	for take(); len(taken) > 0; take() {
		tag, err := taken[0].Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'zonkeymwi%'")
		if err != nil || tag.RowsAffected() == 0 {
			break
		}
		hold(0.05)
	}
	t.Logf("took %d connections", len(taken))
	hold(3)
	for _, c := range taken {
		_ = c.Close(context.Background())
	}
}

func readOnly(t *testing.T, w *world) {
	set := func(value string) {
		t.Helper()
		for _, sql := range []string{"ALTER SYSTEM SET default_transaction_read_only = " + value, "SELECT pg_reload_conf()"} {
			if err := w.database.Exec("postgres", sql); err != nil {
				t.Error(err)
			}
		}
	}
	hold(0.5)
	set("on")
	hold(3)
	set("off")
}

func terminate(t *testing.T, w *world) {
	for range 3 {
		hold(1)
		try(t, func() error {
			return w.database.Exec("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'")
		})
	}
}

func weather(seconds float64, bad Weather) func(*testing.T, *world) {
	return func(_ *testing.T, w *world) {
		hold(0.5)
		w.network.Set(bad)
		hold(seconds)
		w.network.Set(Weather{})
	}
}

// nonsense answers in turn what a broken or overloaded proxy does, and what is no SIP at all. It never says 2xx, nor that
// a dialog is gone: such lies nobody can see through.
func nonsense() func([]byte) [][]byte {
	var turn atomic.Int64
	answers := []func(request []byte) [][]byte{
		func(r []byte) [][]byte { return [][]byte{respond(r, 503, "Retry-After: 1")} },
		func(r []byte) [][]byte { return [][]byte{respond(r, 503)} },
		func(r []byte) [][]byte { return [][]byte{respond(r, 500)} },
		func(r []byte) [][]byte { return [][]byte{respond(r, 403)} },
		func(r []byte) [][]byte {
			return [][]byte{respond(r, 699, "Via: SIP/2.0/UDP other;branch=z9hG4bKother")}
		},
		func(r []byte) [][]byte {
			return [][]byte{respond(r, 200)[:60], []byte("\x00\xff\r\n\r\n"), bytes.Repeat([]byte("A"), 9000)}
		},
		func(r []byte) [][]byte {
			return [][]byte{bytes.Replace(respond(r, 200), []byte("z9hG4bK"), []byte("z9hG4bKnot"), 1)}
		},
		func(r []byte) [][]byte { return [][]byte{r} }, // the request itself
	}
	return func(request []byte) [][]byte {
		return answers[int(turn.Add(1))%len(answers)](request)
	}
}

// refused makes a 503 of any answer: the phone has what the bridge believes it has not.
func refused(response []byte) []byte {
	_, rest, _ := bytes.Cut(response, []byte("\r\n"))
	return append([]byte("SIP/2.0 503 Service Unavailable\r\n"), rest...)
}

// killBridge kills it at random moments.
func killBridge(t *testing.T, w *world) {
	random := rand.New(rand.NewPCG(w.seed, 99))
	for range 3 {
		hold(0.5 + random.Float64())
		w.killAfter(t, func([]string) { hold(0.2 * random.Float64()) })
	}
}

// killWithLedger gives the ledger time to know every phone, and then kills the bridge before it can have noted all that
// it told them.
func killWithLedger(t *testing.T, w *world) {
	w.program.Kill()
	w.program.Configure(strings.Replace(w.config, "[database]\n", "[database]\nledger = true\n", 1))
	w.start()
	hold(3)
	for range 5 {
		hold(0.7)
		w.killAfter(t, w.someoneTold)
	}
}

// killAfter kills the bridge a moment after some mailboxes changed. They are back to what they were when the next one
// starts: what the one knew of the phones must not mislead the next.
func (w *world) killAfter(t *testing.T, moment func(changed []string)) {
	changed := w.spool.Add(t, 20)
	w.refresh(t.Context(), time.Second)
	moment(changed)
	w.program.Kill()
	w.spool.Remove(t, changed)
	w.refresh(t.Context(), time.Second)
	w.start()
}

// someoneTold returns when a phone of the last of the mailboxes shows what it holds, or after half a second.
func (w *world) someoneTold(mailboxes []string) {
	last := mailboxes[len(mailboxes)-1]
	want := w.spool.Truth(last)
	for range 250 {
		hold(0.002)
		for _, d := range w.desks {
			if d.mailbox == last && d.Lamp() == want {
				return
			}
		}
	}
}

// otherClock has the proxy number its own NOTIFYs by a clock that is ahead, and then is stepped back.
func otherClock(_ *testing.T, w *world) {
	for _, ahead := range []time.Duration{5 * time.Second, 0} {
		hold(2)
		w.kamailio.Stop()
		w.kamailio.SetClock(ahead)
		w.kamailio.Start()
	}
}

func fullDisk(_ *testing.T, w *world) {
	w.program.Kill()
	w.program.Configure(w.config)
	w.program.stderr = "/dev/full" // every write says ENOSPC
	w.start()
	hold(3)
}
