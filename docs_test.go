package main

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"zonkeymwi/config"
)

// TestDocuments holds what documents name to what is there.
func TestDocuments(t *testing.T) {
	known := whatIsThere(t)
	if len(known.pages) < 10 || len(known.tests) < 100 || len(known.names) < 20 {
		t.Fatalf("found %d pages, %d tests, %d names: the search is broken", len(known.pages), len(known.tests), len(known.names))
	}
	for _, p := range known.pages {
		for _, fault := range known.faults(p) {
			t.Errorf("%s: %s", p.path, fault)
		}
	}
}

// TestDocumentsMistakes: each line has one mistake, but the first.
func TestDocumentsMistakes(t *testing.T) {
	mistakes := "# A page\n[good](../README.md) `zonkeymwi check` `sip.proxy` `e2e` TestLamp `zonkeymwi_ledger` `bridge/loop.go` [here](#a-page) script run_stop\n" +
		"[gone](gone.md)\n" +
		"[no heading](install.md#nowhere)\n" +
		"[not here](#nowhere)\n" +
		"`zonkeymwi chek`\n" +
		"`zonkeymwi show subscriptions 202 example.com`\n" +
		"`sip.proxi`\n" +
		"`database.urls = \"x\"`\n" +
		"`ZONKEYMWI_SIP_PROXI`\n" +
		"`bridge` TestLamp\n" +
		"TestNothingOfThisName\n" +
		"script run_stopp\n" +
		"`zonkeymwi_notifies_total`\n" +
		"`bridge/lop.go`\n" +
		"\n" +
		"    zonkeymwi runn\n" +
		"    [sip]\n" +
		"    proksy = \"192.0.2.20\"\n" +
		"    [elsewhere]\n" +
		"    anything = 1\n"
	got := whatIsThere(t).faults(page{"docs/planted.md", mistakes})
	if want := strings.Count(mistakes, "\n") - 6; len(got) != want { // less the good lines: 2, an empty one, a section, and a section of somebody else's
		t.Errorf("%d faults, want %d:\n%s", len(got), want, strings.Join(got, "\n"))
	}
}

// there is what documents may name.
type there struct {
	pages []page
	tests map[string][]string // the directories that have a test of this name
	names map[string]bool     // of metrics and of what is ours in databases
	keys  map[string]bool
	env   map[string]bool
}

