package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// maxFile bounds what is read of a file that a setting names.
const maxFile = 1 << 20

// finish checks what can be checked only when file and environment are in, and
// reads the files that the settings name.
func (l *loader) finish() {
	for i := range l.keys {
		k := &l.keys[i]
		if k.Required && (k.spare == nil || !k.spare(l)) {
			l.require(k)
		}
		if k.file && l.has(k) {
			l.readFile(k)
		}
	}
	c := l.cfg
	l.refuse("admin.listen", "not a loopback address, so admin.token_file is required",
		!isLoopback(c.Admin.Listen) && c.Admin.TokenFile == "", "admin.token_file")
	l.refuse("ami.tls_ca_file", "of no use without ami.tls = true", !c.Ami.TLS, "ami.tls")
	l.refuse("ami.tls_server_name", "of no use without ami.tls = true", !c.Ami.TLS, "ami.tls")
	l.refuse("sip.unsolicited", `does not go with sip.method = "publish"; take it out, or use "notify"`,
		c.Sip.Method == MethodPublish, "sip.method")
	l.refuse("sip.username", "wants sip.password or sip.password_file with it",
		c.Sip.Password == "", "sip.password", "sip.password_file")
	l.refuse("sip.password", "wants sip.username with it", c.Sip.Username == "", "sip.username")
	l.refuse("sip.password_file", "wants sip.username with it", c.Sip.Username == "", "sip.username")
}

// has tells whether k was given: a text that is not empty, a switch that is on.
func (l *loader) has(k *Key) bool {
	if _, ok := l.from[k]; !ok {
		return false
	}
	switch f := k.field(l.cfg).(type) {
	case *string:
		return *f != ""
	case *Secret:
		return *f != ""
	case *bool:
		return *f
	}
	return false
}

// settled tells whether k was given, or tried and reported.
func (l *loader) settled(k *Key) bool { return l.bad[k] || l.has(k) }

func (l *loader) require(k *Key) {
	want, other := k.Want, l.companion(k)
	if l.settled(k) || other != nil && l.settled(other) {
		return
	}
	if other != nil {
		want += ", or " + l.placeOf(other).name()
	}
	l.faults.add(l.placeOf(k), " is required", errors.New("want "+want))
}

// refuse reports the named key if it is given and does not go with the others,
// unless it follows from a mistake already reported.
func (l *loader) refuse(name, problem string, when bool, others ...string) {
	k := l.byName[name]
	for _, other := range others {
		when = when && !l.bad[l.byName[other]]
	}
	if when && l.has(k) && !l.bad[k] {
		l.reject(k, "", errors.New(problem))
	}
}

// readFile reads the file that k names, resolves its path, and puts a secret
// where it belongs.
func (l *loader) readFile(k *Key) {
	path, _ := k.field(l.cfg).(*string)
	given := strconv.Quote(*path)
	if other := l.companion(k); other != nil && l.has(other) {
		l.reject(k, "", fmt.Errorf("%s is set too; keep one of them", l.placeOf(other).name()))
		return
	}
	if !filepath.IsAbs(*path) {
		*path = filepath.Join(filepath.Dir(l.name), *path)
	}
	data, err := readSmall(*path)
	switch {
	case err == nil && k.into != nil:
		err = l.secret(k, strings.TrimRight(string(data), "\r\n"))
	case err == nil && k.check != nil:
		err = k.check(data)
	}
	if err != nil {
		l.reject(k, given, err)
	}
}

// secret keeps what k's file holds, if it would do in the file itself.
func (l *loader) secret(k *Key, s string) error {
	other := l.companion(k)
	switch {
	case s == "":
		return errors.New("the file is empty")
	case hasControl(s, true):
		return errors.New("the file holds more than one line, or control characters")
	case other != nil && other.valid != nil && !other.valid(s):
		return errors.New("in the file, want " + other.Want)
	}
	*k.into(l.cfg) = Secret(s)
	return nil
}

func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		return nil, errors.New("the file is larger than 1 MiB")
	}
	return data, err
}
