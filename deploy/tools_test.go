package deploy_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// tool finds a program that a test cannot do without. Where there is none the test skips, or with CI=true fails.
func tool(t *testing.T, name, debian string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	need(t, err == nil, "no "+name+" on this machine: install Debian's package "+debian)
	return path
}

func need(t *testing.T, there bool, otherwise string) {
	t.Helper()
	switch {
	case there:
	case os.Getenv("CI") == "true":
		t.Fatal(otherwise)
	default:
		t.Skip(otherwise)
	}
}

// output runs a program to its end, which must be a good one.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
