package bridge

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/emiago/sipgo/sip"

	"zonkeymwi/sipmsg"
	"zonkeymwi/sipua"
	"zonkeymwi/watchers"
)

// FuzzColumns: whatever stands in a row, the NOTIFY that is made of it has the
// headers that were meant, each with the value that was meant, for who reads its
// lines and for sipgo's parser. Or none is made.
func FuzzColumns(f *testing.F) {
	row := func(change func(*watchers.Dialog)) {
		d := watchers.Dialog{Key: watchers.Key{CallID: "94f774b328254abb@192.0.2.41", ToTag: "server-tag", FromTag: "phone-tag"},
			Presentity: "sip:202@example.com", WatcherUser: "202", WatcherDomain: "example.com", ToUser: "202", ToDomain: "example.com",
			EventID: "7", Contact: "sip:202@192.0.2.41:5062;transport=udp", RecordRoute: "<sip:192.0.2.30;lr>,<sip:192.0.2.31;lr>",
			LocalContact: "sip:192.0.2.20:5060"}
		change(&d)
		f.Add(d.CallID, d.ToTag, d.FromTag, d.Presentity, d.WatcherUser, d.WatcherDomain, d.ToUser, d.ToDomain, d.EventID, d.Contact,
			d.RecordRoute, d.LocalContact, d.SocketInfo, int64(600), uint32(3), uint32(5))
	}
	row(func(*watchers.Dialog) {})
	row(func(d *watchers.Dialog) { d.RecordRoute, d.EventID, d.LocalContact = "", "", "" })
	row(func(d *watchers.Dialog) { d.RecordRoute = "<sip:192.0.2.30>" })
	row(func(d *watchers.Dialog) { d.CallID = "a\r\nX: y" })
	row(func(d *watchers.Dialog) { d.Contact = "sip:a@b>\r\n\r\nMessages-Waiting: yes" })
	row(func(d *watchers.Dialog) { d.ToTag = "a;tag=b" })
	row(func(d *watchers.Dialog) { d.Presentity = "sip:a@b\nVoice-Message: 9/9" })
	row(func(d *watchers.Dialog) { d.EventID = "7\x00" })
	row(func(d *watchers.Dialog) { d.WatcherUser, d.ToUser = "", "\u00e4" })

	b, err := New(Options{Dialogs: &world{}, Sender: &world{}, Live: Live{Template: testTemplate, UserAgent: "Asterisk", ContactUser: "asterisk"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, callID, toTag, fromTag, presentity, watcher, watcherDomain, user, domain, eventID, contact, route, local, socket string, lives int64, n, old uint32) {
		d := watchers.Dialog{Key: watchers.Key{CallID: callID, ToTag: toTag, FromTag: fromTag}, Presentity: presentity,
			WatcherUser: watcher, WatcherDomain: watcherDomain, ToUser: user, ToDomain: domain, EventID: eventID, Contact: contact,
			RecordRoute: route, LocalContact: local, SocketInfo: socket, Expires: time.Now().Unix() + lives%1e6}
		msg, err := rendered(b, &d, counts{new: n, old: old})
		if err != nil {
			if bad := new(badRow); !errors.As(err, &bad) {
				t.Fatalf("the row is not blamed: %v", err)
			}
			return
		}
		head, body, _ := strings.Cut(msg, "\r\n\r\n")
		want := meant(&d)
		checkLines(t, head, want)
		checkBody(t, body, fmt.Sprintf("%d/%d (0/0)", n, old), presentity)
		checkParsed(t, msg, &d, want)
	})
}

// rendered is the NOTIFY that the bridge makes of a row.
func rendered(b *Bridge, row *watchers.Dialog, c counts) (string, error) {
	r, err := b.request(job{d: newDialog(row, sipmsg.Notify), row: row}, &outcome{sent: c})
	if err != nil {
		return "", err
	}
	msg, err := r.Render(nil, sipua.Attempt{Transport: "UDP", SentBy: "192.0.2.10:5070", Branch: "z9hG4bKfuzz", CSeq: 42})
	return string(msg), err
}

type header struct{ name, value string } // an empty value: any

// meant are the headers of a row's NOTIFY, in their order.
func meant(d *watchers.Dialog) []header {
	h := []header{{"Via", "SIP/2.0/UDP 192.0.2.10:5070;branch=z9hG4bKfuzz;rport"}, {"Max-Forwards", "70"}}
	if strings.TrimSpace(d.RecordRoute) != "" {
		h = append(h, header{"Route", ""})
	}
	local, event := d.LocalContact, "message-summary"
	if local == "" {
		local = "sip:asterisk@192.0.2.10:5070"
	}
	if d.EventID != "" {
		event += ";id=" + d.EventID
	}
	return append(h,
		header{"From", "<sip:" + d.ToUser + "@" + d.ToDomain + ">;tag=" + d.ToTag},
		header{"To", "<sip:" + d.WatcherUser + "@" + d.WatcherDomain + ">;tag=" + d.FromTag},
		header{"Call-ID", d.CallID}, header{"CSeq", "42 NOTIFY"}, header{"Contact", "<" + local + ">"}, header{"Event", event},
		header{"Subscription-State", ""}, header{"User-Agent", "Asterisk"},
		header{"Content-Type", "application/simple-message-summary"}, header{"Content-Length", ""})
}

// checkLines reads the head as a strict reader of lines does.
func checkLines(t *testing.T, head string, want []header) {
	lines := strings.Split(head, "\r\n")
	if strings.Count(lines[0], " ") != 2 || !strings.HasPrefix(lines[0], "NOTIFY ") || !strings.HasSuffix(lines[0], " SIP/2.0") {
		t.Errorf("request line %q", lines[0])
	}
	if len(lines)-1 != len(want) {
		t.Fatalf("%d headers, want %d:\n%q", len(lines)-1, len(want), head)
	}
	for i, h := range want {
		line := lines[i+1]
		if name, value, _ := strings.Cut(line, ": "); name != h.name || h.value != "" && value != h.value {
			t.Errorf("%q, want %s: %s", line, h.name, h.value)
		}
		if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Errorf("a control character in %q", line)
		}
	}
}

