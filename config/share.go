package config

import (
	"errors"
	"slices"
	"strings"
)

const (
	wantMailboxes = `a list of mailboxes as Asterisk names them, such as ["600@sales"]`
	wantUsers     = `a list of SIP users, such as ["201@example.com"]`

	exampleShare = `#[[mailbox.share]]
#mailboxes = ["600@sales", "601@sales"]
#users = ["201@example.com", "202@example.com"]
`
)

// share reads a table of [[mailbox.share]], which errors call name.
func (l *loader) share(name string, table *node) {
	var s Share
	s.Mailboxes = l.texts(name, "mailboxes", table, wantMailboxes, isMailbox)
	for _, text := range l.texts(name, "users", table, wantUsers, isAddress) {
		user, domain, _ := strings.Cut(text, "@")
		s.Users = append(s.Users, SIPUser{user, domain})
	}
	for key, n := range table.children() {
		if key != "mailboxes" && key != "users" {
			at := place{file: l.name, line: n.line(), key: name + "." + display(key)}
			l.faults.add(at, "", errors.New("unknown key; here are mailboxes and users only"))
		}
	}
	l.cfg.Mailbox.Shares = append(l.cfg.Mailbox.Shares, s)
}

// texts is the list that a table must have under key.
func (l *loader) texts(name, key string, table *node, want string, valid func(string) bool) (texts []string) {
	n, given := table.children()[key]
	if !given {
		n = table
	}
	wrong := func(said, problem string) {
		l.faults.add(place{file: l.name, line: n.line(), key: name + "." + key}, said, errors.New(problem))
	}
	list, isList := n.value.([]any)
	switch {
	case !given, isList && len(list) == 0:
		wrong(" is required", "want "+want)
	case !isList:
		wrong(assigned(written(n.value)), "want "+want)
	}
	for _, value := range list {
		text, isText := value.(string)
		switch {
		case !isText || !valid(text):
			wrong(assigned(written(value)), "want "+want)
		case slices.Contains(texts, text):
			wrong(assigned(written(text)), "it is there twice; keep one of them")
		default:
			texts = append(texts, text)
		}
	}
	return texts
}
