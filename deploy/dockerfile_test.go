package deploy_test

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// stage is a part of the Dockerfile, from one FROM to the next.
type stage struct {
	from, name string
	steps      []step
}

type step struct{ name, rest string }

// of is the argument of the stage's last instruction of that name.
func (s stage) of(t *testing.T, name string) (rest string) {
	t.Helper()
	for _, i := range s.steps {
		if i.name == name {
			rest = i.rest
		}
	}
	if rest == "" {
		t.Fatalf("the stage from %s has no %s", s.from, name)
	}
	return rest
}

// words is an instruction's argument in its exec form, which needs no shell.
func words(t *testing.T, text string) (w []string) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &w); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return w
}

// stages reads the Dockerfile, as far as ours goes.
func stages(t *testing.T) (all []stage) {
	t.Helper()
	text := strings.ReplaceAll(read(t, "../Dockerfile"), "\\\n", " ")
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case name == "" || name[0] == '#':
		case name == "FROM":
			f := strings.Fields(rest)
			for strings.HasPrefix(f[0], "--") {
				f = f[1:]
			}
			s := stage{from: f[0]}
			if len(f) == 3 {
				s.name = f[2]
			}
			all = append(all, s)
		case len(all) > 0:
			last := &all[len(all)-1]
			last.steps = append(last.steps, step{name, strings.TrimSpace(rest)})
		}
	}
	if len(all) != 2 || all[1].from != "scratch" {
		t.Fatalf("want a stage that builds and one from scratch, got %v", all)
	}
	return all
}

// build does what a stage does, with root for its root directory; what it runs is run on this machine. No container
// engine is needed, and its base image is this machine.
func (s stage) build(t *testing.T, root string, given map[string]string) {
	t.Helper()
	env := map[string]string{"TARGETOS": "linux", "TARGETARCH": runtime.GOARCH}
	dir := root
	for _, i := range s.steps {
		switch i.name {
		case "ARG":
			name, value, _ := strings.Cut(i.rest, "=")
			if v, ok := given[name]; ok {
				value = v
			}
			if _, known := env[name]; !known {
				env[name] = value
			}
		case "WORKDIR":
			dir = filepath.Join(root, i.rest)
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		case "COPY":
			f := strings.Fields(i.rest)
			for _, from := range f[:len(f)-1] {
				copyContext(t, from, dir)
			}
		case "RUN":
			cmd := exec.CommandContext(t.Context(), "sh", "-c", i.rest)
			cmd.Dir, cmd.Env = dir, os.Environ()
			for name, value := range maps.All(env) {
				cmd.Env = append(cmd.Env, name+"="+value)
			}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("RUN %s: %v\n%s", i.rest, err, out)
			}
		}
	}
}

// copyContext copies a file of the build context, or with "." all that .dockerignore leaves of it.
func copyContext(t *testing.T, from, to string) {
	t.Helper()
	ignored := strings.Split(read(t, "../.dockerignore"), "\n")
	context := os.DirFS("..")
	err := fs.WalkDir(context, from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		for _, pattern := range ignored {
			if base, any := strings.CutPrefix(pattern, "**/"); any {
				if is, _ := path.Match(base, path.Base(name)); !is {
					continue
				}
			} else if name != pattern {
				continue
			}
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		target := filepath.Join(to, name)
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		data, err := fs.ReadFile(context, name)
		if err != nil {
			return err
		}
		return os.WriteFile(target, data, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}
