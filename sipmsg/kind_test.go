package sipmsg

import (
	"slices"
	"strings"
	"testing"
)

// The same bytes as in the dialog, but for what each kind is about.
func TestKindsBytes(t *testing.T) {
	notify, err := mustParse(t, Notify, Builtin(Notify)).Append(nil, &sample)
	if err != nil {
		t.Fatal(err)
	}
	for kind, edits := range map[Kind][]string{
		Publish: {
			"NOTIFY sip:", "PUBLISH sip:",
			";tag=phone-tag", "",
			" NOTIFY\r\n", " PUBLISH\r\n",
			"Contact: <sip:192.0.2.20:5060>\r\n", "",
			";id=7", "",
			"Subscription-State: active;expires=598\r\n", "Expires: 598\r\nSIP-If-Match: a.1600000000.4242.7.0\r\n",
		},
		Unsolicited: {
			";tag=phone-tag", "",
			";id=7", "",
			"active;expires=598\r\n", "terminated;reason=noresource\r\n",
		},
	} {
		want := strings.NewReplacer(edits...).Replace(string(notify))
		got, err := mustParse(t, kind, Builtin(kind)).Append(nil, &sample)
		if err != nil || string(got) != want {
			t.Errorf("%v: got\n%s\nwant\n%s", kind, got, want)
		}
	}
}

// What a kind does not know is not asked for, and what is optional leaves no trace.
func TestKindsWithoutOptions(t *testing.T) {
	f := sample
	f.Route, f.EventID, f.UserAgent, f.Authorization, f.ETag, f.ToTag = "", "", "", "", "", ""
	for kind, without := range map[Kind][]string{
		Publish:     {"Route", "User-Agent", "Authorization", "If-Match", "\r\n\r\n\r\n"},
		Unsolicited: {"Route", "User-Agent", "Authorization", "\r\n\r\n\r\n"},
	} {
		got, err := mustParse(t, kind, Builtin(kind)).Append(nil, &f)
		if err != nil {
			t.Error(err)
		}
		for _, s := range without {
			if strings.Contains(string(got), s) {
				t.Errorf("%v holds %q:\n%s", kind, s, got)
			}
		}
	}
}

