package sipmsg

import (
	"bytes"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
)

// FuzzTemplate: whatever an operator writes as a template, Parse says why not, or
// makes requests that hold what was meant, of which sipgo's parser finds as many
// headers as there are lines.
func FuzzTemplate(f *testing.F) {
	edit := func(old, new string) { f.Add(strings.Replace(Builtin(), old, new, 1)) }
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
	edit("Messages-Waiting", "{{- if .EventID}}\nX: y\n{{end -}}\nMessages-Waiting")
	edit("Content-Length: {{.ContentLength}}", "{{if .Route}}Content-Length: {{.ContentLength}}{{else}}l: {{.ContentLength}}{{end}}")
	parser := sip.NewParser()
	f.Fuzz(func(t *testing.T, text string) {
		tmpl, err := Parse("t", text)
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
			if err := check(msg, &v); err != nil {
				t.Fatalf("%v\n%q", err, msg)
			}
			checkParsed(t, parser, msg, &v)
		}
	})
}

// variants are the fields of samples that Parse has not tried.
func variants() []Fields {
	other := sample
	other.CallID, other.FromTag, other.ToTag, other.CSeq, other.New = "another", "s2", "p2", 7, 4294967295
	bare := other
	bare.Route, bare.EventID, bare.UserAgent, bare.Authorization = "", "", "", ""
	return []Fields{other, bare}
}

// checkParsed has sipgo read a request. It knows fewer forms of what an operator
// adds than RFC 3261 allows, so that its refusal says nothing.
func checkParsed(t *testing.T, parser *sip.Parser, msg []byte, f *Fields) {
	m, err := parser.ParseSIP(msg)
	if err != nil {
		return
	}
	r, ok := m.(*sip.Request)
	if !ok || r.Method != sip.NOTIFY || r.CallID().Value() != f.CallID || r.CSeq().SeqNo != f.CSeq {
		t.Fatalf("sipgo reads\n%v\nof %q", m, msg)
	}
	if tag, _ := r.To().Params.Get("tag"); tag != f.ToTag {
		t.Fatalf("sipgo reads the To tag %q of %q", tag, msg)
	}
}
