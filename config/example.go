package config

import (
	"strconv"
	"strings"
)

const exampleHead = `# zonkeymwi's settings. Copy this file to zonkeymwi.toml in the directory where
# zonkeymwi is started, or to /etc/zonkeymwi/zonkeymwi.toml, and fill in what is
# required. What is commented out shows its default, "" where there is none.
#
# Below each key's explanation stands the environment variable that overrides
# it, and "reload" where zonkeymwi reload takes a change over; all else wants a
# restart. Paths of files are relative to this file.
#
# This file is made by go generate ./config.
`

// Example is the text of config.toml.example: every key explained, those with
// a default or without need commented out.
func Example() string {
	var b strings.Builder
	b.WriteString(exampleHead)
	keys := Keys()
	for _, s := range sections() {
		b.WriteString("\n# " + s.doc + "\n[" + s.name + "]\n")
		for i := range keys {
			if keys[i].Section == s.name {
				keys[i].example(&b)
			}
		}
	}
	return b.String()
}

func (k *Key) example(b *strings.Builder) {
	b.WriteString("\n")
	wrap(b, k.Doc)
	if k.Values != nil {
		wrap(b, "One of "+orList(k.Values)+".")
	}
	var notes []string
	if env := k.Env(); env != "" {
		notes = append(notes, env)
	}
	if k.Required {
		notes = append(notes, "required")
	}
	if k.Reload {
		notes = append(notes, "reload")
	}
	b.WriteString("# (" + strings.Join(notes, ", ") + ")\n")
	switch {
	case k.kind() == kindTable:
		b.WriteString(k.header() + "\n")
	case k.kind() == kindTables:
		b.WriteString(exampleShare)
	case k.Required:
		b.WriteString(k.Name + " = " + k.literal() + "\n")
	default:
		b.WriteString("#" + k.Name + " = " + k.literal() + "\n")
	}
}

// literal is the default in TOML.
func (k *Key) literal() string {
	if k.takes("") {
		return strconv.Quote(k.Default)
	}
	return k.Default
}

// wrap writes s as comment lines of at most 79 columns.
func wrap(b *strings.Builder, s string) {
	line := "#"
	for _, word := range strings.Fields(s) {
		if len(line)+1+len(word) > 79 {
			b.WriteString(line + "\n")
			line = "#"
		}
		line += " " + word
	}
	b.WriteString(line + "\n")
}
