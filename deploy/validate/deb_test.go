//go:build linux

package validate_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDeb installs the package with Debian's own tools, on a root file system that an overlay keeps from being changed, and
// removes it again.
func TestDeb(t *testing.T) {
	dir := os.Getenv(inside)
	if dir == "" {
		_, err := exec.LookPath("dpkg")
		need(t, err == nil && os.Getuid() == 0, "this needs root on Debian")
		intoNamespaces(t, "TestDeb")
		return
	}
	w := &world{t: t, dir: dir}
	w.run("mount", "-t", "tmpfs", "none", dir)
	program := filepath.Join(w.image(), "zonkeymwi")
	root := w.overlay("deb", "/")
	text, err := os.ReadFile(packaged(t, "deb", program))
	if err == nil {
		err = os.WriteFile(filepath.Join(root, "zonkeymwi.deb"), text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	in := func(command string) string {
		t.Helper()
		out, err := exec.Command("chroot", root, "sh", "-ec", command).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		return string(out)
	}
	in("dpkg --install /zonkeymwi.deb")
	if got := in("dpkg --listfiles zonkeymwi"); !containsAll(got, inPackage) {
		t.Errorf("files:\n%s", got)
	}
	if got := in("stat -c '%U:%G %a' /etc/zonkeymwi"); got != "root:zonkeymwi 750\n" {
		t.Errorf("/etc/zonkeymwi is %s", got)
	}
	in(`install -m 0640 -g zonkeymwi /usr/share/doc/zonkeymwi/config.toml.example /etc/zonkeymwi/zonkeymwi.toml
		systemd-analyze verify --man=no /usr/lib/systemd/system/zonkeymwi.service`)
	// The example lacks what only its reader knows, and says so, as the service's user may read it.
	out, err := exec.Command("chroot", root, "setpriv", "--reuid=zonkeymwi", "--regid=zonkeymwi", "--clear-groups", "zonkeymwi", "check").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "/etc/zonkeymwi/zonkeymwi.toml") || strings.Contains(string(out), "permission denied") {
		t.Errorf("check: %v\n%s", err, out)
	}
	in("dpkg --install /zonkeymwi.deb && dpkg --remove zonkeymwi && [ ! -e /usr/bin/zonkeymwi ] && [ -e /etc/zonkeymwi/zonkeymwi.toml ]")
}

func containsAll(text string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(text, p+"\n") {
			return false
		}
	}
	return true
}
