package bridge

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap/zaptest/observer"

	"zonkeymwi/sipua"
	"zonkeymwi/watchers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBothPhonesOfAUser(t *testing.T) {
	inWorld(t, Options{}, func(w *world, logs *observer.ObservedLogs) {
		w.phone("202", "desk")
		w.phone("202", "mobile")
		w.phone("203", "other")
		w.event("202", 1, 0)
		w.shows(0, map[string]string{"desk": "1/0", "mobile": "1/0"})
		w.event("202", 0, 1)
		w.shows(time.Second, map[string]string{"desk": "0/1", "mobile": "0/1"})

		// One id leads through the steps of each change.
		steps := map[string][]string{}
		for _, e := range logs.All() {
			c := e.ContextMap()
			steps[c["id"].(string)] = append(steps[c["id"].(string)], c["event"].(string))
		}
		for id, got := range steps {
			slices.Sort(got)
			// The second change waits out the second between two NOTIFYs.
			got = slices.Compact(got)
			if want := []string{"dialogs_found", "mwi_received", "notify_result", "notify_sent"}; !slices.Equal(got, want) {
				t.Errorf("%s: %v, want %v", id, got, want)
			}
		}
		if len(steps) != 2 {
			t.Errorf("%d ids, want one a change", len(steps))
		}
	})
}

// Nothing is sent twice: what a phone has acknowledged it is not told again.
func TestUnchangedIsNotSent(t *testing.T) {
	inWorld(t, Options{}, func(w *world, _ *observer.ObservedLogs) {
		w.phone("202", "desk")
		for range 5 {
			w.event("202", 1, 0)
			w.shows(2*time.Second, map[string]string{"desk": "1/0"})
		}
		if n := w.count(); n != 1 {
			t.Errorf("sent %d NOTIFYs, want 1", n)
		}
	})
}

// While a NOTIFY is under way the next waits, and the latest state wins.
func TestBurstCoalesces(t *testing.T) {
	inWorld(t, Options{}, func(w *world, _ *observer.ObservedLogs) {
		w.delay = 3 * time.Second
		w.phone("202", "desk")
		for n := range 100 {
			w.event("202", n+1, 0)
			time.Sleep(10 * time.Millisecond)
		}
		w.shows(10*time.Second, map[string]string{"desk": "100/0"})
		if n := w.count(); n != 2 {
			t.Errorf("sent %d NOTIFYs, want the first state and the last", n)
		}
	})
}

// RFC 3842 3.11: not much more than one a second to one phone.
func TestOneASecond(t *testing.T) {
	inWorld(t, Options{}, func(w *world, _ *observer.ObservedLogs) {
		w.phone("202", "desk")
		for n := range 50 {
			w.event("202", n+1, 0)
			time.Sleep(100 * time.Millisecond)
		}
		w.shows(time.Second, map[string]string{"desk": "50/0"})
		for _, gap := range w.gaps("desk") {
			if gap < time.Second {
				t.Errorf("two NOTIFYs %v apart", gap)
			}
		}
		if n := w.count(); n < 5 || n > 7 {
			t.Errorf("sent %d NOTIFYs in 5 s, want one a second", n)
		}
	})
}

func TestOnlyLiveDialogs(t *testing.T) {
	inWorld(t, Options{}, func(w *world, logs *observer.ObservedLogs) {
		w.edit(w.phone("202", "expired"), func(d *watchers.Dialog) { d.Expires = time.Now().Unix() })
		w.edit(w.phone("202", "pending"), func(d *watchers.Dialog) { d.Status = 2 })
		w.edit(w.phone("202", "terminated"), func(d *watchers.Dialog) { d.Status = 3 })
		w.event("202", 1, 0)
		w.shows(time.Minute, map[string]string{})
		if n := w.count(); n != 0 {
			t.Errorf("sent %d", n)
		}
		if len(logs.FilterMessage("no phone is subscribed").All()) != 1 {
			t.Errorf("no_dialogs is not in the log: %v", logs.All())
		}
	})
}

