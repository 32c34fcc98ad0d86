package config

import (
	"cmp"
	"strings"
)

const referenceHead = `# Configuration

The file is the one that ` + "`--config`" + ` names, else ` + "`zonkeymwi.toml`" + ` in the directory where zonkeymwi is started, else
` + "`/etc/zonkeymwi/zonkeymwi.toml`" + `. It is TOML; [config.toml.example](../config.toml.example) has every key, to copy from. It is
strict: unknown keys, wrong values and missing ones are all reported at once, each with its place and its mend, and nothing starts.
` + "`zonkeymwi check`" + ` reads it and tries what it says.

- Each key but the tables can come from the environment, and that wins: ` + "`sip.proxy`" + ` is ` + "`ZONKEYMWI_SIP_PROXY`" + `.
- Each secret can come from a file instead, by the key that ends in ` + "`_file`" + `. Paths are relative to the configuration's own directory.
- A duration is a number with its unit: ` + "`500ms`, `5s`, `1h`" + `.
- What says "reload" is taken over by ` + "`zonkeymwi reload`" + ` or SIGHUP; all else wants a restart.

This page is made by ` + "`go generate ./config`" + `, from the same table as the example and the program's own messages.
`

// Reference is the text of docs/configuration.md: every key in a table, for
// those who look one up.
func Reference() string {
	var b strings.Builder
	b.WriteString(referenceHead)
	keys := Keys()
	for _, s := range sections() {
		b.WriteString("\n## [" + s.name + "]\n\n" + s.doc + "\n\n| key | takes | default | a change wants | |\n|---|---|---|---|---|\n")
		after := ""
		for i := range keys {
			if keys[i].Section != s.name {
				continue
			}
			b.WriteString(keys[i].row())
			if keys[i].kind() == kindTables {
				after = "\n" + strings.ReplaceAll(exampleShare, "#", "    ")
			}
		}
		b.WriteString(after)
	}
	return b.String()
}

// row is the key's line of its section's table.
func (k *Key) row() string {
	byDefault := "none"
	switch {
	case k.Required:
		byDefault = "**required**"
	case k.Default != "":
		byDefault = "`" + k.literal() + "`"
	}
	change := "restart"
	if k.Reload {
		change = "reload"
	}
	name := cmp.Or(k.header(), k.String())
	return "| `" + name + "` | " + cell(k.Want) + " | " + byDefault + " | " + change + " | " + cell(k.Doc) + " |\n"
}

// cell keeps text within its cell, and Markdown's signs what they are.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "*", `\*`, "<", `\<`).Replace(text)
}
