//go:build linux

package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	paced = 200 // events a second, where the time of each is measured
	turns = 4   // of a second, in each run
)

// atRate has fire start n changes, so many a second, each of another mailbox, and
// returns how many microseconds each took to its NOTIFY on the wire.
func atRate(t testing.TB, phones *responder, rate, n, boxes, offset int, fire func(box int)) (all sample) {
	t.Helper()
	fired := make([]int64, n)
	box := func(i int) int { return (offset + i) * step % boxes }
	for i := range n {
		phones.came[box(i)].Store(0)
	}
	start := time.Now()
	for i := range n {
		time.Sleep(time.Until(start.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		fired[i] = time.Now().UnixNano()
		fire(box(i))
	}
	deadline := time.Now().Add(10 * time.Second)
	for i := range n {
		for phones.came[box(i)].Load() == 0 {
			if time.Now().After(deadline) {
				t.Fatalf("mailbox %d: no NOTIFY within 10 s", firstBox+box(i))
			}
			time.Sleep(time.Millisecond)
		}
		all = append(all, float64(phones.came[box(i)].Load()-fired[i])/1e3)
	}
	return all
}

// latency is one way of an event to the wire, and what it took, run by run.
type latency struct {
	fire     func(box int)
	pid      int           // of who does it
	cpu      time.Duration // of its processor time, in all
	p50, p99 sample        // microseconds
}

// turn takes a second's events.
func (l *latency) turn(t testing.TB, phones *responder, n int) sample {
	before := cpuTime(t, l.pid)
	defer func() { l.cpu += cpuTime(t, l.pid) - before }()
	return atRate(t, phones, paced, paced, users, n*paced, l.fire)
}

// wire measures the way of single events, every other one of which lights a lamp,
// in turns of a second: what a machine does at the moment moves within a minute.
func (st *stage) wire(t *testing.T) (ours, floor, handOvers *latency) {
	ours = &latency{fire: st.events(t, st.source, st.load.to[0]), pid: st.program.cmd.Process.Pid}
	floor, stop := st.hop(t, false)
	defer stop()
	handOvers, stop = st.hop(t, true)
	defer stop()
	all := []*latency{ours, floor, handOvers}
	// In seconds; an answer of the program may take less than a minute.
	const most = 50
	profiled := profile(t, st.program, "single", min(most, runs*turns*len(all))) // it does nothing in others' turns
	defer func() { st.report.hops.profile = profiled() }()
	for run := range runs {
		took := make([]sample, len(all))
		for turn := range turns {
			for i, l := range all {
				took[i] = append(took[i], l.turn(t, st.phones, run*turns+turn)...)
			}
		}
		for i, l := range all {
			l.p50, l.p99 = append(l.p50, took[i].median()), append(l.p99, took[i].quantile(0.99))
		}
	}
	return ours, floor, handOvers
}

// events writes single events to a connection.
func (st *stage) events(t testing.TB, s *source, to net.Conn) func(int) {
	return func(box int) {
		if _, err := to.Write(s.change(nil, box)); err != nil {
			t.Fatal(err)
		}
	}
}

// hop starts a floor, and returns what ends it.
func (st *stage) hop(t testing.TB, handOvers bool) (l *latency, stop func()) {
	s := startSource(t, users)
	cmd := floorCommand(t, "hop", task{Proxy: st.phones.addr(), Source: s.addr(), Database: st.db.url(),
		Message: *st.phones.last.Load(), HandOvers: handOvers})
	must(t, cmd.Start())
	return &latency{fire: st.events(t, s, s.wait(t, 1)[0]), pid: cmd.Process.Pid}, func() {
		end(t, cmd)
		st.load.rebase()
	}
}

const (
	mostOfHops50 = 1.1
	mostOfHops99 = 2
)

// wireRows reports them.
func (r *report) wireRows(ours, floor, handOvers *latency) {
	const text = "one AMI hop + one lookup + one send: "
	ratios50, ratios99 := ours.p50.by(floor.p50), ours.p99.by(floor.p99)
	const events = runs * turns * paced
	r.hops.ours, r.hops.floor, r.hops.handOvers = ours.p50, floor.p50, handOvers.p50
	r.hops.cpu, r.hops.floorCPU = micros(ours.cpu)/events, micros(floor.cpu)/events
	reached50, reached99 := ratios50.median() <= mostOfHops50, ratios99.median() <= mostOfHops99
	r.hops.reached = reached50 && reached99
	r.add(row{fmt.Sprintf("event to wire at %d/s, p50", paced), text + floor.p50.text("%.0f µs"), ours.p50.text("%.0f µs"),
		ratios50, "%.2f", fmt.Sprintf("at most %.1f", mostOfHops50), reached50})
	r.add(row{fmt.Sprintf("event to wire at %d/s, p99", paced), text + floor.p99.text("%.0f µs"), ours.p99.text("%.0f µs"),
		ratios99, "%.2f", fmt.Sprintf("at most %d", mostOfHops99), reached99})
}

// hop is the least that can be done for an event: read it, look its dialog up,
// send a NOTIFY. With hand-overs the goroutine that reads does not wait for the
// database, and the one that decides neither, as in the program.
func hop(work task) error {
	ctx := context.Background()
	db, err := pgx.Connect(ctx, work.Database)
	if err != nil {
		return err
	}
	phone, err := net.Dial("udp4", work.Proxy)
	if err != nil {
		return err
	}
	asterisk, err := logIn(work.Source)
	if err != nil {
		return err
	}
	at := bytes.Index(work.Message, []byte(" sip:")) + len(" sip:")
	lookUp := func(mailbox string) error {
		var callID, contact string
		return db.QueryRow(ctx, `SELECT callid, contact FROM active_watchers WHERE presentity_uri = $1 AND event = 'message-summary'`,
			"sip:"+mailbox+"@"+domain).Scan(&callID, &contact)
	}
	send := func(mailbox string) error {
		copy(work.Message[at:], mailbox)
		_, err := phone.Write(work.Message)
		return err
	}
	tell := func(mailbox string) error {
		if err := lookUp(mailbox); err != nil {
			return err
		}
		return send(mailbox)
	}
	if work.HandOvers {
		tell = handOver(lookUp, send)
	}
	lines := bufio.NewScanner(asterisk)
	for lines.Scan() {
		if mailbox, found := bytes.CutPrefix(lines.Bytes(), []byte("Mailbox: ")); found {
			if err := tell(string(mailbox[:7])); err != nil {
				return err
			}
		}
	}
	return lines.Err()
}

// handOver has one goroutine decide what comes next, and another look up.
func handOver(lookUp, send func(mailbox string) error) (tell func(mailbox string) error) {
	type found struct {
		mailbox string
		err     error
	}
	events, lookups, results := make(chan string, window), make(chan string, window), make(chan found, window)
	go func() {
		for mailbox := range lookups {
			results <- found{mailbox, lookUp(mailbox)}
		}
	}()
	go func() {
		for {
			select {
			case mailbox := <-events:
				lookups <- mailbox
			case f := <-results:
				if f.err == nil {
					f.err = send(f.mailbox)
				}
				if f.err != nil {
					panic(f.err)
				}
			}
		}
	}()
	return func(mailbox string) error {
		events <- mailbox
		return nil
	}
}

// logIn is a client of source, which asks for no secret.
func logIn(addr string) (net.Conn, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	_, err = c.Write([]byte("Action: Login\r\nActionID: 1\r\n\r\n"))
	return c, err
}

func TestEachQuantileHasItsOwnVerdict(t *testing.T) {
	r := &report{}
	floor := &latency{p50: sample{100}, p99: sample{100}}
	r.wireRows(&latency{p50: sample{105}, p99: sample{300}}, floor, floor)
	if !r.rows[0].reached || r.rows[1].reached || r.hops.reached {
		t.Errorf("%+v, %+v", r.rows, r.hops)
	}
}
