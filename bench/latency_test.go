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

const paced = 200 // events a second, where the time of each is measured

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

// wire measures the way of single events, every other one of which lights a lamp.
func (st *stage) wire(t *testing.T) (ours50, ours99 sample) {
	const n = 4 * paced
	idle := startSource(t, users) // the floor's
	cmd := floorCommand(t, "hop", task{Proxy: st.phones.addr(), Source: idle.addr(), Database: st.db.url(), Message: *st.phones.last.Load()})
	must(t, cmd.Start())
	hop := idle.wait(t, 1)[0]
	var p50, p99 [2]sample
	fire := func(s *source, to net.Conn) func(int) {
		return func(box int) {
			if _, err := to.Write(s.change(nil, box)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for run := range runs {
		for i, send := range []func(int){fire(st.source, st.load.to[0]), fire(idle, hop)} {
			took := atRate(t, st.phones, paced, n, users, run*n, send)
			p50[i], p99[i] = append(p50[i], took.median()), append(p99[i], took.quantile(0.99))
		}
	}
	end(t, cmd)
	st.load.rebase()
	const floor = "one AMI hop + one lookup + one send: "
	for _, q := range []struct {
		name       string
		ours, hop  sample
		reach      string
		mostOfHops float64
	}{{"p50", p50[0], p50[1], "at most 1.1", 1.1}, {"p99", p99[0], p99[1], "at most 2", 2}} {
		ratios := q.ours.by(q.hop)
		st.report.add(row{fmt.Sprintf("event to wire at %d/s, %s", paced, q.name), floor + q.hop.text("%.0f µs"), q.ours.text("%.0f µs"),
			ratios, "%.2f", q.reach, ratios.median() <= q.mostOfHops})
	}
	return p50[0], p99[0]
}

// hop is the least that can be done for an event: read it, look its dialog up,
// send a NOTIFY.
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
	lines := bufio.NewScanner(asterisk)
	for lines.Scan() {
		mailbox, found := bytes.CutPrefix(lines.Bytes(), []byte("Mailbox: "))
		if !found {
			continue
		}
		copy(work.Message[at:], mailbox[:7])
		var callID, contact string
		err = db.QueryRow(ctx, `SELECT callid, contact FROM active_watchers WHERE presentity_uri = ANY($1::text[]) AND event = 'message-summary'`,
			[]string{"sip:" + string(mailbox[:7]) + "@" + domain}).Scan(&callID, &contact)
		if err != nil {
			return err
		}
		if _, err := phone.Write(work.Message); err != nil {
			return err
		}
	}
	return lines.Err()
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
