package validate_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb"
	_ "github.com/goreleaser/nfpm/v2/rpm"
	"github.com/sassoftware/go-rpmutils"
	"sigs.k8s.io/yaml"
)

type release struct {
	Builds []struct {
		Env, Goos, Goarch, Flags, Ldflags []string
	}
	NFPMs []map[string]any
}

func goreleaser(t *testing.T) (r release) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(readFile(t, "../../.goreleaser.yaml")), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestReleaseIsMakeBuild holds the release's flags to those of make build, which the image's tests run.
func TestReleaseIsMakeBuild(t *testing.T) {
	b := goreleaser(t).Builds[0]
	ldflags := strings.NewReplacer("{{ .Version }}", "$(VERSION)", "{{ .FullCommit }}", "$(COMMIT)").Replace(b.Ldflags[0])
	line := strings.Join(b.Env, " ") + " go build " + strings.Join(b.Flags, " ") + " -ldflags '" + ldflags + "' -o zonkeymwi .\n"
	if !strings.Contains(readFile(t, "../../Makefile"), "\t"+line) {
		t.Errorf("the Makefile has no line\n%s", line)
	}
	if !slices.Equal(b.Goarch, []string{"amd64", "arm64"}) || !slices.Equal(b.Goos, []string{"linux"}) {
		t.Errorf("built for %v %v", b.Goos, b.Goarch)
	}
}

// packaged makes the package that .goreleaser.yaml describes, with program in it, and returns its path.
func packaged(t *testing.T, format, program string) string {
	t.Helper()
	config := goreleaser(t).NFPMs[0]
	contents, bindir := config["contents"].([]any), config["bindir"].(string)
	config["name"], config["version"], config["arch"] = config["package_name"], "9.8.7", runtime.GOARCH
	config["contents"] = append(contents, map[string]any{"src": program, "dst": bindir + "/zonkeymwi", "file_info": map[string]any{"mode": 0o755}})
	for _, only := range []string{"id", "ids", "package_name", "formats", "bindir", "mtime"} { // goreleaser's own keys
		delete(config, only)
	}
	for _, o := range config["overrides"].(map[string]any) { // which goreleaser calls otherwise
		o := o.(map[string]any)
		o["depends"] = o["dependencies"]
		delete(o, "dependencies")
	}
	text, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir("../..") // its files are named from there
	parsed, err := nfpm.Parse(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	info, err := parsed.Get(format)
	if err != nil {
		t.Fatal(err)
	}
	info = nfpm.WithDefaults(info)
	if err := nfpm.PrepareForPackager(info, format); err != nil {
		t.Fatal(err)
	}
	packager, err := nfpm.Get(format)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "zonkeymwi."+format)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := packager.Package(info, f); err != nil {
		t.Fatal(err)
	}
	return path
}

var inPackage = []string{"/usr/bin/zonkeymwi", "/usr/lib/systemd/system/zonkeymwi.service", "/usr/lib/sysusers.d/zonkeymwi.conf",
	"/usr/share/doc/zonkeymwi/config.toml.example", "/usr/share/doc/zonkeymwi/copyright"}

func TestRPM(t *testing.T) {
	f, err := os.Open(packaged(t, "rpm", "/bin/true"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rpm, err := rpmutils.ReadRpm(f)
	if err != nil {
		t.Fatal(err)
	}
	files, err := rpm.Header.GetFiles()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
	}
	if slices.Sort(names); !slices.Equal(names, inPackage) {
		t.Errorf("files: %v", names)
	}
	if script, err := rpm.Header.GetString(rpmutils.POSTIN); err != nil || !strings.Contains(script, "systemd-sysusers zonkeymwi.conf") {
		t.Errorf("after its installation: %q %v", script, err)
	}
}

// The program is where the unit looks for it, and the unit's user is the one that is made.
func TestUnitFitsThePackage(t *testing.T) {
	unit := readFile(t, "../systemd/zonkeymwi.service")
	user := regexp.MustCompile(`(?m)^User=(.+)$`).FindStringSubmatch(unit)[1]
	if !strings.Contains(unit, "\nExecStart="+inPackage[0]+" run\n") || !strings.Contains(readFile(t, "../systemd/zonkeymwi.sysusers"), "u "+user+" ") {
		t.Errorf("%s:\n%s", user, unit)
	}
}