var (
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Z]\w*)\(`)
	ourName  = regexp.MustCompile(`\bzonkeymwi_[a-z_]+`)
)

func whatIsThere(t *testing.T) *there {
	t.Helper()
	w := &there{tests: map[string][]string{}, names: map[string]bool{}, keys: map[string]bool{},
		env: map[string]bool{"ZONKEYMWI_CACHE": true}} // scripts/asterisk.sh
	for _, k := range config.Keys() {
		w.keys[k.String()], w.env[k.Env()] = true, true
	}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if d != nil && d.Name() == ".git" {
				return fs.SkipDir
			}
			return err
		}
		isTest, dir := strings.HasSuffix(file, "_test.go"), filepath.ToSlash(filepath.Dir(file))
		ours := !isTest && (dir == "admin" || dir == "watchers") // where metrics, tables and triggers get their names
		if filepath.Ext(file) != ".md" && !isTest && !ours {
			return nil
		}
		text, err := os.ReadFile(file)
		switch {
		case isTest:
			for _, m := range testFunc.FindAllStringSubmatch(string(text), -1) {
				w.tests[m[1]] = append(w.tests[m[1]], dir)
			}
		case ours:
			for _, name := range ourName.FindAllString(string(text), -1) {
				w.names[name] = true
			}
		default:
			w.pages = append(w.pages, page{filepath.ToSlash(file), string(text)})
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// faults are the page's mistakes.
func (w *there) faults(p page) (faults []string) {
	for _, fault := range slices.Concat(w.links(p), w.commands(p), w.settings(p), w.evidence(p)) {
		if !slices.Contains(faults, fault) {
			faults = append(faults, fault)
		}
	}
	return faults
}

// links looks at links within the tree, and at paths in code.
func (w *there) links(p page) (faults []string) {
	for _, target := range p.links() {
		u, err := url.Parse(target)
		if err != nil || u.Scheme != "" {
			continue // the net is not asked
		}
		to := p
		if u.Path != "" {
			to.path = path.Join(path.Dir(p.path), u.Path)
			if _, err := os.Stat(to.path); err != nil {
				faults = append(faults, "link "+target+": no such file")
				continue
			}
			text, _ := os.ReadFile(to.path) // a directory has no headings
			to.text = string(text)
		}
		if u.Fragment != "" && !to.anchors()[u.Fragment] {
			faults = append(faults, "link "+target+": no such heading")
		}
	}
	for _, s := range p.spans() {
		first, _, slash := strings.Cut(s, "/")
		if info, err := os.Stat(first); !slash || strings.ContainsAny(s, " $\\") || first == "" || err != nil || !info.IsDir() {
			continue
		}
		if found, err := filepath.Glob(s); err != nil || len(found) == 0 {
			faults = append(faults, "`"+s+"`: no such file")
		}
	}
	return faults
}

var called = regexp.MustCompile(`(?:^|[\s/'])zonkeymwi ([a-z]+(?: [a-z]+)?)`)

// commands looks at what is typed after the program's name.
func (w *there) commands(p page) (faults []string) {
	for _, line := range p.code() {
		line, _, _ = strings.Cut(" "+line, " # ")
		for _, m := range called.FindAllStringSubmatch(line, -1) {
			first, _, _ := strings.Cut(m[1], " ")
			if commandNamed(first) == nil && commandNamed(m[1]) == nil {
				faults = append(faults, "no command: zonkeymwi "+m[1])
			}
		}
	}
	return faults
}

var (
	sections = []string{"ami", "database", "sip", "mailbox", "admin", "log"}
	keyNamed = regexp.MustCompile(`^(?:` + strings.Join(sections, "|") + `)\.[a-z_]+(?:$| = )`)
	envNamed = regexp.MustCompile(`\bZONKEYMWI_[A-Z_]+`)
	header   = regexp.MustCompile(`^\[+([a-z.]+)\]+$`)
	assigned = regexp.MustCompile(`^([a-z_]+) = `)
)

// settings looks at keys: section.key, the environment's, and whole files.
func (w *there) settings(p page) (faults []string) {
	section := ""
	for _, line := range p.code() {
		if key, _, _ := strings.Cut(keyNamed.FindString(line), " "); key != "" && !w.keys[key] && path.Ext(key) != ".conf" {
			faults = append(faults, "no setting "+key)
		}
		for _, name := range envNamed.FindAllString(line, -1) {
			if !w.env[name] {
				faults = append(faults, "no setting has the variable "+name)
			}
		}
		if m := header.FindStringSubmatch(line); m != nil {
			section = m[1]
		}
		m := assigned.FindStringSubmatch(line)
		if m != nil && slices.Contains(sections, section) && !w.keys[section+"."+m[1]] {
			faults = append(faults, fmt.Sprintf("no setting %s.%s", section, m[1]))
		}
	}
	return faults
}

var (
	cited     = regexp.MustCompile("`([a-z0-9/]+)`((?:(?:,| and)? (?:Test|Fuzz)[A-Z]\\w*)+)")
	testNamed = regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w*`)
	script    = regexp.MustCompile(`\bscript ([a-z]+_[a-z_]+)`)
)

// evidence looks at tests, with the package that is named, at metrics and tables.
func (w *there) evidence(p page) (faults []string) {
	for _, name := range testNamed.FindAllString(p.text, -1) {
		if w.tests[name] == nil {
			faults = append(faults, "no test "+name)
		}
	}
	for _, m := range cited.FindAllStringSubmatch(p.text, -1) {
		for _, name := range testNamed.FindAllString(m[2], -1) {
			if dirs := w.tests[name]; dirs != nil && !slices.Contains(dirs, m[1]) {
				faults = append(faults, fmt.Sprintf("%s is in %v, not in %s", name, dirs, m[1]))
			}
		}
	}
	for _, m := range script.FindAllStringSubmatch(p.text, -1) {
		if _, err := os.Stat("testdata/script/" + m[1] + ".txtar"); err != nil {
			faults = append(faults, "no script "+m[1])
		}
	}
	for _, name := range ourName.FindAllString(p.text, -1) {
		base := name
		for _, suffix := range []string{"_bucket", "_count", "_sum"} { // of a histogram
			base = strings.TrimSuffix(base, suffix)
		}
		if !w.names[name] && !w.names[base] {
			faults = append(faults, "no metric or table "+name)
		}
	}
	return faults
}
