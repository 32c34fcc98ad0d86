package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"zonkeymwi/admin"
	"zonkeymwi/bridge"
)

// asking is a command that asks the running bridge through its admin API.
type asking struct {
	*arguments
	json   *bool
	bridge *admin.Client
}

// newAsking parses the command line and finds the bridge by the configuration.
func newAsking(name string, args []string, out, errs io.Writer) (a asking, code int, ok bool) {
	a.arguments = newArguments(name, out, errs)
	a.json = a.Bool("json", false, "print the answer as JSON")
	if code, ok := a.parse(args); !ok {
		return a, code, false
	}
	c, ok := a.config()
	if !ok {
		return a, exitFailed, false
	}
	a.bridge = admin.NewClient(c.Admin.Listen, c.Admin.Token.Reveal())
	return a, exitDone, true
}

// show prints an answer, as JSON where that was asked for.
func (a *asking) show(out io.Writer, v any, text func(io.Writer)) {
	if *a.json {
		printJSON(out, v)
		return
	}
	text(out)
}

func statusCommand(ctx context.Context, args []string, out, errs io.Writer) int {
	a, code, ok := newAsking("status", args, out, errs)
	if !ok {
		return code
	}
	s, err := a.bridge.Status(ctx)
	if err != nil {
		return a.fail(err)
	}
	a.show(out, s, func(w io.Writer) { printStatus(w, &s) })
	return exitDone
}

func showCommand(ctx context.Context, args []string, out, errs io.Writer) int {
	return askUser(ctx, "show subscription", args, out, errs, printSubscription)
}

func explainCommand(ctx context.Context, args []string, out, errs io.Writer) int {
	return askUser(ctx, "explain", args, out, errs, printExplanation)
}

func askUser(ctx context.Context, name string, args []string, out, errs io.Writer, text func(io.Writer, *bridge.User)) int {
	a, code, ok := newAsking(name, args, out, errs)
	if !ok {
		return code
	}
	u, err := a.bridge.User(ctx, a.words[0], a.words[1])
	if err != nil {
		return a.fail(err)
	}
	a.show(out, u, func(w io.Writer) { text(w, &u) })
	return exitDone
}

func notifyCommand(ctx context.Context, args []string, out, errs io.Writer) int {
	a, code, ok := newAsking("notify", args, out, errs)
	if !ok {
		return code
	}
	var counts *bridge.Counts
	if len(a.words) == 4 {
		n, err := strconv.ParseUint(a.words[2], 10, 32)
		o, err2 := strconv.ParseUint(a.words[3], 10, 32)
		if err != nil || err2 != nil {
			return a.misused("%q and %q: want two numbers up to 4294967295", a.words[2], a.words[3])
		}
		counts = &bridge.Counts{New: uint32(n), Old: uint32(o)}
	}
	r, err := a.bridge.Notify(ctx, a.words[0], a.words[1], counts)
	if err != nil {
		return a.fail(err)
	}
	a.show(out, r, func(w io.Writer) { printResent(w, &r) })
	if r.Failed > 0 || r.Delivered == 0 {
		return exitFailed
	}
	return exitDone
}

func reloadCommand(ctx context.Context, args []string, out, errs io.Writer) int {
	a, code, ok := newAsking("reload", args, out, errs)
	if !ok {
		return code
	}
	r, err := a.bridge.Reload(ctx)
	if err != nil {
		return a.fail(err)
	}
	a.show(out, r, func(w io.Writer) {
		fmt.Fprintln(w, "Configuration reloaded.")
		if len(r.Applied) > 0 {
			fmt.Fprintln(w, "  At work now:    ", strings.Join(r.Applied, ", "))
		}
		if len(r.NeedRestart) > 0 {
			fmt.Fprintln(w, "  After a restart:", strings.Join(r.NeedRestart, ", "))
		}
	})
	return exitDone
}

func debugCommand(ctx context.Context, args []string, out, errs io.Writer) int {
	a, code, ok := newAsking("debug", args, out, errs)
	if !ok {
		return code
	}
	on, known := map[string]bool{"on": true, "yes": true, "true": true, "1": true, "off": false, "no": false, "false": false, "0": false}[a.words[0]]
	if !known {
		return a.misused("unknown argument '%s'", a.words[0])
	}
	if err := a.bridge.Debug(ctx, on); err != nil {
		return a.fail(err)
	}
	text := "Debug disabled."
	if on {
		text = "Debug enabled."
	}
	a.show(out, map[string]bool{"debug": on}, func(w io.Writer) { fmt.Fprintln(w, text) })
	return exitDone
}
