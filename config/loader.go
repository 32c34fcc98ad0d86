package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// loader gathers one configuration and all that is wrong with it.
type loader struct {
	name   string // of the file, "" for none
	cfg    *Config
	keys   []Key
	byName map[string]*Key // "sip.proxy"
	from   map[*Key]place  // where a key was given last
	bad    map[*Key]bool   // reported already: nothing may follow from its value
	faults faults
}

func newLoader(name string) *loader {
	l := &loader{
		name: name, cfg: &Config{Path: name, Mailbox: Mailbox{Domains: map[string]string{}}}, keys: Keys(),
		byName: map[string]*Key{}, from: map[*Key]place{}, bad: map[*Key]bool{},
	}
	for i := range l.keys {
		k := &l.keys[i]
		l.byName[k.String()] = k
		if err := k.store(l.cfg, k.Default); err != nil {
			panic(fmt.Errorf("default of %s: %w", k, err)) // caught by any test
		}
	}
	return l
}

// set gives k the value text, which was found at p. An empty value is the same
// as none where there is no default.
func (l *loader) set(k *Key, text string, p place) {
	l.from[k] = p
	switch {
	case text == "" && k.Default == "":
		_ = k.store(l.cfg, "") // only strings have no default, and any string can be stored
	case hasControl(text, k.Secret):
		l.reject(k, strconv.Quote(text), errors.New("want text without line breaks or other control characters"))
	case text == "" || k.valid != nil && !k.valid(text) || k.store(l.cfg, text) != nil:
		l.reject(k, shown(k, text, p), errors.New("want "+k.Want))
	}
}

// store puts text into k's field.
func (k *Key) store(c *Config, text string) (err error) {
	switch f := k.field(c).(type) {
	case *string:
		*f = text
	case *Secret:
		*f = Secret(text)
	case *bool:
		*f, err = strconv.ParseBool(text)
	case *int:
		*f, err = strconv.Atoi(text)
	case *time.Duration:
		*f, err = time.ParseDuration(text)
	}
	return err
}

// hasControl finds what could break out of a line. Names must be UTF-8 too; a
// secret may hold any other byte.
func hasControl(s string, secret bool) bool {
	if secret {
		return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
	}
	return !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl)
}

// shown is a value as its file or variable has it.
func shown(k *Key, text string, p place) string {
	if p.variable == "" && (k.kind() == kindInt || k.kind() == kindBool) {
		return text
	}
	return strconv.Quote(text)
}

// reject reports the value of k, but does not show a secret.
func (l *loader) reject(k *Key, value string, err error) {
	if k.Secret {
		value = ""
	}
	l.bad[k] = true
	l.faults.add(l.placeOf(k), assigned(value), err)
}

// assigned is a value as an error shows it, unless it looks like a URL, which
// may hold a password, in the wrong key.
func assigned(value string) string {
	if value == "" || strings.Contains(value, "://") {
		return ""
	}
	return " = " + value
}

// placeOf is where k was given, or where it could have been.
func (l *loader) placeOf(k *Key) place {
	if p, ok := l.from[k]; ok {
		return p
	}
	if l.name == "" {
		return place{variable: k.Env()}
	}
	return place{file: l.name, key: k.String()}
}
