// Package opensips_test holds what can be held of opensips.cfg without an OpenSIPS, and what the captures of a running
// one show (capture_test.go).
package opensips_test

import (
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// neverRun are the statements of opensips.cfg that testdata/seen-working.cfg has not, by OpenSIPS' documentation alone.
// README.md tells the operator of each.
var neverRun = []string{
	`syslog_enabled=yes`,
	`stderror_enabled=no`,
	`udp_workers=4`,
	`modparam("presence", "db_url", "postgres://opensips:choose-one@db.example.com/opensips")`,
	`if (is_method("NOTIFY|PUBLISH") && $hdr(Event) =~ "^message-summary")`,
	`if (has_totag())`,
	`else`,
	`if (!is_myself("$rd", $rp))`,
	`send_reply(404, "Not Found")`,
}

// provider is the module of each function: OpenSIPS' function index. Core functions have "".
var provider = map[string]string{
	"mf_process_maxfwd_header": "maxfwd", "send_reply": "signaling", "sl_reply_error": "sl",
	"is_method": "sipmsgops", "has_totag": "sipmsgops", "remove_hf": "sipmsgops", "append_hf": "sipmsgops",
	"t_newtran": "tm", "t_relay": "tm", "loose_route": "rr", "save": "registrar", "lookup": "registrar",
	"nat_uac_test": "nathelper", "fix_nated_register": "nathelper", "fix_nated_contact": "nathelper",
	"handle_publish": "presence", "handle_subscribe": "presence", "force_rport": "", "is_myself": "",
}

// serves are the modules that no function calls, and the statement which wants each.
var serves = map[string]string{
	"proto_udp": "socket=udp:", "db_postgres": `"db_url", "postgres://`, "usrloc": `loadmodule "registrar.so"`,
	"presence_mwi": "handle_subscribe()",
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// code is a script without its comments, and with what it has between quotation marks replaced, if blank is true.
func code(t *testing.T, script string, blank bool) string {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(script) {
		quoted := false
		for _, r := range line {
			if r == '"' {
				quoted = !quoted
			} else if r == '#' && !quoted {
				b.WriteByte('\n')
				break
			} else if blank && quoted {
				r = '_'
			}
			b.WriteRune(r)
		}
		if quoted {
			t.Errorf("a quotation mark too few: %s", line)
		}
	}
	return b.String()
}

// statements are the least parts of a script that mean something, in the words of testdata/seen-working.cfg.
func statements(t *testing.T, script string) (all []string) {
	t.Helper()
	script = strings.NewReplacer("192.0.2.10", "127.0.2.10", "192.0.2.20", "127.0.2.30", "udp:example.com", "udp:pbx.test",
		"ZONKEYMWI", "MWI_NOTIFY").Replace(code(t, script, false))
	for _, s := range regexp.MustCompile(`"[^"]*"|[;{}\n]|[^";{}\n]+`).FindAllString(script, -1) {
		if strings.ContainsAny(s, ";{}\n") && s[0] != '"' {
			all = append(all, "")
		} else if len(all) > 0 {
			all[len(all)-1] += s
		} else {
			all = append(all, s)
		}
	}
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}

// TestEveryStatementWasSeenAtWork: in a configuration that ran, or the README says that it was not.
func TestEveryStatementWasSeenAtWork(t *testing.T) {
	ours, seen := statements(t, read(t, "opensips.cfg")), statements(t, read(t, "testdata/seen-working.cfg"))
	for _, s := range ours {
		if !slices.Contains(seen, s) && !slices.Contains(neverRun, s) {
			t.Errorf("never seen at work: %s", s)
		}
	}
	readme := read(t, "README.md")
	for _, s := range neverRun {
		if !slices.Contains(ours, s) || slices.Contains(seen, s) {
			t.Errorf("not a statement that was never run: %s", s)
		}
		if !strings.Contains(readme, s) {
			t.Errorf("README.md does not say that this was never run: %s", s)
		}
	}
}

// TestModules: each is there for something, and there before it is wanted.
func TestModules(t *testing.T) {
	script := code(t, read(t, "opensips.cfg"), false)
	used := map[string]bool{}
	for _, call := range regexp.MustCompile(`[^$\w]([a-z_]+)\(`).FindAllStringSubmatchIndex(code(t, script, true), -1) {
		name := script[call[2]:call[3]]
		module, known := provider[name]
		if slices.Contains([]string{"if", "route", "modparam"}, name) {
			continue
		} else if !known {
			t.Errorf("%s is a function of no known module", name)
		}
		used[module] = true
		if module != "" && !strings.Contains(script[:call[0]], `loadmodule "`+module+`.so"`) {
			t.Errorf("%s without its module %s", name, module)
		}
	}
	for module, why := range serves {
		used[module] = strings.Contains(script, why)
		if used[module] && !strings.Contains(script, `loadmodule "`+module+`.so"`) {
			t.Errorf("%s without module %s", why, module)
		}
	}
	for _, m := range regexp.MustCompile(`loadmodule "(\w+)\.so"`).FindAllStringSubmatch(script, -1) {
		if !used[m[1]] {
			t.Errorf("module %s is loaded for nothing", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`modparam\("(\w+)"`).FindAllStringSubmatchIndex(script, -1) {
		if !strings.Contains(script[:m[0]], `loadmodule "`+script[m[2]:m[3]]+`.so"`) {
			t.Errorf("%s before its module is loaded", script[m[0]:m[1]])
		}
	}
}

// TestRoutes: brackets close, each route that is called exists, and nothing of ours comes behind authentication.
func TestRoutes(t *testing.T) {
	text := read(t, "opensips.cfg")
	var open []rune
	closes := map[rune]rune{')': '(', '}': '{', ']': '['}
	for _, r := range code(t, text, true) {
		if strings.ContainsRune("({[", r) {
			open = append(open, r)
		} else if closes[r] != 0 {
			if len(open) == 0 || open[len(open)-1] != closes[r] {
				t.Fatalf("a %q too many", r)
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Errorf("not closed: %q", open)
	}
	for _, m := range regexp.MustCompile(`route\((\w+)\)`).FindAllStringSubmatch(text, -1) {
		if strings.Count(text, "route["+m[1]+"] {") != 1 {
			t.Errorf("no one route[%s]", m[1])
		}
	}
	at := func(s string) int {
		i := strings.Index(text, s)
		if i < 0 {
			t.Fatalf("no %s", s)
		}
		return i
	}
	if at("route(ZONKEYMWI)") > at("digest authentication") {
		t.Error("zonkeymwi's NOTIFYs come behind the authentication")
	}
	route := statements(t, text[at("route[ZONKEYMWI]"):])
	if len(route) < 3 || route[1] != `if ($si != "127.0.2.10")` || route[2] != `send_reply(403, "Forbidden")` {
		t.Errorf("route[ZONKEYMWI] does not begin with who may: %q", route)
	}
}

// TestDocumentationAddresses: RFC 5737 and RFC 2606, so that nobody's machine is meant.
func TestDocumentationAddresses(t *testing.T) {
	documentation := netip.MustParsePrefix("192.0.2.0/24")
	for _, file := range []string{"opensips.cfg", "zonkeymwi.cfg", "README.md"} {
		text := read(t, file)
		for _, a := range regexp.MustCompile(`\b(?:\d{1,3}\.){3}\d{1,3}\b`).FindAllString(text, -1) {
			if ip, err := netip.ParseAddr(a); err != nil || !documentation.Contains(ip) {
				t.Errorf("%s: %s", file, a)
			}
		}
		for _, d := range regexp.MustCompile(`[\w.-]+\.(?:com|org|net|test|local)\b`).FindAllString(text, -1) {
			if d != "example.com" && !strings.HasSuffix(d, ".example.com") {
				t.Errorf("%s: %s", file, d)
			}
		}
	}
}

// TestLinesToAdd: zonkeymwi.cfg is taken from opensips.cfg word for word, comments and all.
func TestLinesToAdd(t *testing.T) {
	whole, lines := read(t, "opensips.cfg"), read(t, "zonkeymwi.cfg")
	parts := regexp.MustCompile(`(?m)^# \d\. .*\n`).Split(lines, -1)
	if len(parts) != 4 {
		t.Fatalf("%d parts, want a head and three", len(parts))
	}
	for _, part := range parts[1:] {
		if part = strings.Trim(part, "\n"); !strings.Contains(whole, part) {
			t.Errorf("not in opensips.cfg:\n%s", part)
		}
	}
}
