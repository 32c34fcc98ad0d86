//go:build linux

package bench

import (
	"fmt"
	"testing"
)

// account is where the time of a stage's NOTIFYs went, run by run.
type account struct {
	column  string  // of the tables
	least   float64 // of the floor, to reach
	reached bool

	each    [byNobody]sample // microseconds of processor time a NOTIFY, by who had it
	busy    sample           // the share of the cores' time that anybody had
	profile shares           // of the last run

	floor               sample // transactions a second
	room                sample // microseconds of processor time a second that the floor had or left idle
	transaction, phones sample // microseconds of processor time of each
	rows, client        sample // of a NOTIFY's rows by hand, in PostgreSQL and in its client
}

// add takes a run of n NOTIFYs.
func (a *account) add(s spent, n float64) {
	for i := range a.each {
		a.each[i] = append(a.each[i], micros(s[i])/n)
	}
	a.busy = append(a.busy, s.busy())
}

// own is the program's processor time.
func (a *account) own() float64 { return a.each[byProgram].median() }

// profiled is that of the run with the profile.
func (a *account) profiled() float64 { return a.each[byProgram][len(a.each[byProgram])-1] }

// needs is what a NOTIFY takes here with any program that reads its rows: source and phones, a
// transaction, and its rows.
func (a *account) needs() float64 {
	return a.each[byBench].median() + a.transaction.median() + a.rows.median() + a.client.median()
}

// mostRate is how many NOTIFYs a second the cores do in the floor's place, never
// idle, if nothing else is to be done.
func (a *account) mostRate() float64  { return a.room.median() / a.needs() }
func (a *account) mostRatio() float64 { return a.mostRate() / a.floor.median() }

// allowed is what everybody together may take for a NOTIFY, if least is reached.
func (a *account) allowed() float64 { return a.room.median() / (a.least * a.floor.median()) }

// besides is what the program takes for what is not in needs.
func (a *account) besides() float64 { return a.own() - a.transaction.median() - a.client.median() }

// verdict says what keeps the ratio from being reached; "" where it is.
func (a *account) verdict() string {
	if a.reached {
		return ""
	}
	text := fmt.Sprintf("Sustained, %s: at %.2f of the floor's %s the cores have %.1f µs for a NOTIFY. ",
		a.column, a.least, a.floor.text("%.0f/s"), a.allowed())
	besides := fmt.Sprintf("for everything else, which is the event, the decision, the rendering, four log lines and the memory for it all. "+
		"zonkeymwi takes %.1f µs for that.", a.besides())
	if a.needs() >= a.allowed() {
		return text + fmt.Sprintf("What must be done takes %.1f µs, so no program that reads the rows for each NOTIFY can reach it here: %.2f would be the most, with nothing left %s",
			a.needs(), a.mostRatio(), besides)
	}
	return text + fmt.Sprintf("What must be done takes %.1f µs of them, so %.2f would be the most, and %.1f µs are left %s",
		a.needs(), a.mostRatio(), a.allowed()-a.needs(), besides)
}

// resyncAccount is where the time of a resync went, in seconds in all.
type resyncAccount struct {
	account
	ours, list, ledger, byHand sample
}

// least is the time of what must be done; notifies is the time of the NOTIFYs.
func (a *resyncAccount) least(notifies float64) float64 { return a.byHand.median() + notifies }

func (a *resyncAccount) verdict(notifies float64) string {
	if a.reached {
		return ""
	}
	floor, least := a.floor.median(), a.least(notifies)
	text := fmt.Sprintf("The resync: the floor reads the list's bytes and looks into none. To know who is to be told, they must be read into a map, and the dialogs with "+
		"what the ledger has of them compared with it; by hand, with numbers in the map and nothing else, and with the NOTIFYs at the most that the cores do, that takes "+
		"%.2f s, %.1f times the floor; at most %.1f is to be reached. ", least, least/floor, mostOfList)
	if least >= mostOfList*floor {
		text += "So no program can that does the one after the other. "
	}
	return text + fmt.Sprintf("zonkeymwi also keeps for each mailbox what will be needed of it later, and takes another %.2f s.", a.ours.median()-least)
}

// hopAccount is where the time of a single event went, in microseconds (p50), run by run.
type hopAccount struct {
	ours, floor, handOvers sample
	cpu, floorCPU          float64 // of processor time an event
	profile                shares
	reached                bool // p50, and p99
}

func (a *hopAccount) verdict() string {
	if a.reached {
		return ""
	}
	least := a.handOvers.by(a.floor)
	text := fmt.Sprintf("Event to wire: the floor is one goroutine, which reads no event while it waits for the database. With two more, so that neither "+
		"AMI's reader nor what decides ever waits, the same takes %s (p50), which is %s of the floor; at most %.1f is to be reached. ", a.handOvers.text("%.0f µs"), least.text("%.2f"), mostOfHops50)
	if least.median() >= mostOfHops50 {
		text += "So no program can that must not lose events. "
	}
	return text + fmt.Sprintf("zonkeymwi takes %.0f µs more, for a connection from a pool, whole rows, the decision, the rendering, a transaction with its timers, three log lines "+
		"and, for every other event, the question how many messages are urgent. With the answer and the fourth line these take it %.0f µs of processor time an event, and the floor %.0f: "+
		"both many times what they take under load, as at this rate each step wakes a thread and finds its code and memory gone from the caches; the profile above has them by part.", a.ours.median()-a.handOvers.median(), a.cpu, a.floorCPU)
}

// renderAccount is where the time of a rendering went, in nanoseconds, run by run.
type renderAccount struct {
	ours, floor, checked sample
	reached              bool
}

// mostOfHand is how many times the floor a rendering may take.
const mostOfHand = 3

func (a *renderAccount) verdict() string {
	if a.reached {
		return ""
	}
	return fmt.Sprintf("Rendering: the floor looks at no byte of what it appends. With a look at each, as what comes from a database, AMI or a phone may not "+
		"leave its line, it takes %s, which is %s of the floor. The other %.0f ns are for finding each value by the template rather than in the program's text.",
		a.checked.text("%.0f ns"), a.checked.by(a.floor).text("%.2f"), a.ours.median()-a.checked.median())
}

// unit is an account of 20 µs a transaction in the floor and 40 µs at least.
func unit() *account {
	a := &account{column: "without the ledger", least: 0.75, floor: sample{50_000}, room: sample{1e6},
		transaction: sample{12}, phones: sample{8}, rows: sample{10}, client: sample{3}, profile: shares{"AMI": 30, "rendering": 10}}
	a.add(spent{byProgram: 60_000, byPostgreSQL: 11_000, byBench: 15_000, byAll: 1}, 1)
	return a
}

func TestAccount(t *testing.T) {
	a := unit()
	if got := fmt.Sprintf("%.2f %.2f %.2f %.2f", a.needs(), a.mostRatio(), a.allowed(), a.besides()); got != "40.00 0.50 26.67 45.00" {
		t.Error(got)
	}
}
