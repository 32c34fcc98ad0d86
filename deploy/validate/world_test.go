//go:build linux

package validate_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
)

// inside names a directory in the environment of the test that runs in the namespaces, where it may mount.
const inside = "ZONKEYMWI_TEST_INSIDE"

// intoNamespaces runs a test in namespaces of its own, where it may mount and has addresses to give.
func intoNamespaces(t *testing.T, test string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
		os.Args[0], "-test.run=^"+test+"$", "-test.v", "-test.timeout=3m")
	cmd.Env = append(os.Environ(), inside+"="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
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

// world is what runs, below a directory of its own.
type world struct {
	t       *testing.T
	project *types.Project
	dir     string
	hosts   string
}

func (w *world) run(name string, args ...string) {
	w.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		w.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

func (w *world) eventually(what string, is func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("no %s within 30 s", what)
		}
	}
}

// image is the bridge's: the program and nothing else. TestImage, in the module above, is about the true one.
func (w *world) image() string {
	dir := filepath.Join(w.dir, "image")
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "zonkeymwi"), ".")
	build.Dir, build.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		w.t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// overlay is a root file system that can be written without changing base.
func (w *world) overlay(name, base string) (root string) {
	w.t.Helper()
	part := func(part string) string {
		dir := filepath.Join(w.dir, name, part)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			w.t.Fatal(err)
		}
		return dir
	}
	root = part("root")
	w.run("mount", "-t", "overlay", "overlay", "-o", fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", base, part("upper"), part("work")), root)
	for _, dir := range []string{"dev", "proc"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			w.t.Fatal(err)
		}
		w.run("mount", "--rbind", "/"+dir, filepath.Join(root, dir))
	}
	return root
}

// finish runs a service that ends well.
func (w *world) finish(cmd *exec.Cmd) {
	w.t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
}

// start starts services that end with the test; what they say is shown when it fails.
func (w *world) start(services ...*exec.Cmd) {
	w.t.Helper()
	for i, cmd := range services {
		log := filepath.Join(w.dir, fmt.Sprintf("%s.%d.log", filepath.Base(cmd.Args[len(cmd.Args)-1]), i))
		f, err := os.Create(log)
		if err != nil {
			w.t.Fatal(err)
		}
		defer f.Close()
		cmd.Stdout, cmd.Stderr = f, f
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			if w.t.Failed() {
				w.t.Logf("%v:\n%s", cmd.Args, readFile(w.t, log))
			}
		})
	}
}
