package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"zonkeymwi/config"
)

// arguments are what stands after a command's name: flags, before, between or
// after the words.
type arguments struct {
	*flag.FlagSet
	name  string
	out   io.Writer
	errs  io.Writer
	path  *string
	words []string
}

func newArguments(name string, out, errs io.Writer) *arguments {
	a := &arguments{FlagSet: flag.NewFlagSet("zonkeymwi "+name, flag.ContinueOnError), name: name, out: out, errs: errs}
	a.SetOutput(io.Discard) // parse reports
	a.path = a.String("config", "", "the configuration `file`; otherwise zonkeymwi.toml, then /etc/zonkeymwi/zonkeymwi.toml")
	a.Usage = func() {} // parse shows it where it belongs
	return a
}

// parse wants the words that the command's usage names, of which those in
// brackets come all or not at all. It returns the exit code where it does not
// find them.
func (a *arguments) parse(args []string) (code int, ok bool) {
	for {
		if err := a.Parse(args); errors.Is(err, flag.ErrHelp) {
			commandNamed(a.name).help(a.FlagSet, a.out)
			return exitDone, false
		} else if err != nil {
			return a.misused("%v", err), false
		}
		if a.NArg() == 0 {
			break
		}
		a.words = append(a.words, a.Arg(0))
		args = a.Args()[1:]
	}
	usage := commandNamed(a.name).words
	required, _, _ := strings.Cut(usage, "[")
	if n := len(a.words); n == len(strings.Fields(required)) || n == len(strings.Fields(usage)) {
		return exitDone, true
	}
	plural := "s"
	if len(a.words) == 1 {
		plural = ""
	}
	return a.misused("got %d argument%s", len(a.words), plural), false
}

// misused reports wrong usage.
func (a *arguments) misused(format string, values ...any) (code int) {
	fmt.Fprintf(a.errs, "zonkeymwi %s: %s\nusage: zonkeymwi %s\n", a.name, fmt.Sprintf(format, values...),
		commandNamed(a.name).usage())
	return exitUsage
}

// config reads the configuration, and reports why where it cannot.
func (a *arguments) config() (*config.Config, bool) {
	c, err := config.Load(*a.path, os.Environ())
	if err != nil {
		fmt.Fprintln(a.errs, err)
		return nil, false
	}
	return c, true
}

func (a *arguments) fail(err error) int {
	fmt.Fprintf(a.errs, "zonkeymwi %s: %v\n", a.name, err)
	return exitFailed
}

// printJSON prints an answer for programs.
func printJSON(out io.Writer, v any) {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // to a broken pipe there is nobody to tell
}
