package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// The command line is tested by scripts that run this test binary as the
// program.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"zonkeymwi": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script"})
}
