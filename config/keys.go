package config

import (
	"strings"
	"time"
)

// envPrefix begins the name of every environment variable of ours.
const envPrefix = "ZONKEYMWI_"

// Key is one setting: the example file, the documentation, the environment
// variables and the parser are all made from it.
type Key struct {
	Section  string
	Name     string
	Default  string   // as the environment would give it; "" for none
	Values   []string // the only values allowed, the default first; nil for any
	Required bool     // or its _file companion, where there is one; but see spare
	Secret   bool     // never shown
	Reload   bool     // a reload takes it over; otherwise a restart does
	Want     string   // what a value must be, as errors say it
	Doc      string   // one line

	field func(*Config) any       // pointer to where it is kept
	spare func(*loader) bool      // where a required key may be missing after all; nil for nowhere
	valid func(string) bool       // form of a value that is not empty; nil for any
	file  bool                    // the value is the path of a file
	into  func(*Config) *Secret   // where the content of a secret's file goes
	check func(data []byte) error // what the content of another file must be; nil for anything
}

// String is the key as the documentation writes it, "sip.proxy".
func (k *Key) String() string { return k.Section + "." + k.Name }

// Env is the environment variable that overrides the key, "" for tables, which
// only a file can hold.
func (k *Key) Env() string {
	if k.header() != "" {
		return ""
	}
	return k.variable()
}

func (k *Key) variable() string { return envPrefix + strings.ToUpper(k.Section+"_"+k.Name) }

// header is the line above a table, "" for other keys.
func (k *Key) header() string {
	switch k.kind() {
	case kindTable:
		return "[" + k.String() + "]"
	case kindTables:
		return "[[" + k.String() + "]]"
	}
	return ""
}

type kind int

const (
	kindString kind = iota
	kindBool
	kindInt
	kindDuration
	kindTable
	kindTables
)

// kind is the type of the field behind the key.
func (k *Key) kind() kind {
	switch k.field(new(Config)).(type) {
	case *bool:
		return kindBool
	case *int:
		return kindInt
	case *time.Duration:
		return kindDuration
	case *map[string]string:
		return kindTable
	case *[]Share:
		return kindTables
	}
	return kindString
}

// Keys lists every setting in the order of the example file.
func Keys() []Key {
	var all []Key
	for _, s := range sections() {
		for _, k := range s.keys {
			k.Section = s.name
			if k.Values != nil {
				k.Default, k.Want, k.valid = k.Values[0], orList(k.Values), oneOf(k.Values)
			}
			if k.kind() == kindBool {
				k.Want, k.valid = "true or false", oneOf([]string{"true", "false"})
			}
			all = append(all, k)
		}
	}
	return all
}

type section struct {
	name string
	doc  string
	keys []Key
}

func sections() []section {
	return []section{
		{"ami", "Asterisk's manager interface (AMI).", amiKeys()},
		{"database", "The proxy's database, where the phones' subscriptions are.", databaseKeys()},
		{"sip", "What is sent to the proxy, and how.", sipKeys()},
		{"mailbox", "Whose lamps a mailbox lights.", mailboxKeys()},
		{"admin", "Probes, metrics and the control API.", adminKeys()},
		{"log", "The log, on standard error.", logKeys()},
	}
}

// orList writes values as `"a", "b" or "c"`.
func orList(values []string) string {
	last := len(values) - 1
	return `"` + strings.Join(values[:last], `", "`) + `" or "` + values[last] + `"`
}

// oneOf accepts exactly these values.
func oneOf(values []string) func(string) bool {
	return func(s string) bool {
		for _, v := range values {
			if s == v {
				return true
			}
		}
		return false
	}
}

// file makes k the key of a file's path.
func file(k Key) Key {
	k.file, k.Want, k.valid = true, "the path of a file", isPath
	return k
}
