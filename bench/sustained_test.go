//go:build linux

package bench

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"
)

const runs = 5 // of what is measured several times

// stage is a program at work on a database of its own.
type stage struct {
	*world
	db      *database
	source  *source
	program *program
	load    *load
}

// newStage starts a program over users dialogs, and has every phone told once.
func newStage(t testing.TB, w *world, name string, s settings) *stage {
	t.Helper()
	st := &stage{world: w, db: newDatabase(t, w.pg, name, users, 1, w.phones.addr()), source: startSource(t, users)}
	migrate(t, st.db)
	st.program = newProgram(t, st.db, st.source.addr(), w.phones.addr(), s).start()
	st.load = newLoad(t, st.source, w.phones, users, st.program)
	st.load.pass(users)
	st.load.drain()
	return st
}

// sustained measures in turns what the program does and what its transactions
// alone take.
func (st *stage) sustained(t *testing.T, what, reach string, least float64) sample {
	var ours, floor, cpu, pg sample
	for run := range runs {
		if run == runs-1 {
			defer profile(t, st.program, "sustained-"+st.db.name)()
		}
		before, beforePG := st.program.cpu(), st.pgCPU(t)
		first := st.phones.answered.Load()
		ours = append(ours, st.load.saturate(3*time.Second))
		st.load.drain()
		n := float64(st.phones.answered.Load() - first)
		cpu, pg = append(cpu, micros(st.program.cpu()-before)/n), append(pg, micros(st.pgCPU(t)-beforePG)/n)
		floor = append(floor, st.floor(t))
	}
	ratios := ours.by(floor)
	st.report.add(row{what, "the same transactions from pre-rendered bytes, no database: " + floor.text("%.0f/s"),
		ours.text("%.0f/s") + ", of processor time " + cpu.text("%.0f") + " µs each and PostgreSQL " + pg.text("%.0f") + " µs",
		ratios, "%.2f", reach, ratios.median() >= least})
	return ours
}

// floor is how many transactions a second the same user agent does with nothing
// around it.
func (st *stage) floor(t testing.TB) float64 {
	cmd := floorCommand(t, "transactions", task{Proxy: st.phones.addr(), Message: *st.phones.last.Load(), Window: window})
	must(t, cmd.Start())
	time.Sleep(500 * time.Millisecond) // it starts, and warms up
	first, start := st.phones.answered.Load(), time.Now()
	time.Sleep(2 * time.Second)
	rate := float64(st.phones.answered.Load()-first) / time.Since(start).Seconds()
	end(t, cmd)
	st.load.rebase()
	return rate
}

// end kills a floor and lets its last requests come.
func end(t testing.TB, cmd *exec.Cmd) {
	must(t, cmd.Process.Kill())
	_ = cmd.Wait() // killed
	time.Sleep(100 * time.Millisecond)
}

// profile takes a processor profile, for whoever optimises, where -profiles says
// a directory. What it returns waits for it.
func profile(t testing.TB, p *program, name string) (wait func()) {
	if *profiles == "" {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r, err := http.Get("http://" + p.admin + "/debug/pprof/profile?seconds=3")
		if err != nil {
			t.Log(err)
			return
		}
		defer r.Body.Close()
		text, err := io.ReadAll(r.Body)
		if err == nil {
			err = os.WriteFile(fmt.Sprintf("%s/%s.pprof", *profiles, name), text, 0o644)
		}
		if err != nil {
			t.Log(err)
		}
	}()
	return func() { <-done }
}

// measureMain has the program as it is installed: the clock's CSeq, no ledger.
func measureMain(t *testing.T, w *world) {
	st := newStage(t, w, "main", settings{})
	told := resident(t, st.program.cmd.Process.Pid)
	rate := st.sustained(t, "sustained event to acknowledged NOTIFY, 100 000 dialogs, four log lines each", "at least 0.75", 0.75)
	p50, p99 := st.wire(t)
	st.report.compare(other{"zonkeymwi", rate, paced, p50, p99})
	st.memory(t, told)
	st.program.stop()
	st.compareScript(t)
}
