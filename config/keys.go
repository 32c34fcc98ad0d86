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
	Required bool     // or its _file companion, where there is one
	Secret   bool     // never shown
	Reload   bool     // a reload takes it over; otherwise a restart does
	Want     string   // what a value must be, as errors say it
	Doc      string   // one line

	field func(*Config) any       // pointer to where it is kept
	valid func(string) bool       // form of a value that is not empty; nil for any
	file  bool                    // the value is the path of a file
	into  func(*Config) *Secret   // where the content of a secret's file goes
	check func(data []byte) error // what the content of another file must be; nil for anything
}

// String is the key as the documentation writes it, "sip.proxy".
func (k *Key) String() string { return k.Section + "." + k.Name }

// Env is the environment variable that overrides the key, "" for the table
// mailbox.domains, which only a file can hold.
func (k *Key) Env() string {
	if k.kind() == kindTable {
		return ""
	}
	return envPrefix + strings.ToUpper(k.Section+"_"+k.Name)
}

type kind int

const (
	kindString kind = iota
	kindBool
	kindInt
	kindDuration
	kindTable
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
		{"mailbox", "Which SIP domain a mailbox belongs to.", mailboxKeys()},
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