// A dialog that the phone does not know, as it has said twice, is left alone until
// the phone subscribes again.
func TestDeadUntilTheRowChanges(t *testing.T) {
	inWorld(t, Options{}, func(w *world, _ *observer.ObservedLogs) {
		k := w.phone("202", "desk")
		w.answers(func(string) sipua.Outcome { return sipua.Outcome{Class: sipua.DialogGone, Status: 481} })
		w.event("202", 1, 0)
		time.Sleep(time.Hour)
		w.event("202", 2, 0)
		time.Sleep(time.Hour)
		if n := w.count(); n != 2 {
			t.Errorf("sent %d NOTIFYs to a dead dialog, want 2", n)
		}
		w.answers(nil)
		w.edit(k, func(d *watchers.Dialog) { d.RemoteCSeq++ })
		w.event("202", 2, 0)
		w.shows(0, map[string]string{"desk": "2/0"})
	})
}

// The proxy's own NOTIFY at a refresh is empty, so ours follows it.
func TestRefreshedDialogIsToldAgain(t *testing.T) {
	inWorld(t, Options{}, func(w *world, _ *observer.ObservedLogs) {
		k := w.phone("202", "desk")
		w.event("202", 1, 0)
		w.shows(time.Minute, map[string]string{"desk": "1/0"})
		w.edit(k, func(d *watchers.Dialog) { d.RemoteCSeq++; d.Expires += 600 })
		w.b.subscribed(user202)
		w.shows(headStart, map[string]string{"desk": "1/0"})
		if n := w.count(); n != 2 {
			t.Errorf("sent %d NOTIFYs, want one before and one after the refresh", n)
		}
	})
}

// A phone that has not had the 200 to its SUBSCRIBE yet says that there is no such
// dialog.
func TestPhoneThatDoesNotKnowYet(t *testing.T) {
	inWorld(t, Options{}, func(w *world, _ *observer.ObservedLogs) {
		w.event("202", 1, 0)
		time.Sleep(time.Minute)
		w.phone("202", "desk")
		w.answers(func(string) sipua.Outcome { return sipua.Outcome{Class: sipua.DialogGone, Status: 481} })
		w.event("202", 2, 0) // just before the 200
		time.Sleep(50 * time.Millisecond)
		w.answers(nil)
		w.shows(2*firstBackOff, map[string]string{"desk": "2/0"})
	})
}

