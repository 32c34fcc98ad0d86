package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// display is a name as TOML writes it, in quotes where it needs them.
func display(name string) string {
	if isToken(name) && !strings.Contains(name, ".") {
		return name
	}
	return strconv.Quote(name)
}

func (l *loader) unknownSection(at place, name string) {
	var known []string
	for _, s := range sections() {
		known = append(known, s.name)
	}
	hint := "want one of [" + strings.Join(known, "], [") + "]"
	if i := nearest(name, known); i >= 0 {
		hint = "did you mean [" + known[i] + "]?"
	}
	l.faults.add(at, "", errors.New("unknown section; "+hint))
}

// unknownKey suggests the key most like name, a key of another section too,
// but of two equally near the one in this section.
func (l *loader) unknownKey(at place, section, name string) {
	var names, full []string
	for _, own := range []bool{true, false} {
		for i := range l.keys {
			if k := &l.keys[i]; own == (k.Section == section) {
				names, full = append(names, k.Name), append(full, k.String())
			}
		}
	}
	hint := "config.toml.example lists all"
	if i := nearest(name, names); i >= 0 {
		hint = "did you mean " + full[i] + "?"
	}
	l.faults.add(at, "", errors.New("unknown key; "+hint))
}

func (l *loader) unknownVariable(variable string) {
	var names []string
	header := ""
	for i := range l.keys {
		names = append(names, strings.TrimPrefix(l.keys[i].Env(), envPrefix))
		if l.keys[i].variable() == variable {
			header = l.keys[i].header()
		}
	}
	hint := "config.toml.example lists all"
	if header != "" {
		hint = header + " is a table and goes in the file"
	} else if i := nearest(strings.TrimPrefix(variable, envPrefix), names); i >= 0 {
		hint = fmt.Sprintf("did you mean %s%s?", envPrefix, names[i])
	}
	l.faults.add(place{variable: display(variable)}, "", errors.New("unknown variable; "+hint))
}
