package sipmsg

import "testing"

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
