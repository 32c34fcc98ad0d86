//go:build linux

package deploy_test

import (
	"bytes"
	"debug/elf"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

const settings = `
ami = { address = "127.0.0.1:9", username = "zonkeymwi", secret_file = "/run/secrets/zonkeymwi/ami-secret" }
database.url_file = "/run/secrets/zonkeymwi/database-url"
sip.proxy = "127.0.0.1:9"
admin = { listen = "0.0.0.0:%d", token_file = "/run/secrets/zonkeymwi/admin-token" }
`

// TestImage makes the image's files as the Dockerfile says, and runs the program among them alone: as the image's user,
// without any capability, on a file system that cannot be written. It needs no container engine.
func TestImage(t *testing.T) {
	tool(t, "make", "make")
	all := stages(t)
	given := map[string]string{"VERSION": "9.8.7", "COMMIT": "0123456789abcdef"}
	one, two := t.TempDir(), filepath.Join(t.TempDir(), "elsewhere")
	all[0].build(t, one, given)
	all[0].build(t, two, given)
	program := filepath.Join(one, "src", "zonkeymwi")
	if read(t, program) != read(t, filepath.Join(two, "src", "zonkeymwi")) {
		t.Error("two builds of one tree differ")
	}
	static(t, program)

	need(t, os.Getuid() == 0, "a chroot needs root")
	c := &container{t: t, root: t.TempDir(), stage: all[1]}
	c.files(one)
	c.mount("etc/zonkeymwi/zonkeymwi.toml", fmt.Sprintf(settings, freePort(t)))
	c.mount("run/secrets/zonkeymwi/ami-secret", "hush-ami\n")
	c.mount("run/secrets/zonkeymwi/database-url", "postgres://zonkeymwi:hush-sql@127.0.0.1:9/opensips\n")
	c.mount("run/secrets/zonkeymwi/admin-token", "hush-token\n")
	out, err := c.command("/zonkeymwi", "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "zonkeymwi 9.8.7 (commit 0123456789abcdef) go1.") {
		t.Fatalf("version: %v\n%s", err, out)
	}
	c.runs()
}

// container is a directory with the files of a final stage.
type container struct {
	t     *testing.T
	root  string
	stage stage
}

// files are those that the stage copies from the one before, which was built in dir; what that did not make is of its
// base image.
func (c *container) files(dir string) {
	c.t.Helper()
	for _, s := range c.stage.steps {
		if s.name != "COPY" {
			continue
		}
		f := strings.Fields(strings.TrimPrefix(s.rest, "--from=build "))
		from := filepath.Join(dir, f[0])
		if _, err := os.Stat(from); err != nil {
			from = f[0]
			_, err = os.Stat(from)
			need(c.t, err == nil, "no "+from+": install Debian's package ca-certificates")
		}
		c.mount(f[1], read(c.t, from))
	}
	if err := os.Chmod(c.root, 0o755); err != nil {
		c.t.Fatal(err)
	}
}

func (c *container) mount(name, text string) {
	c.t.Helper()
	path := filepath.Join(c.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		c.t.Fatal(err)
	}
}

// command is a program of the container's. It takes the place of the shell, so that its process is the command's.
func (c *container) command(args ...string) *exec.Cmd {
	const confine = `mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && ` +
		`user=$1 && shift && exec setpriv --no-new-privs chroot --userspec="$user" --groups= "$0" "$@"`
	cmd := exec.CommandContext(c.t.Context(), "unshare", append([]string{"--mount", "sh", "-c", confine, c.root, c.stage.of(c.t, "USER")}, args...)...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// runs starts what the image starts, asks for its health as the image does, and stops it as an engine does.
func (c *container) runs() {
	_, check, _ := strings.Cut(c.stage.of(c.t, "HEALTHCHECK"), "CMD ")
	healthy := func() bool { return c.command(words(c.t, check)...).Run() == nil }
	if healthy() {
		c.t.Error("the health check is content with nothing")
	}
	var log bytes.Buffer
	run := c.command(append(words(c.t, c.stage.of(c.t, "ENTRYPOINT")), words(c.t, c.stage.of(c.t, "CMD"))...)...)
	run.Stderr = &log
	if err := run.Start(); err != nil {
		c.t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); !healthy(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			_ = run.Process.Kill()
			c.t.Fatalf("not healthy: %v\n%s", run.Wait(), log.String())
		}
	}
	c.limits(run.Process.Pid)
	_ = run.Process.Signal(syscall.SIGTERM)
	if err := run.Wait(); err != nil || strings.Contains(log.String(), "hush") || !strings.Contains(log.String(), `"event":"stopped"`) {
		c.t.Errorf("ended with %v:\n%s", err, log.String())
	}
	if healthy() {
		c.t.Error("the health check is content with a bridge that has ended")
	}
}

// limits asks the kernel whether a process is as confined as it should be.
func (c *container) limits(pid int) {
	status := read(c.t, fmt.Sprintf("/proc/%d/status", pid))
	for _, want := range []string{`Uid:(\s+65532){4}`, `Gid:(\s+65532){4}`, `Groups:\s*`, `NoNewPrivs:\s+1`, `CapEff:\s+0+`, `CapPrm:\s+0+`, `CapAmb:\s+0+`} {
		if !regexp.MustCompile(`(?m)^` + want + `$`).MatchString(status) {
			c.t.Errorf("the process is not %s:\n%s", want, status)
		}
	}
	mounts := read(c.t, fmt.Sprintf("/proc/%d/mountinfo", pid))
	if !regexp.MustCompile(`(?m)^\S+ \S+ \S+ \S+ / ro\b`).MatchString(mounts) {
		c.t.Errorf("its root can be written:\n%s", mounts)
	}
}

// static holds a program to needing no file but itself.
func static(t *testing.T, program string) {
	t.Helper()
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("%s is linked dynamically", program)
		}
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
