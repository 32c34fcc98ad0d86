package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// mayImport says who may know whom (docs/architecture.md). A package that is
// not listed is a test's, and imports what it likes.
var mayImport = map[string][]string{
	"zonkeymwi":          {"zonkeymwi/admin", "zonkeymwi/bridge", "zonkeymwi/config", "zonkeymwi/doctor", "zonkeymwi/sim"},
	"zonkeymwi/admin":    {"zonkeymwi/bridge"}, // for its reports
	"zonkeymwi/doctor":   {"zonkeymwi/ami", "zonkeymwi/sipua", "zonkeymwi/watchers"},
	"zonkeymwi/bridge":   {"zonkeymwi/ami", "zonkeymwi/sipmsg", "zonkeymwi/sipua", "zonkeymwi/watchers"},
	"zonkeymwi/ami":      nil,
	"zonkeymwi/config":   nil,
	"zonkeymwi/sim":      nil,
	"zonkeymwi/sipmsg":   nil,
	"zonkeymwi/sipua":    nil,
	"zonkeymwi/watchers": nil,
}

func TestArrows(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", `{{.ImportPath}} {{join .Imports " "}}`, ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if f[0] != "zonkeymwi" && !strings.HasPrefix(f[0], "zonkeymwi/") {
			continue
		}
		seen++
		allowed, known := mayImport[f[0]]
		if !known {
			t.Errorf("%s is in the program, but the architecture does not name it", f[0])
		}
		for _, to := range f[1:] {
			if strings.HasPrefix(to, "zonkeymwi/") && !slices.Contains(allowed, to) {
				t.Errorf("%s imports %s: the architecture has no such arrow", f[0], to)
			}
		}
	}
	if seen != len(mayImport) {
		t.Errorf("the program is made of %d of our packages, the architecture names %d", seen, len(mayImport))
	}
}
