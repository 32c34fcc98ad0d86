//go:build linux

package bench

import (
	"fmt"
	"testing"
	"time"
)

// curve is how the cost of a NOTIFY grows with something.
type curve struct {
	name   string
	points []point
}

type point struct {
	at                        int    // so many dialogs, phones or bridges
	rate, program, postgreSQL sample // NOTIFYs a second; microseconds of processor time each
}

// together is what program and PostgreSQL take.
func (p point) together() float64 { return p.program.median() + p.postgreSQL.median() }

// crowd is one size of everything.
type crowd struct{ users, phones, bridges int }

func measureGrowth(t *testing.T, w *world) {
	dialogs := curve{name: "dialogs"}
	for _, n := range []int{1_000, 10_000, 100_000, 1_000_000} {
		dialogs.add(t, w, n, crowd{n, 1, 1})
	}
	phones := curve{name: "phones a user (100 000 dialogs)"}
	for _, n := range []int{1, 2, 5, 10, 20} {
		phones.add(t, w, n, crowd{users / n, n, 1})
	}
	bridges := curve{name: "bridges (100 000 dialogs)"}
	for _, n := range []int{1, 2, 4, 8, 16} {
		bridges.add(t, w, n, crowd{users, 1, n})
	}
	w.report.curves = []curve{dialogs, phones, bridges}
}

func (c *curve) add(t *testing.T, w *world, at int, size crowd) {
	t.Run(fmt.Sprintf("%d %s", at, c.name), func(t *testing.T) { c.points = append(c.points, w.cost(t, at, size)) })
}

// burst is how many events are taken at most at once, and 3 bursts are measured.
const burst = 20_000

func (w *world) cost(t *testing.T, at int, size crowd) point {
	db := newDatabase(t, w.pg, "growth", size.users, size.phones, w.phones.addr())
	migrate(t, db)
	src := startSource(t, size.users)
	var programs []*program
	for range size.bridges {
		programs = append(programs, newProgram(t, db, src.addr(), w.phones.addr(), settings{}).start())
	}
	l := newLoad(t, src, w.phones, size.users, programs...)
	l.each = int64(size.phones)
	l.window = max(1, window/size.phones)
	events := min(size.users, burst/size.phones)
	cpu := func() (sum time.Duration) {
		for _, p := range programs {
			sum += p.cpu()
		}
		return sum
	}
	p := point{at: at}
	for run := range 4 {
		before, beforePG, busy := cpu(), w.pgCPU(t), time.Duration(0)
		rounds := max(1, 5000/events) // processor time is counted in steps of 10 ms
		for range rounds {
			start := time.Now()
			l.pass(events)
			l.drain()
			busy += time.Since(start)
			time.Sleep(time.Until(start.Add(1100 * time.Millisecond))) // no phone is told twice a second
		}
		n := float64(rounds * events * size.phones)
		if run > 0 { // the first is the warm-up
			p.rate = append(p.rate, n/busy.Seconds())
			p.program = append(p.program, micros(cpu()-before)/n)
			p.postgreSQL = append(p.postgreSQL, micros(w.pgCPU(t)-beforePG)/n)
		}
	}
	for _, p := range programs {
		p.stop()
	}
	return p
}
