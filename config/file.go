package config

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// file applies the TOML document. It returns a syntax error only, as nothing
// can be read then; all else is added to the faults.
func (l *loader) file(data []byte) error {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	root, err := (&document{data: data}).root()
	if err != nil {
		return l.syntax(data, err)
	}
	for name, n := range root.children() {
		l.section(name, n)
	}
	return nil
}

func (l *loader) section(name string, n *node) {
	known := slices.ContainsFunc(l.keys, func(k Key) bool { return k.Section == name })
	at := place{file: l.name, line: n.line(), key: display(name)}
	switch {
	case known && n.isTable():
		for key, child := range n.children() {
			l.key(name, key, child)
		}
	case known:
		l.faults.add(at, "", fmt.Errorf("want a section, [%s]", name))
	case n.isTable():
		l.unknownSection(at, name)
	default:
		l.unknownKey(at, "", name)
	}
}

func (l *loader) key(section, name string, n *node) {
	at := place{file: l.name, line: n.line(), key: section + "." + display(name)}
	k, ok := l.byName[section+"."+name]
	if plural := section + "." + name + "s"; n.isTable() && l.byName[plural] != nil {
		l.faults.add(at, "", fmt.Errorf("did you mean [%s]?", plural))
		return
	}
	if !ok {
		l.unknownKey(at, section, name)
		return
	}
	l.from[k] = at
	switch {
	case k.kind() == kindTable && n.isTable():
		for context, child := range n.children() {
			l.domain(k, context, child)
		}
	case k.kind() == kindTables && n.isTables():
		for i, table := range n.doc.tables(section, name) {
			l.share(fmt.Sprintf("%s[%d]", k, i+1), table)
		}
	case k.takes(n.value):
		l.set(k, fmt.Sprint(n.value), at)
	default:
		l.wrongType(k, n.value)
	}
}

// takes tells whether a TOML value has the type of k.
func (k *Key) takes(value any) bool {
	switch value.(type) {
	case string:
		return k.kind() == kindString || k.kind() == kindDuration
	case bool:
		return k.kind() == kindBool
	case int64:
		return k.kind() == kindInt
	}
	return false
}

func (l *loader) wrongType(k *Key, value any) {
	want := "want " + k.Want
	if k.takes("") {
		want += " (in quotes)"
	} else if _, ok := value.(string); ok && k.header() == "" {
		want += " (without quotes)"
	}
	l.reject(k, written(value), errors.New(want))
}

// written is a value in TOML, "" for one with values in it, or a time.
func written(value any) string {
	switch v := value.(type) {
	case string:
		return strconv.Quote(v)
	case bool, int64, float64:
		return fmt.Sprint(v)
	}
	return ""
}

// domain is one line of [mailbox.domains].
func (l *loader) domain(k *Key, context string, n *node) {
	domain, isString := n.value.(string)
	given, problem := "", ""
	switch {
	case n.isTable():
		problem = wantDomain + "; a context with dots in it goes in quotes"
	case !isString:
		problem = wantDomain + " (in quotes)"
	case context == "" || hasControl(context, false):
		problem = "the name of a voicemail context; a mailbox without one has mailbox.domain"
	case !isDomain(domain):
		given, problem = " = "+strconv.Quote(domain), wantDomain
	default:
		l.cfg.Mailbox.Domains[context] = domain
		return
	}
	at := place{file: l.name, line: n.line(), key: k.String() + "." + display(context)}
	l.faults.add(at, given, errors.New("want "+problem))
}
