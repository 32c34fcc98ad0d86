// Command zonkeymwi lights the message lamp on phones behind a SIP proxy: it
// takes Asterisk's voicemail events from AMI, finds the phones' subscriptions
// in the proxy's database, and sends each a NOTIFY.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// Exit codes of every command.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// A command does its work with the arguments after its name and returns the
// exit code.
type command struct {
	name, help string
	do         func(ctx context.Context, args []string, out, errs io.Writer) int
}

func commands() []command {
	return []command{
		{"run", "--config zonkeymwi.toml   the bridge, until SIGTERM", runCommand},
		{"demo", "                         all of it on this machine, by itself, in seconds", demoCommand},
		{"version", "                      what this is", versionCommand},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := dispatch(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func dispatch(ctx context.Context, args []string, out, errs io.Writer) int {
	if len(args) == 0 {
		usage(errs)
		return exitUsage
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return c.do(ctx, args[1:], out, errs)
		}
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		usage(out)
		return exitDone
	case "--version":
		return versionCommand(ctx, nil, out, errs)
	}
	fmt.Fprintf(errs, "zonkeymwi: no command %q\n", args[0])
	usage(errs)
	return exitUsage
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "zonkeymwi lights the message lamp on phones behind a SIP proxy.\n\nusage:")
	for _, c := range commands() {
		fmt.Fprintf(w, "  zonkeymwi %s %s\n", c.name, c.help)
	}
}

// version is set by the build: -ldflags "-X main.version=1.2.3".
var version string

func versionCommand(_ context.Context, args []string, out, errs io.Writer) int {
	if len(args) > 0 {
		fmt.Fprintln(errs, "zonkeymwi version takes no arguments")
		return exitUsage
	}
	v := version
	info, ok := debug.ReadBuildInfo()
	if v == "" && ok {
		v = info.Main.Version
	}
	fmt.Fprintln(out, "zonkeymwi", v, info.GoVersion)
	return exitDone
}
