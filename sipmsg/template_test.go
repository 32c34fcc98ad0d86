package sipmsg

import (
	"bytes"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
)

func mustParse(t testing.TB, text string) *Template {
	t.Helper()
	tmpl, err := Parse("notify.tmpl", text)
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

func TestBuiltinBytes(t *testing.T) {
	want := strings.ReplaceAll(`NOTIFY sip:202@192.0.2.41:5062;transport=udp SIP/2.0
Via: SIP/2.0/UDP 192.0.2.10:5070;branch=z9hG4bKsample;rport
Max-Forwards: 70
Route: <sip:192.0.2.30;lr>,<sip:192.0.2.31;lr>
From: <sip:*97@domain.example.com>;tag=server-tag
To: <sip:202@domain.example.com>;tag=phone-tag
Call-ID: 94f774b328254abb@192.0.2.41
CSeq: 1795406612 NOTIFY
Contact: <sip:192.0.2.20:5060>
Proxy-Authorization: Digest username="sample"
Event: message-summary;id=7
Subscription-State: active;expires=598
User-Agent: Asterisk
Content-Type: application/simple-message-summary
Content-Length: 94

Messages-Waiting: yes
Message-Account: sip:*97@domain.example.com
Voice-Message: 3/5 (2/1)
`, "\n", "\r\n")
	got, err := mustParse(t, Builtin()).Append([]byte("kept"), &sample)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimPrefix(string(got), "kept"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// What is optional leaves no trace: no empty Route, no bare ";id=".
func TestBuiltinWithoutOptions(t *testing.T) {
	f := sample
	f.Route, f.EventID, f.UserAgent, f.Authorization, f.New, f.NewUrgent = "", "", "", "", 0, 0
	got, err := mustParse(t, Builtin()).Append(nil, &f)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"Route", "id=", "User-Agent", "Authorization", "\r\n\r\n\r\n"} {
		if strings.Contains(string(got), s) {
			t.Errorf("holds %q:\n%s", s, got)
		}
	}
	// Old messages alone do not light the lamp.
	if !strings.Contains(string(got), "\r\n\r\nMessages-Waiting: no\r\n") {
		t.Errorf("lamp is on for old messages:\n%s", got)
	}
}

func TestLineEndsOfTemplateDoNotMatter(t *testing.T) {
	lf, _ := mustParse(t, Builtin()).Append(nil, &sample)
	crlf, _ := mustParse(t, strings.ReplaceAll(Builtin(), "\n", "\r\n")).Append(nil, &sample)
	if !bytes.Equal(lf, crlf) {
		t.Errorf("differ:\n%q\n%q", lf, crlf)
	}
}

func TestOperatorsTemplate(t *testing.T) {
	text := "{{- /* ours */ -}}\n" + strings.Replace(Builtin(), "Event:", "X-Lamp: {{if .New}}on{{else}}off{{end}}\nEvent:", 1)
	got, err := mustParse(t, text).Append(nil, &sample)
	if err != nil || !strings.Contains(string(got), "\r\nX-Lamp: on\r\n") {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestParseErrors(t *testing.T) {
	edit := func(old, new string) string {
		if !strings.Contains(Builtin(), old) {
			t.Fatalf("no %q in the built-in template", old)
		}
		return strings.Replace(Builtin(), old, new, 1)
	}
	for _, c := range []struct{ text, want string }{
		{"", "t: no blank line between headers and body"},
		{edit("70", "7\r0"), "t: holds a bare CR or a NUL: use plain line ends"},
		{edit("{{.CallID}}", "{{.CallId}}"), "t:9:11: .CallId is no field; there are .RequestURI "},
		{edit("{{.New}}", "{{.Neu}}"), "t:25:17: .Neu is no field; there are .RequestURI "},
		{edit("Messages-Waiting: {{.Waiting}}", "{{if .New}}"), "t:26: unexpected EOF"},
		{edit("({{.NewUrgent}}/{{.OldUrgent}})", "{{"), "t:26: unclosed action started at t:25"},
		{edit("{{.New}}", `{{printf "%d" .New}}`), `t:25:17: printf "%d" .New is not known here: a field is {{.Name}}, with no function or pipe`},
		{edit("{{.New}}", `{{with .New}}{{end}}`), `is not known here: use {{.Name}} and {{if .Name}}`},
		{edit("{{.New}}", `{{template "x"}}`), `is not known here: use {{.Name}} and {{if .Name}}`},
		{edit("{{.New}}", `{{define "x"}}y{{end}}`), `t: {{define}} and {{block}} are not known here`},
		{edit("NOTIFY {{.RequestURI}}", "INVITE {{.RequestURI}}"), `t: does not make a valid NOTIFY: line 1 is "INVITE `},
		{edit("Call-ID: {{.CallID}}\n", ""), "t: does not make a valid NOTIFY: call-id: stands 0 times, must stand once: {{.CallID}}"},
		{edit("Call-ID:", "i: {{.CallID}}\nCall-ID:"), "call-id: stands 2 times, must stand once"},
		{edit("tag={{.FromTag}}", "tag={{.ToTag}}"), `from: is "<sip:*97@domain.example.com>;tag=phone-tag"; write it as <{{.FromURI}}>;tag={{.FromTag}}`},
		{edit("{{.ContentLength}}", "97"), `content-length: is "97"; write it as {{.ContentLength}}`},
		{edit("\n{{- if .Route}}\nRoute: {{.Route}}\n{{- end}}", "\nRoute: {{.Route}}"), "route: stands there with nothing to say"},
		{edit("{{- if .Authorization}}\n{{.Authorization}}\n{{- end}}", ""), "proxy-authorization: stands 0 times, must stand once: {{.Authorization}} on a line of its own"},
		{edit("Max-Forwards: 70", "Max-Forwards : 70"), `line 3 is no header: "Max-Forwards : 70"`},
		{edit("Max-Forwards: 70", "Max-Forwards: 70\n folded"), `line 4 is no header: " folded"`},
		{edit(";expires={{.Expires}}", ""), `subscription-state: is "active"; write it as active;expires={{.Expires}}`},
		{edit("Messages-Waiting: {{.Waiting}}", "Messages-Waiting: yes"), "the body must begin with the line Messages-Waiting: {{.Waiting}}"},
		{strings.TrimSuffix(Builtin(), "\n"), "the body's last line has no line end"},
	} {
		_, err := Parse("t", c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}

// Nothing from the database can end its line, or its place in the line.
func TestHostileValuesAreRefused(t *testing.T) {
	tmpl := mustParse(t, Builtin())
	for _, c := range []struct {
		set  func(*Fields)
		want string
	}{
		{func(f *Fields) { f.CallID = "a\r\nX: y" }, `CallID (column callid) may not hold "\r" at byte 1: "a\r\nX: y"`},
		{func(f *Fields) { f.ToTag = "t\x00" }, `ToTag (column from_tag) may not hold "\x00" at byte 1`},
		{func(f *Fields) { f.ToTag = "t;lr" }, `ToTag (column from_tag) may not hold ";" at byte 1`},
		{func(f *Fields) { f.FromTag = "" }, `FromTag (column to_tag) is empty`},
		{func(f *Fields) { f.RequestURI = "sip:a@b c" }, `RequestURI (column contact) may not hold " " at byte 7`},
		{func(f *Fields) { f.Contact = "sip:a@b>,<sip:c@d" }, `Contact (column local_contact) may not hold ">" at byte 7`},
		{func(f *Fields) { f.ToURI = "sip:a\"@b" }, `ToURI (columns watcher_username and watcher_domain) may not hold "\""`},
		{func(f *Fields) { f.EventID = "7\n" }, `EventID (column event_id) may not hold "\n" at byte 1`},
		{func(f *Fields) { f.Route = "<sip:a;lr>\x7f" }, `Route (column record_route) may not hold "\x7f"`},
		{func(f *Fields) { f.UserAgent = strings.Repeat("x", 100) + "\t" }, `may not hold "\t" at byte 100: "` + strings.Repeat("x", 64) + `…"`},
	} {
		f := sample
		c.set(&f)
		out, err := tmpl.Append([]byte("kept"), &f)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v\nwant %s", err, c.want)
		}
		if string(out) != "kept" {
			t.Errorf("a refused request left %q", out)
		}
	}
}

// FuzzValues: whatever the database holds, a NOTIFY that is rendered says to
// another parser what was meant, header for header.
func FuzzValues(f *testing.F) {
	f.Add("sip:1001@127.0.2.41:5062", "777c9cf1-6888e09b", "1f23c67ffd", "94f774b3@127.0.2.41", "sip:127.0.2.20:5060", "", "1001", uint32(1))
	f.Add("sip:a@b;ob", "t", "u", "c\r\nX: y", "sip:c", "7", "x y", uint32(0))
	tmpl := mustParse(f, Builtin())
	parser := sip.NewParser()
	f.Fuzz(func(t *testing.T, target, fromTag, toTag, callID, contact, eventID, agent string, n uint32) {
		v := sample
		v.RequestURI, v.FromTag, v.ToTag, v.CallID, v.Contact = target, fromTag, toTag, callID, contact
		v.EventID, v.UserAgent, v.New = eventID, agent, n
		msg, err := tmpl.Append(nil, &v)
		if err != nil {
			return
		}
		if err := check(msg, &v); err != nil && strings.TrimSpace(callID) == callID && strings.TrimSpace(agent) == agent {
			t.Fatalf("%v\n%q", err, msg)
		}
		head, body, _ := bytes.Cut(msg, []byte("\r\n\r\n"))
		if n := bytes.Count(head, []byte("\r\n")) + 1; n != strings.Count(string(head), "\n")+1 || bytes.Count(body, []byte("\r\n")) != 3 {
			t.Fatalf("line ends: %q", msg)
		}
		if !strings.HasPrefix(target, "sip:") || strings.ContainsAny(target+contact, "?@;:[]%") {
			return // URIs are sent back as the phone wrote them; sipgo's opinion of them is not ours
		}
		m, err := parser.ParseSIP(msg)
		if err != nil {
			return
		}
		if got := len(m.(*sip.Request).Headers()); got != bytes.Count(head, []byte("\r\n"))+strings.Count(v.Route, ",") {
			t.Fatalf("sipgo sees %d headers in\n%q", got, msg)
		}
		if got := m.(*sip.Request).CallID().Value(); got != callID {
			t.Fatalf("Call-ID %q, want %q", got, callID)
		}
	})
}

func TestTarget(t *testing.T) {
	for _, c := range []struct{ name, remote, set, uri, route string }{
		{"none", "sip:p@h", "", "sip:p@h", ""},
		{"loose", "sip:p@h", "<sip:a;lr>,<sip:b;lr=on>", "sip:p@h", "<sip:a;lr>,<sip:b;lr=on>"},
		{"strict", "sip:p@h", "<sip:a>,<sip:b;lr>", "sip:a", "<sip:b;lr>,<sip:p@h>"},
		{"strict alone", "sip:p@h", "<sip:a;transport=tcp>", "sip:a;transport=tcp", "<sip:p@h>"},
		{"name and parameters", "sip:p@h", `"x" <sip:a;lr>;q=1 , <sip:b;lr>`, "sip:p@h", "<sip:a;lr>;q=1,<sip:b;lr>"},
		{"comma in a URI", "sip:p@h", "<sip:a,b@c;lr>,<sip:d;lr>", "sip:p@h", "<sip:a,b@c;lr>,<sip:d;lr>"},
		{"lr in the user is none", "sip:p@h", "<sip:lr@a>", "sip:lr@a", "<sip:p@h>"},
		{"lr in a header is none", "sip:p@h", "<sip:a?x=;lr>", "sip:a?x=;lr", "<sip:p@h>"},
	} {
		uri, route, err := Target(c.remote, c.set)
		if err != nil || uri != c.uri || route != c.route {
			t.Errorf("%s: %q %q %v, want %q %q", c.name, uri, route, err, c.uri, c.route)
		}
	}
	for _, bad := range []string{"sip:a;lr", "<sip:a", "sip:a>", "<sip:a;lr>,", "><"} {
		if uri, route, err := Target("sip:p@h", bad); err == nil {
			t.Errorf("%q: %q %q, want an error", bad, uri, route)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	tmpl := mustParse(b, Builtin())
	whole, _ := tmpl.Append(nil, &sample)
	pieces := bytes.SplitAfter(whole, []byte(" "))
	buf := make([]byte, 0, 2048)
	b.Run("floor", func(b *testing.B) { // the same bytes, by hand
		b.ReportAllocs()
		for b.Loop() {
			buf = buf[:0]
			for _, p := range pieces {
				buf = append(buf, p...)
			}
		}
	})
	b.Run("template", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf, _ = tmpl.Append(buf[:0], &sample)
		}
	})
}
