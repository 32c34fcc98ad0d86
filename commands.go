package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"
)

// command is one of the program's. words are its arguments, those in brackets
// all given or none.
type command struct {
	name, words string
	does        string
	more        string // what else its help says; examples last
	do          func(ctx context.Context, args []string, out, errs io.Writer) int
}

func commands() []command {
	return []command{
		{"run", "", "the bridge, until SIGTERM", `
The log goes to standard error. SIGHUP reads the configuration again.

  zonkeymwi run --config /etc/zonkeymwi/zonkeymwi.toml
`, runCommand},
		{"demo", "", "all of it on this machine, by itself, in seconds", `
Simulated Asterisk, proxy and phones; the bridge and everything in it is real.

  zonkeymwi demo
`, demoCommand},
		{"check", "", "the doctor: what is wrong, and its mend", `
Tries the AMI login and each permission, the table, its columns, grants and
index, and the proxy. Exit code 1 when there is a fault. It needs no running
bridge.

  zonkeymwi check
  zonkeymwi check --json
`, checkCommand},
		{"migrate", "", "install the trigger and the ledger table in the proxy's database", `
The trigger tells of new subscriptions at once; the ledger (database.ledger)
remembers what phones show. It can be run again at any time, and wants the
table's owner: give that user's URL by ZONKEYMWI_DATABASE_URL.

  zonkeymwi migrate --print
  zonkeymwi migrate
`, migrateCommand},
		{"status", "", "how the running bridge is", `
  zonkeymwi status
  zonkeymwi status --json | jq .unconverged
`, statusCommand},
		{"health", "", "whether the running bridge answers, for a container's health check", `
Exit code 0 when its loop answers within 2 seconds, else 1. As /live, it does not
depend on Asterisk, the database or the proxy.

  zonkeymwi health
`, healthCommand},
		{"show subscription", "<user> <domain>", "every dialog of a user", `
  zonkeymwi show subscription 202 example.com
`, showCommand},
		{"explain", "<user> <domain>", "why a lamp is as it is, and what comes next", `
With the request last sent to each phone and its answer.

  zonkeymwi explain 202 example.com
`, explainCommand},
		{"notify", "<user> <domain> [<new> <old>]", "send a user's phones a NOTIFY, and tell what each answered", `
With numbers, those are sent, once; without, what the mailbox holds. It takes up
to 34 seconds where a phone is silent. Exit code 1 when a phone did not
acknowledge, or there is none.

  zonkeymwi notify 202 example.com
  zonkeymwi notify 202 example.com 3 5
  zonkeymwi notify 202 example.com 0 0     # lamp off
`, notifyCommand},
		{"reload", "", "read the configuration again", `
All of it must be right; a wrong one changes nothing. It tells which changed
keys are at work now and which need a restart. SIGHUP does the same.

  zonkeymwi reload
`, reloadCommand},
		{"debug", "on|off", "log each NOTIFY whole, or no longer", `
Credentials are hidden.

  zonkeymwi debug on
`, debugCommand},
		{"completion", "bash|zsh|fish", "completion for a shell", `
  zonkeymwi completion bash > /etc/bash_completion.d/zonkeymwi
`, completionCommand},
		{"version", "", "what this is", `
  zonkeymwi version
`, versionCommand},
	}
}

// commandNamed returns the command of that name, nil for none.
func commandNamed(name string) *command {
	for _, c := range commands() {
		if c.name == name {
			return &c
		}
	}
	return nil
}

func (c *command) usage() string { return strings.TrimSpace(c.name + " " + c.words) }

// help is what --help prints.
func (c *command) help(flags *flag.FlagSet, w io.Writer) {
	fmt.Fprintf(w, "usage: zonkeymwi %s\n\n%s%s%s\nflags:\n", c.usage(), strings.ToUpper(c.does[:1]), c.does[1:]+".\n", c.more)
	flags.SetOutput(w)
	flags.PrintDefaults()
}

func usage(w io.Writer) {
	fmt.Fprint(w, "zonkeymwi lights the message lamp on phones behind a SIP proxy.\n\nusage:\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  zonkeymwi %-40s %s\n", c.usage(), c.does)
	}
	fmt.Fprint(w, "\nzonkeymwi COMMAND --help tells more, with examples. Exit code 0: done, 1: failed, 2: wrong usage.\n")
}
