//go:build linux

package bench

import (
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
func (st *stage) sustained(t *testing.T, what, reach string, least float64, writes bool) sample {
	var ours sample
	a := &account{column: "without the ledger", least: least}
	if writes {
		a.column = "with the ledger"
	}
	var profiled func() shares
	for run := range runs {
		if run == runs-1 {
			profiled = profile(t, st.program, "sustained-"+st.db.name, 3)
		}
		before, first := st.spent(t, st.program), st.phones.answered.Load()
		ours = append(ours, st.load.saturate(3*time.Second))
		st.load.drain()
		a.add(st.spent(t, st.program).since(before), float64(st.phones.answered.Load()-first))
		st.floor(t, a)
	}
	a.profile = profiled()
	st.byHand(t, a, writes)
	ratios := ours.by(a.floor)
	a.reached = ratios.median() >= least
	st.report.add(row{what, "the same transactions from pre-rendered bytes, no database: " + a.floor.text("%.0f/s"),
		ours.text("%.0f/s") + ", of processor time " + a.each[byProgram].text("%.0f") + " µs each and PostgreSQL " + a.each[byPostgreSQL].text("%.0f") + " µs",
		ratios, "%.2f", reach, a.reached})
	st.report.accounts = append(st.report.accounts, a)
	return ours
}

// floor measures how many transactions a second the same user agent does with
// nothing around it, and what processor time they take.
func (st *stage) floor(t testing.TB, a *account) {
	cmd := floorCommand(t, "transactions", task{Proxy: st.phones.addr(), Message: *st.phones.last.Load(), Window: window})
	must(t, cmd.Start())
	time.Sleep(500 * time.Millisecond) // it starts, and warms up
	first, start := st.phones.answered.Load(), time.Now()
	before, cpu := st.spent(t, st.program), cpuTime(t, cmd.Process.Pid)
	time.Sleep(2 * time.Second)
	n, seconds := float64(st.phones.answered.Load()-first), time.Since(start).Seconds()
	cpu = cpuTime(t, cmd.Process.Pid) - cpu
	others := st.spent(t, st.program).since(before)
	a.floor = append(a.floor, n/seconds)
	a.transaction = append(a.transaction, micros(cpu)/n)
	a.phones = append(a.phones, micros(others[byBench])/n)
	a.room = append(a.room, micros(cpu+others[byBench]+others[byNobody])/seconds)
	end(t, cmd)
	st.load.rebase()
}

// end kills a floor and lets its last requests come.
func end(t testing.TB, cmd *exec.Cmd) {
	must(t, cmd.Process.Kill())
	_ = cmd.Wait() // killed
	time.Sleep(100 * time.Millisecond)
}

// measureMain has the program as it is installed: the clock's CSeq, no ledger.
func measureMain(t *testing.T, w *world) {
	st := newStage(t, w, "main", settings{})
	told := resident(t, st.program.cmd.Process.Pid)
	rate := st.sustained(t, "sustained event to acknowledged NOTIFY, 100 000 dialogs, four log lines each", "at least 0.75", 0.75, false)
	ours, floor, handOvers := st.wire(t)
	st.report.wireRows(ours, floor, handOvers)
	st.report.compare(other{"zonkeymwi", rate, paced, ours.p50, ours.p99})
	st.memory(t, told)
	st.program.stop()
	st.compareScript(t)
}
