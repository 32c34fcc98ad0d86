// Command zonkeymwi lights the message lamp on phones behind a SIP proxy: it
// takes Asterisk's voicemail events from AMI, finds the phones' subscriptions
// in the proxy's database, and sends each a NOTIFY.
package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
)

// Exit codes of every command.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)   // the second signal ends the program at once
	signal.Ignore(syscall.SIGPIPE) // who writes hears of it, and cleans up
	code := dispatch(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// dispatch runs the command that the arguments begin with. A command's name has
// one word or two.
func dispatch(ctx context.Context, args []string, out, errs io.Writer) int {
	if len(args) == 0 {
		usage(errs)
		return exitUsage
	}
	for n := min(2, len(args)); n > 0; n-- {
		if c := commandNamed(strings.Join(args[:n], " ")); c != nil {
			return c.do(ctx, args[n:], out, errs)
		}
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		usage(out)
		return exitDone
	case "-version", "--version":
		return versionCommand(ctx, nil, out, errs)
	}
	for _, c := range commands() {
		if strings.HasPrefix(c.name, args[0]+" ") {
			fmt.Fprintf(errs, "zonkeymwi: %s what?\nusage: zonkeymwi %s\n", args[0], c.usage())
			return exitUsage
		}
	}
	fmt.Fprintf(errs, "zonkeymwi: no command %q\n", args[0])
	usage(errs)
	return exitUsage
}

// version and commit are set by the build: -ldflags "-X main.version=1.2.3".
var version, commit string

func versionText() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version
	}
	return cmp.Or(version, info.Main.Version)
}

func versionCommand(_ context.Context, args []string, out, errs io.Writer) int {
	a := newArguments("version", out, errs)
	if code, ok := a.parse(args); !ok {
		return code
	}
	info, _ := debug.ReadBuildInfo()
	of := ""
	if commit != "" {
		of = " (commit " + commit + ")"
	}
	fmt.Fprintf(out, "zonkeymwi %s%s %s\n", versionText(), of, info.GoVersion)
	return exitDone
}
