package sipmsg

import (
	"bytes"
	"strings"
	"testing"
)

func mustParse(t testing.TB, kind Kind, text string) *Template {
	t.Helper()
	tmpl, err := Parse(kind, "t", text)
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
	got, err := mustParse(t, Notify, Builtin(Notify)).Append([]byte("kept"), &sample)
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
	got, err := mustParse(t, Notify, Builtin(Notify)).Append(nil, &f)
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
	lf, _ := mustParse(t, Notify, Builtin(Notify)).Append(nil, &sample)
	crlf, _ := mustParse(t, Notify, strings.ReplaceAll(Builtin(Notify), "\n", "\r\n")).Append(nil, &sample)
	if !bytes.Equal(lf, crlf) {
		t.Errorf("differ:\n%q\n%q", lf, crlf)
	}
}

func TestOperatorsTemplate(t *testing.T) {
	text := "{{- /* ours */ -}}\n" + strings.Replace(Builtin(Notify), "Event:", "X-Lamp: {{if .New}}on{{else}}off{{end}}\nEvent:", 1)
	got, err := mustParse(t, Notify, text).Append(nil, &sample)
	if err != nil || !strings.Contains(string(got), "\r\nX-Lamp: on\r\n") {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestParseErrors(t *testing.T) {
	edit := func(old, new string) string {
		if !strings.Contains(Builtin(Notify), old) {
			t.Fatalf("no %q in the built-in template", old)
		}
		return strings.Replace(Builtin(Notify), old, new, 1)
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
		{edit("\n{{- if .Authorization}}\n{{.Authorization}}\n{{- end}}", ""), "proxy-authorization: stands 0 times, must stand once: {{.Authorization}} on a line of its own"},
		{edit("Max-Forwards: 70", "Max-Forwards : 70"), `line 3 is no header: "Max-Forwards : 70"`},
		{edit("Max-Forwards: 70", "Max-Forwards: 70\n folded"), `line 4 is no header: " folded"`},
		{edit(";expires={{.Expires}}", ""), `subscription-state: is "active"; write it as active;expires={{.Expires}}`},
		{edit("Messages-Waiting: {{.Waiting}}", "Messages-Waiting: yes"), "the body must begin with the line Messages-Waiting: {{.Waiting}}"},
		{strings.TrimSuffix(Builtin(Notify), "\n"), "the body's last line has no line end"},
	} {
		_, err := Parse(Notify, "t", c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}

// Nothing from the database can end its line, or its place in the line.
func TestHostileValuesAreRefused(t *testing.T) {
	tmpl := mustParse(t, Notify, Builtin(Notify))
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