func TestKindsParseErrors(t *testing.T) {
	for _, c := range []struct {
		kind     Kind
		old, new string
		want     string
	}{
		{Notify, "7", "{{.ETag}}", "t:3:16: .ETag is no field: no NOTIFY has it; there are .RequestURI "},
		{Publish, "{{.ToURI}}>", "{{.ToURI}}>;tag={{.ToTag}}", "t:8:23: .ToTag is no field: no PUBLISH has it; there are .RequestURI "},
		{Publish, "message-summary", "message-summary;id={{.EventID}}", ".EventID is no field: no PUBLISH has it"},
		{Publish, "Event:", "Contact: <{{.Contact}}>\nEvent:", ".Contact is no field: no PUBLISH has it"},
		{Unsolicited, "noresource", "noresource;expires={{.Expires}}", ".Expires is no field: no unsolicited NOTIFY has it"},
		{Unsolicited, "70", "{{.Hops}}", ".Hops is no field; there are "},
		{Publish, "PUBLISH {", "NOTIFY {", `t: does not make a valid PUBLISH: line 1 is "NOTIFY sip:`},
		{Publish, "} PUBLISH", "} NOTIFY", `cseq: is "1795406612 NOTIFY"; write it as {{.CSeq}} PUBLISH`},
		{Publish, "{{.ToURI}}>", "{{.ToURI}}>;tag={{.FromTag}}", `to: is "<sip:202@domain.example.com>;tag=server-tag"; write it as <{{.ToURI}}>, without a tag`},
		{Publish, "Expires: {{.Expires}}\n", "", "expires: stands 0 times, must stand once: {{.Expires}}"},
		{Publish, "{{.Expires}}", "{{.Expires}};x", `expires: is "598;x"; write it as {{.Expires}}`},
		{Publish, "\nSIP-If-Match: {{.ETag}}", "", "sip-if-match: stands 0 times"},
		{Publish, "{{- if .ETag}}\nSIP-If-Match: {{.ETag}}\n{{- end}}", "SIP-If-Match: {{.ETag}}", "sip-if-match: stands there with nothing to say; write it as {{.ETag}}, only where there is one"},
		{Unsolicited, "{{.ToURI}}>", "{{.ToURI}}>;tag={{.FromTag}}", "t: does not make a valid unsolicited NOTIFY: to: is "},
		{Unsolicited, "terminated", "active", `subscription-state: is "active;reason=noresource"; write it as terminated;reason=noresource`},
		{Unsolicited, "Contact: <{{.Contact}}>\n", "", "contact: stands 0 times, must stand once: <{{.Contact}}>"},
		{Notify, "{{.CallID}}", "{{.CallID}};x", `call-id: is "94f774b328254abb@192.0.2.41;x"; write it as {{.CallID}}`},
	} {
		if !strings.Contains(Builtin(c.kind), c.old) {
			t.Fatalf("no %q in %v's template", c.old, c.kind)
		}
		_, err := Parse(c.kind, "t", strings.Replace(Builtin(c.kind), c.old, c.new, 1))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}

// The source that an error names is the request's own: no column outside a dialog.
func TestKindsHostileValues(t *testing.T) {
	for _, c := range []struct {
		kind Kind
		set  func(*Fields)
		want string
	}{
		{Publish, func(f *Fields) { f.ETag = "a\r\nExpires: 0" }, `ETag (the presence server's SIP-ETag) may not hold "\r" at byte 1`},
		{Publish, func(f *Fields) { f.ETag = "a b" }, `ETag (the presence server's SIP-ETag) may not hold " " at byte 1`},
		{Publish, func(f *Fields) { f.ETag = "a=b" }, `may not hold "=" at byte 1`},
		{Publish, func(f *Fields) { f.ETag = "\xff" }, `may not hold "\xff" at byte 0`},
		{Publish, func(f *Fields) { f.FromTag = "" }, `FromTag (the bridge) is empty`},
		{Publish, func(f *Fields) { f.RequestURI = "sip:a b" }, `RequestURI (the mailbox's SIP address) may not hold " " at byte 5`},
		{Publish, func(f *Fields) { f.CallID = "" }, `CallID (the bridge) is empty`},
		{Unsolicited, func(f *Fields) { f.Contact = "sip:a>" }, `Contact (sip.contactuser) may not hold ">" at byte 5`},
		{Unsolicited, func(f *Fields) { f.ToURI = "" }, `ToURI (the mailbox's SIP address) is empty`},
		{Notify, func(f *Fields) { f.ToTag = "" }, `ToTag (column from_tag) is empty`},
	} {
		f := sample
		c.set(&f)
		out, err := mustParse(t, c.kind, Builtin(c.kind)).Append([]byte("kept"), &f)
		if err == nil || !strings.Contains(err.Error(), c.want) || string(out) != "kept" {
			t.Errorf("%v: got %q, %v\nwant %s", c.kind, out, err, c.want)
		}
	}
}

// Each way that a value can be refused, at each place in values of each length.
func TestEveryByteOfEveryClass(t *testing.T) {
	allowed := map[class]func(byte) bool{
		text:  func(b byte) bool { return true },
		word:  func(b byte) bool { return b != ' ' },
		uri:   func(b byte) bool { return !strings.ContainsRune(` <>"`, rune(b)) },
		param: func(b byte) bool { return !strings.ContainsRune(` <>";,`, rune(b)) },
		token: func(b byte) bool { return strings.IndexByte(tokenChars, b) >= 0 },
	}
	for c, may := range allowed {
		segs := []segment{{field: &field{class: c, str: func(f *Fields) string { return f.CallID }}}}
		for b := range 256 {
			ok := b >= ' ' && b != 0x7f && may(byte(b))
			for length := 1; length < 20; length++ {
				for at := range length {
					value := []byte(strings.Repeat("x", length))
					value[at] = byte(b)
					out, err := appendSegments(nil, segs, &Fields{CallID: string(value)})
					if (err == nil) != ok || ok && !slices.Equal(out, value) || !ok && err.(*ValueError).At != at {
						t.Fatalf("class %b, byte %#x at %d of %d: %q, %v", c, b, at, length, out, err)
					}
				}
			}
		}
	}
}
