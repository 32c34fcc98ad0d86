package deploy_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"zonkeymwi/config"
)

// TestSidecarSettings has the program read the settings of the pod, with secrets where its volumes put them.
func TestSidecarSettings(t *testing.T) {
	const mounted = "/run/secrets/zonkeymwi"
	dir := t.TempDir()
	for _, name := range []string{"ami-secret", "database-url", "admin-token"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("postgres://zonkeymwi@db/kamailio"), 0o600); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(read(t, "kubernetes/sidecar/sidecar.yaml"), "key: "+name+", path: "+name) {
			t.Errorf("the pod does not mount %s", name)
		}
	}
	if !strings.Contains(read(t, "kubernetes/sidecar/sidecar.yaml"), "mountPath: "+mounted+",") {
		t.Errorf("the pod mounts no secrets at %s", mounted)
	}
	text := strings.ReplaceAll(read(t, "kubernetes/sidecar/zonkeymwi.toml"), mounted, dir)
	c, err := config.Parse("zonkeymwi.toml", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	// The kubelet's probes come from outside the pod, to its port.
	if c.Admin.Listen != "0.0.0.0:9742" || !strings.Contains(read(t, "kubernetes/sidecar/sidecar.yaml"), "containerPort: 9742,") {
		t.Errorf("it listens at %s", c.Admin.Listen)
	}
}

// TestManagerUser: the pod's manager user is the one of deploy/asterisk, which the end-to-end tests run, but for its secret.
func TestManagerUser(t *testing.T) {
	if got, want := user(t, "kubernetes/asterisk/manager.conf"), user(t, "asterisk/manager.conf"); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// user are the settings of a manager.conf's section zonkeymwi.
func user(t *testing.T, path string) (settings []string) {
	t.Helper()
	_, section, _ := strings.Cut(read(t, path), "\n[zonkeymwi]\n")
	for line := range strings.Lines(section) {
		line = strings.TrimSpace(line)
		if line != "" && line[0] != ';' && line[0] != '#' && !strings.HasPrefix(line, "secret") {
			settings = append(settings, line)
		}
	}
	return settings
}
