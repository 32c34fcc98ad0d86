//go:build linux

package bench

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"
)

var (
	measure  = flag.Bool("measure", false, "measure everything and write docs/performance.md; else nothing is measured")
	binary   = flag.String("binary", "../zonkeymwi", "the program, as make build makes it")
	profiles = flag.String("profiles", "", "a directory in which to keep the program's processor profiles")
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(runRole(role))
	}
	goleak.VerifyTestMain(m)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
