package validate_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

func TestWorkflows(t *testing.T) {
	files, err := filepath.Glob("../../.github/workflows/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatal("no workflows", err)
	}
	args := append([]string{"run", "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12", "-shellcheck=", "-pyflakes="}, files...)
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Errorf("actionlint: %v\n%s", err, out)
	}
	// One Go everywhere: go.mod's, in its newest patch.
	version := regexp.MustCompile(`(?m)^go (1\.\d+)`).FindStringSubmatch(readFile(t, "../../go.mod"))[1]
	named := regexp.MustCompile(`golang:(1\.\d+)|go-version: "(1\.\d+)"|GO_VERSION=(1\.\d+)`)
	for _, file := range append(files, "../../Dockerfile") {
		for _, m := range named.FindAllStringSubmatch(readFile(t, file), -1) {
			if got := m[1] + m[2] + m[3]; got != version {
				t.Errorf("%s has Go %s, go.mod %s", file, got, version)
			}
		}
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
