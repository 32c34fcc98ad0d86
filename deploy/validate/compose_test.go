package validate_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// project is compose.yaml as an engine reads it: against its schema, and with all that one part says of another. It lies
// beside secrets that secrets.sh made.
func project(t *testing.T) *types.Project {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "deploy")
	for _, part := range []string{"compose", "kubernetes", "kamailio"} {
		if err := os.CopyFS(filepath.Join(dir, part), os.DirFS(filepath.Join("..", part))); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "compose.yaml")
	text, err := os.ReadFile("../compose.yaml")
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	secrets := filepath.Join(dir, "compose/secrets")
	if err == nil {
		err = os.RemoveAll(secrets) // an operator's own
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("sh", "../secrets.sh", secrets, "postgres://zonkeymwi@database/kamailio").CombinedOutput(); err != nil {
		t.Fatalf("secrets.sh: %v\n%s", err, out)
	}
	options, err := cli.NewProjectOptions([]string{file}, cli.WithResolvedPaths(true), cli.WithConsistency(true))
	if err != nil {
		t.Fatal(err)
	}
	p, err := options.LoadProject(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCompose(t *testing.T) {
	p := project(t)
	for _, s := range p.Services {
		for _, v := range s.Volumes {
			if _, err := os.Stat(v.Source); v.Type == types.VolumeTypeBind && (err != nil || !v.ReadOnly) {
				t.Errorf("%s: %s is not there, or not read-only: %v", s.Name, v.Source, err)
			}
		}
	}
	for _, s := range p.Secrets {
		info, err := os.Stat(s.File)
		if err != nil || info.Mode().Perm() != 0o444 { // the engine mounts it as it is
			t.Errorf("secret %s: %v %v", s.Name, info, err)
		}
	}
	z := p.Services["zonkeymwi"]
	if !z.ReadOnly || z.User != "65532:65532" || !slices.Contains(z.CapDrop, "ALL") || !slices.Contains(z.SecurityOpt, "no-new-privileges:true") {
		t.Errorf("zonkeymwi is not confined: %+v", z)
	}
	if z.NetworkMode != "service:asterisk" {
		t.Errorf("zonkeymwi cannot reach AMI on Asterisk's loopback: %q", z.NetworkMode)
	}
}
