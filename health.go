package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// healthTime is how long a bridge may take to say that it is well: what /live
// allows, and the way.
const healthTime = 2 * time.Second

// healthCommand is /live for those who have no HTTP client, such as the health
// check of a container with nothing in it but the program.
func healthCommand(ctx context.Context, args []string, out, errs io.Writer) int {
	a, code, ok := newAsking("health", args, out, errs)
	if !ok {
		return code
	}
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	if _, err := a.bridge.Status(ctx); err != nil {
		return a.fail(err)
	}
	a.show(out, map[string]bool{"live": true}, func(w io.Writer) { fmt.Fprintln(w, "The bridge answers.") })
	return exitDone
}
