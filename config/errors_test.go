package config

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "rewrite config.toml.example and the errors in testdata")

func TestMain(m *testing.M) {
	flag.Parse()
	goleak.VerifyTestMain(m)
}

// TestMistakes loads one broken configuration per archive in testdata. The
// archive holds zonkeymwi.toml, perhaps environ and other files, and error:
// the exact text.
func TestMistakes(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal("no archives in testdata", err)
	}
	for _, archive := range archives {
		archive, err := filepath.Abs(archive)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(archive), ".txtar"), func(t *testing.T) { testMistake(t, archive) })
	}
}

func testMistake(t *testing.T, archive string) {
	t.Chdir(t.TempDir())
	var environ []string
	path, want := "", ""
	for name, data := range split(t, archive) {
		switch name {
		case "environ":
			environ = strings.Split(strings.TrimSuffix(data, "\n"), "\n")
		case "error":
			want = strings.TrimSuffix(data, "\n")
		case localPath:
			path = localPath
			write(t, name, data)
		default:
			write(t, name, data)
		}
	}
	_, err := Load(path, environ)
	if err == nil {
		t.Fatal("no error")
	}
	got := strings.ReplaceAll(err.Error(), systemPath, "/etc/zonkeymwi/zonkeymwi.toml")
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a secret in the error: %v", err)
	}
	if *update {
		rewrite(t, archive, got)
	} else if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// fileMark begins each file of an archive.
var fileMark = regexp.MustCompile(`(?m)^-- (\S+) --\n`)

func split(t *testing.T, archive string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	bodies := fileMark.Split(string(data), -1)[1:]
	for i, m := range fileMark.FindAllStringSubmatch(string(data), -1) {
		files[m[1]] = bodies[i]
	}
	return files
}

// rewrite puts text in the place of the archive's last file, error.
func rewrite(t *testing.T, archive, text string) {
	t.Helper()
	data, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(string(data), "-- error --\n")
	write(t, archive, before+"-- error --\n"+text+"\n")
}

func write(t *testing.T, name, data string) {
	t.Helper()
	if dir := filepath.Dir(name); dir != "." {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(name, []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
}
