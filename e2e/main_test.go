//go:build linux

package e2e

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"

	"zonkeymwi/internal/mytest"
	"zonkeymwi/internal/pgtest"
)

func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", "4") // the few parallel tests wait most of the time, on two processors too
	goleak.VerifyTestMain(tidy{mytest.Wrap(pgtest.Wrap(m))})
}

// tidy removes the program that the tests have built.
type tidy struct{ tests interface{ Run() int } }

func (m tidy) Run() int {
	code := m.tests.Run()
	if builtIn != "" {
		_ = os.RemoveAll(builtIn)
	}
	return code
}
