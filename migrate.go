package main

import (
	"context"
	"fmt"
	"io"
	"strings"
)

// migrateCommand installs what the bridge has in the proxy's database.
func migrateCommand(ctx context.Context, args []string, out, errs io.Writer) int {
	a := newArguments("migrate", out, errs)
	onlyPrint := a.Bool("print", false, "print the SQL instead of applying it")
	if code, ok := a.parse(args); !ok {
		return code
	}
	c, ok := a.config()
	if !ok {
		return exitFailed
	}
	s, err := settingsOf(c)
	if err != nil {
		return a.fail(err)
	}
	if s.Database.URL == "" {
		return a.fail(fmt.Errorf("%s: database.url is not set, so there is nothing to migrate", c.Path))
	}
	if *onlyPrint {
		sql, err := s.Migrations()
		if err != nil {
			return a.fail(err)
		}
		fmt.Fprint(out, sql)
		return exitDone
	}
	if err := s.Migrate(ctx); err != nil {
		return a.fail(err)
	}
	what := "The trigger and the ledger are"
	if s.Publish || !strings.HasPrefix(s.Database.URL, "postgres") { // elsewhere nothing tells
		what = "The ledger is"
	}
	fmt.Fprintln(out, what, "installed in", c.Database.Redacted())
	return exitDone
}
