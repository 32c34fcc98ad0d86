package bridge

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"go.uber.org/zap"

	"zonkeymwi/ami"
	"zonkeymwi/sim"
)

// answers collects the UserEvents that a bridge sends.
type answers struct {
	mu  sync.Mutex
	all []string
}

func (a *answers) take(name string, headers []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	headers = slices.DeleteFunc(slices.Clone(headers), func(h string) bool { return strings.HasPrefix(h, "ActionID:") })
	a.all = append(a.all, name+" "+strings.Join(headers, ", "))
}

func (a *answers) has(want string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Contains(a.all, want)
}

func TestUserEvent(t *testing.T) {
	var got answers
	asterisk, err := sim.StartAsterisk(sim.AsteriskConfig{Username: "bridge", Secret: "bridge-secret", OnUserEvent: got.take,
		Mailboxes: []sim.Mailbox{{Name: "202@example.com", Counts: sim.Counts{New: 1, Urgent: 1, Old: 2}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer asterisk.Close()
	w, logs := running(t, asterisk.Addr(), Options{Live: Live{UserEvent: "ZonkeyMWI"}})
	w.phone("202", "desk")
	w.phone("202", "mobile")
	w.phone("998", "lone") // has no mailbox
	asterisk.Set("202@example.com", 2, 2)
	eventually(t, "both lamps", func() bool { return w.lamp("desk") == "2/2" && w.lamp("mobile") == "2/2" })
	told := w.told("desk")

	for _, c := range []struct{ event, answer string }{
		{"Mailbox: 202@example.com|Id: a1", "Mailbox: 202@example.com, Dialogs: 2, Delivered: 2, Failed: 0, Reason: , Id: a1"},
		{"User: 202|Domain:example.com|ActionID: a2", "Mailbox: 202@example.com, Dialogs: 2, Delivered: 2, Failed: 0, Reason: , Id: a2"},
		{"Mailbox: 202@example.com|New: 9|Old: 8|Id: a3", "Mailbox: 202@example.com, Dialogs: 2, Delivered: 2, Failed: 0, Reason: , Id: a3"},
		{"Notify: 202 example.com 9 8|Id: a5", "Mailbox: 202@example.com, Dialogs: 2, Delivered: 2, Failed: 0, Reason: , Id: a5"},
		{"Mailbox: 999@example.com|Id: a4", "Mailbox: 999@example.com, Dialogs: 0, Delivered: 0, Failed: 0, Reason: no phone is subscribed, Id: a4"},
		{"Mailbox: 998@example.com|Id: a6", "Mailbox: 998@example.com, Dialogs: 1, Delivered: 1, Failed: 0, Reason: " + unspoken + ", Id: a6"},
		{"User: x\x01'; DROP TABLE active_watchers|Domain: e|New: 1|Id: a\x02", "Mailbox: x?'; DROP TABLE active_watchers@e, Dialogs: 0, Delivered: 0, Failed: 0, Reason: no phone is subscribed, Id: a?"},
	} {
		asterisk.UserEvent("ZonkeyMWI", strings.Split(c.event, "|")...)
		eventually(t, c.answer, func() bool { return got.has("ZonkeyMWIResult " + c.answer) })
	}
	if n := w.told("desk") - told; n != 4 {
		t.Errorf("the phone was told %d times, want 4", n)
	}
	if u, err := w.b.User(t.Context(), "998", "example.com"); err != nil || u.Holds != nil || u.Mailbox != "" || w.lamp("lone") != "0/0" {
		t.Errorf("a mailbox was made: %+v, %v, its lamp shows %s", u, err, w.lamp("lone"))
	}
	if w.lamp("desk") != "9/8" {
		t.Errorf("the lamp shows %s, want what was asked for last", w.lamp("desk"))
	}

	// What cannot be served is refused in the log, and does no harm.
	for _, event := range []string{"", "Mailbox: @example.com", "Mailbox: 202@example.com|New: -1", "Mailbox: 202@example.com|New: 1x",
		"Mailbox: 202@example.com|Old: 1", "User: 202", "Notify: 202", "Notify: 202 example.com 3", "Notify: 202 example.com x 3", "Mailbox: " + strings.Repeat("x", 300), "Mailbox: 202@example.com|New: 4294967296"} {
		before := logs.FilterField(zap.String("event", "resend_refused")).Len()
		asterisk.UserEvent("ZonkeyMWI", strings.Split(event, "|")...)
		eventually(t, "refusal of "+event, func() bool {
			return logs.FilterField(zap.String("event", "resend_refused")).Len() == before+1
		})
	}
	asterisk.UserEvent("ZonkeyMWIResult", "Mailbox: 202@example.com") // ours, or another bridge's
	asterisk.UserEvent("Other", "Mailbox: 202@example.com")
	asterisk.Set("202@example.com", 1, 0)
	eventually(t, "the truth again", func() bool { return w.lamp("desk") == "1/0" })
}

// What is kept of a request does not keep its event in memory.
func TestRequestKeepsNoEvent(t *testing.T) {
	b, err := New(Options{Dialogs: &world{}, Sender: &world{}, Live: Live{Template: testTemplate}})
	if err != nil {
		t.Fatal(err)
	}
	text := "202 example.com"
	r, err := b.parseRequest(ami.UserEvent{Headers: []ami.Header{{Name: "Notify", Value: text}}})
	if err != nil || r.users[0].User != "202" || unsafe.StringData(r.users[0].User) == unsafe.StringData(text) {
		t.Errorf("%+v, %v", r, err)
	}
}

// A flood of requests is bounded, and the reader is not held up by it.
func TestFloodOfRequests(t *testing.T) {
	b, err := New(Options{Dialogs: &world{}, Sender: &world{}, Live: Live{Template: testTemplate, UserEvent: "ZonkeyMWI"}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 * maxResends { // nobody serves them
		b.userEvent(ami.UserEvent{Name: "ZonkeyMWI", Headers: []ami.Header{{Name: "Mailbox", Value: fmt.Sprint(i, "@e")}}})
	}
	if n := len(b.resends); n != maxResends {
		t.Errorf("%d requests wait, want %d", n, maxResends)
	}
}