func checkBody(t *testing.T, body, counts, account string) {
	lines := strings.SplitAfter(body, "\r\n")
	if len(lines) != 4 || lines[1] != "Message-Account: "+account+"\r\n" || lines[2] != "Voice-Message: "+counts+"\r\n" ||
		strings.Count(body, "\n") != 3 || strings.Count(body, "\r") != 3 {
		t.Errorf("body %q", body)
	}
}

// checkParsed asks sipgo's parser. It has opinions on URIs that a proxy has not;
// what it may not refuse is a row of plain words.
func checkParsed(t *testing.T, msg string, d *watchers.Dialog, want []header) {
	m, err := sip.NewParser().ParseSIP([]byte(msg))
	if err != nil {
		if plain(d) {
			t.Errorf("sipgo: %v\n%s", err, msg)
		}
		return
	}
	r := m.(*sip.Request)
	if !plain(d) {
		return
	}
	routes := 0
	for _, h := range r.Headers() {
		if h.Name() == "Route" {
			routes++
		}
	}
	others := slices.DeleteFunc(slices.Clone(want), func(h header) bool { return h.name == "Route" })
	if got := len(r.Headers()) - routes; got != len(others) || r.Method != sip.NOTIFY {
		t.Errorf("sipgo sees %s with %d headers, want %d:\n%s", r.Method, got, len(others), msg)
	}
	fromTag, _ := r.From().Params.Get("tag")
	toTag, _ := r.To().Params.Get("tag")
	for _, c := range [][2]string{{r.CallID().Value(), d.CallID}, {fromTag, d.ToTag}, {toTag, d.FromTag},
		{r.From().Address.User, d.ToUser}, {r.From().Address.Host, d.ToDomain},
		{r.To().Address.User, d.WatcherUser}, {r.To().Address.Host, d.WatcherDomain}, {fmt.Sprint(r.CSeq().SeqNo), "42"},
		{fmt.Sprint(r.ContentLength()), fmt.Sprint("Content-Length: ", len(r.Body()))}} {
		if c[0] != c[1] {
			t.Errorf("sipgo reads %q, meant was %q:\n%s", c[0], c[1], msg)
		}
	}
}

// plain tells whether the values are words that no parser could take for
// anything else.
func plain(d *watchers.Dialog) bool {
	word := func(s string) bool {
		return s != "" && utf8.ValidString(s) && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") == ""
	}
	for _, s := range []string{d.CallID, d.ToTag, d.FromTag, d.WatcherUser, d.WatcherDomain, d.ToUser, d.ToDomain} {
		if !word(s) {
			return false
		}
	}
	user, host, _ := strings.Cut(strings.TrimPrefix(d.Contact, "sip:"), "@")
	return strings.HasPrefix(d.Contact, "sip:") && word(user) && word(host) && (d.RecordRoute == "" || d.RecordRoute == "<sip:192.0.2.30;lr>,<sip:192.0.2.31;lr>") &&
		(d.LocalContact == "" || d.LocalContact == "sip:192.0.2.20:5060") && (d.EventID == "" || word(d.EventID))
}