func TestBackOff(t *testing.T) {
	inWorld(t, Options{}, func(w *world, _ *observer.ObservedLogs) {
		w.phone("202", "desk")
		w.phone("202", "mobile")
		w.answers(func(id string) sipua.Outcome {
			if id == "desk" {
				return sipua.Outcome{Class: sipua.NoAnswer}
			}
			return sipua.Outcome{Class: sipua.Acknowledged}
		})
		w.event("202", 1, 0)
		// One failing phone delays no other.
		w.shows(0, map[string]string{"mobile": "1/0"})
		time.Sleep(time.Hour)
		gaps := w.gaps("desk")
		for i, gap := range gaps {
			wait := min(lastBackOff, firstBackOff<<i)
			if gap < wait/2 || gap > wait/2+wait {
				t.Errorf("attempt %d came after %v, want %v give or take half", i+2, gap, wait)
			}
		}
		if len(gaps) < 10 || len(gaps) > 40 {
			t.Errorf("%d attempts in an hour", len(gaps)+1)
		}
		w.answers(nil)
		w.shows(2*lastBackOff, map[string]string{"desk": "1/0", "mobile": "1/0"})
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	inWorld(t, Options{}, func(w *world, _ *observer.ObservedLogs) {
		w.phone("202", "desk")
		w.answers(func(string) sipua.Outcome {
			return sipua.Outcome{Class: sipua.TryLater, Status: 503, RetryAfter: 77 * time.Second}
		})
		w.event("202", 1, 0)
		time.Sleep(76 * time.Second)
		if n := w.count(); n != 1 {
			t.Errorf("sent %d before Retry-After was over", n)
		}
		w.answers(nil)
		w.shows(2*time.Second, map[string]string{"desk": "1/0"})
	})
}

func TestDatabaseAway(t *testing.T) {
	inWorld(t, Options{}, func(w *world, logs *observer.ObservedLogs) {
		w.phone("202", "desk")
		w.fails(errors.New("connection refused"))
		w.event("202", 1, 0)
		w.shows(time.Minute, map[string]string{})
		w.event("202", 2, 0)
		if w.lookups > 20 {
			t.Errorf("%d lookups in a minute", w.lookups)
		}
		w.fails(nil)
		w.shows(lastLookupGap, map[string]string{"desk": "2/0"})
		if n := len(logs.FilterMessage("dialogs could not be looked up").All()); n == 0 {
			t.Error("nothing in the log")
		}
	})
}

// A resync keeps to its rate, and what happens meanwhile goes ahead of it.
func TestResyncIsPaced(t *testing.T) {
	inWorld(t, Options{Live: Live{Rate: 100}}, func(w *world, _ *observer.ObservedLogs) {
		for i := range 1000 {
			w.phone(fmt.Sprint(i), fmt.Sprint("p", i))
		}
		w.phone("now", "now")
		for i := range 1000 {
			w.list(fmt.Sprint(i), 1, 0)
		}
		time.Sleep(time.Second)
		w.event("now", 7, 0)
		time.Sleep(150 * time.Millisecond)
		w.mu.Lock()
		if w.lamps["now"] != "7/0" {
			t.Errorf("a fresh event waits for the resync: %v", w.lamps)
		}
		w.mu.Unlock()
		for s := 1; s < 9; s++ {
			time.Sleep(time.Second)
			if n := w.count(); n < 100*s || n > 100*(s+2)+20 {
				t.Errorf("%d NOTIFYs after %d s, want 100 a second", n, s+1)
			}
		}
		time.Sleep(3 * time.Second)
		if n := w.count(); n != 1001 {
			t.Errorf("%d NOTIFYs, want 1001", n)
		}
		w.event("now", 8, 0)
		time.Sleep(time.Second)
		if n := w.count(); n != 1002 {
			t.Errorf("%d NOTIFYs, want 1002", n)
		}
	})
}

func TestBadRow(t *testing.T) {
	inWorld(t, Options{}, func(w *world, logs *observer.ObservedLogs) {
		w.edit(w.phone("202", "hostile"), func(d *watchers.Dialog) { d.Contact = "sip:a@b\r\nX: y" })
		w.edit(w.phone("202", "routes"), func(d *watchers.Dialog) { d.RecordRoute = "<sip:a" })
		w.phone("202", "desk")
		w.event("202", 1, 0)
		w.shows(time.Hour, map[string]string{"desk": "1/0"})
		var all strings.Builder
		for _, e := range logs.FilterMessage("dialog is dead until its row changes").All() {
			fmt.Fprintln(&all, e.ContextMap()["error"])
		}
		for _, want := range []string{"RequestURI (column contact) may not hold", `record_route "<sip:a": want <uri>,<uri>`} {
			if !strings.Contains(all.String(), want) {
				t.Errorf("%q is not in the log:\n%s", want, all.String())
			}
		}
	})
}

func TestMailboxesOfNoDomain(t *testing.T) {
	b, err := New(Options{Dialogs: &world{}, Sender: &world{}, Live: Live{Template: testTemplate,
		Domain: func(context string) (string, bool) {
			switch context {
			case "":
				return "", false
			case "default":
				return "example.com", true
			}
			return context, true
		}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, want string }{
		{"202@default", "sip:202@example.com"}, {"alice@vm.example.net", "sip:alice@vm.example.net"},
		{"+15551234@default", "sip:+15551234@example.com"},
		{"202", "its context has no domain: set mailbox.domain"}, {"@default", "the mailbox has no name"}, {"202@devices@aliases", `an alias, in "devices@aliases", of another mailbox, which lights its own user's lamp; [mailbox.domains] can give that context a domain`},
	} {
		aor, err := b.aorOf(c.name)
		got := aor.URI()
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
