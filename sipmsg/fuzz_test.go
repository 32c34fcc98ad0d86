package sipmsg

import (
	"bytes"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
)

var allKinds = []Kind{Notify, Publish, Unsolicited}

// FuzzTemplate: whatever an operator writes as a template, Parse says why not, or
// makes requests that hold what was meant, of which sipgo's parser finds as many
// headers as there are lines.
func FuzzTemplate(f *testing.F) {
	edit := func(old, new string) {
		for _, k := range allKinds {
			f.Add(uint8(k), strings.Replace(Builtin(k), old, new, 1))
		}
	}
	edit("", "")
	edit("\n", "\r\n")
	edit("Event:", "X-Lamp: {{if .New}}on{{else}}off{{end}}\nEvent:")
	edit("Event:", "o:")
	edit("Max-Forwards: 70", "Max-Forwards: 70{{/* hops */}}")
	edit("Call-ID: {{.CallID}}\n", "")
	edit("70", "7\r0")
	edit("{{.New}}", `{{printf "%d" .New}}`)
	edit("{{.New}}", `{{range .New}}{{break}}{{end}}`)
	edit("{{.New}}", `{{define "x"}}y{{end}}`)
	edit("{{.New}}", "{{")
	edit("Messages-Waiting", "{{- if .Route}}\nX: y\n{{end -}}\nMessages-Waiting")
	edit("Content-Length: {{.ContentLength}}", "{{if .Route}}Content-Length: {{.ContentLength}}{{else}}l: {{.ContentLength}}{{end}}")
	edit("{{.ToURI}}>", "{{.ToURI}}>;tag={{.FromTag}}")
	parser := sip.NewParser()
	f.Fuzz(func(t *testing.T, k uint8, text string) {
		kind := allKinds[int(k)%len(allKinds)]
		tmpl, err := Parse(kind, "t", text)
		if err != nil {
			if tmpl != nil || !strings.HasPrefix(err.Error(), "t:") {
				t.Fatalf("%v: %v", tmpl, err)
			}
			return
		}
		for _, v := range variants() {
			msg, err := tmpl.Append([]byte("kept"), &v)
			if err != nil {
				continue // a value may not stand where the template puts it
			}
			msg = bytes.TrimPrefix(msg, []byte("kept"))
			if err := check(kind, msg, &v); err != nil {
				t.Fatalf("%v\n%q", err, msg)
			}
			checkParsed(t, parser, kind, msg, &v)
		}
	})
}

// variants are the fields of samples that Parse has not tried.
func variants() []Fields {
	other := sample
	other.CallID, other.FromTag, other.ToTag, other.CSeq, other.New, other.ETag = "another", "s2", "p2", 7, 4294967295, "e2"
	bare := other
	bare.Route, bare.EventID, bare.UserAgent, bare.Authorization, bare.ETag = "", "", "", "", ""
	return []Fields{other, bare}
}

// checkParsed has sipgo read a request. It knows fewer forms of what an operator
// adds than RFC 3261 allows, so that its refusal says nothing.
func checkParsed(t *testing.T, parser *sip.Parser, kind Kind, msg []byte, f *Fields) {
	m, err := parser.ParseSIP(msg)
	if err != nil {
		return
	}
	r, ok := m.(*sip.Request)
	if !ok || string(r.Method) != kind.Method() || r.CallID().Value() != f.CallID || r.CSeq().SeqNo != f.CSeq {
		t.Fatalf("sipgo reads\n%v\nof %q", m, msg)
	}
	if tag, ok := r.To().Params.Get("tag"); ok != (kind == Notify) || ok && tag != f.ToTag {
		t.Fatalf("sipgo reads the To tag %q of %q", tag, msg)
	}
}

// FuzzValues: whatever the database, AMI or the presence server holds, a request
// that is rendered says to another parser what was meant, header for header.
func FuzzValues(f *testing.F) {
	var templates []*Template
	for _, k := range allKinds {
		f.Add(uint8(k), "sip:1001@127.0.2.41:5062", "777c9cf1-6888e09b", "1f23c67ffd", "94f774b3@127.0.2.41", "sip:127.0.2.20:5060", "", "1001", "a.16.2", uint32(1))
		f.Add(uint8(k), "sip:a@b;ob", "t", "u", "c\r\nX: y", "sip:c", "7", "x y", "", uint32(0))
		f.Add(uint8(k), "sip:a@b", "t", "u", "c", "sip:c", "7", "x y", "e\r\nExpires: 0", uint32(0))
		templates = append(templates, mustParse(f, k, Builtin(k)))
	}
	parser := sip.NewParser()
	f.Fuzz(func(t *testing.T, k uint8, target, fromTag, toTag, callID, contact, eventID, agent, etag string, n uint32) {
		kind := allKinds[int(k)%len(allKinds)]
		v := sample
		v.RequestURI, v.FromTag, v.ToTag, v.CallID, v.Contact = target, fromTag, toTag, callID, contact
		v.EventID, v.UserAgent, v.ETag, v.New = eventID, agent, etag, n
		msg, err := templates[kind].Append(nil, &v)
		if err != nil {
			return
		}
		if err := check(kind, msg, &v); err != nil && strings.TrimSpace(callID) == callID && strings.TrimSpace(agent) == agent {
			t.Fatalf("%v\n%q", err, msg)
		}
		if got, want := lines(t, msg), lines(t, plain(templates[kind], v)); got != want {
			t.Fatalf("%d lines, want %d: %q", got, want, msg)
		}
		if !strings.HasPrefix(target, "sip:") || strings.ContainsAny(target+contact, "?@;:[]%") {
			return // URIs are sent back as the phone wrote them; sipgo's opinion of them is not ours
		}
		m, err := parser.ParseSIP(msg)
		if err != nil {
			return
		}
		head, _, _ := bytes.Cut(msg, []byte("\r\n\r\n"))
		if got := len(m.(*sip.Request).Headers()); got != bytes.Count(head, []byte("\r\n"))+strings.Count(v.Route, ",") {
			t.Fatalf("sipgo sees %d headers in\n%q", got, msg)
		}
		if got := m.(*sip.Request).CallID().Value(); got != callID {
			t.Fatalf("Call-ID %q, want %q", got, callID)
		}
	})
}

// lines counts the lines of a request that has no control character but at their ends.
func lines(t *testing.T, msg []byte) int {
	whole := strings.ReplaceAll(string(msg), "\r\n", "")
	if at := strings.IndexFunc(whole, func(r rune) bool { return r < ' ' || r == 0x7f }); at >= 0 {
		t.Fatalf("%q in %q", whole[at], msg)
	}
	return bytes.Count(msg, []byte("\r\n"))
}

// plain renders values that cannot do harm, where f has any.
func plain(tmpl *Template, f Fields) []byte {
	for _, s := range []*string{&f.RequestURI, &f.FromTag, &f.ToTag, &f.CallID, &f.Contact, &f.EventID, &f.UserAgent, &f.ETag} {
		if *s != "" {
			*s = "x"
		}
	}
	msg, _ := tmpl.Append(nil, &f)
	return msg
}
