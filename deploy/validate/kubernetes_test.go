// Package validate_test holds what is in deploy/ and .github/ to schemas and validators of those whose formats they are.
package validate_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// built is what kubectl apply -k would send, with secrets that secrets.sh made.
func built(t *testing.T, change func(dir string)) resmap.ResMap {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "kubernetes")
	if err := os.CopyFS(dir, os.DirFS("../kubernetes")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "sidecar/secrets")); err != nil { // an operator's own
		t.Fatal(err)
	}
	if out, err := exec.Command("sh", "../secrets.sh", filepath.Join(dir, "sidecar/secrets"), "postgres://zonkeymwi:hush@postgresql/kamailio").CombinedOutput(); err != nil {
		t.Fatalf("secrets.sh: %v\n%s", err, out)
	}
	if change != nil {
		change(dir)
	}
	all, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// one is the resource of that kind and name; a generated one's name has a hash after it.
func one(t *testing.T, all resmap.ResMap, kind, name string) *resource.Resource {
	t.Helper()
	for _, r := range all.Resources() {
		if r.GetKind() == kind && (r.GetName() == name || strings.HasPrefix(r.GetName(), name+"-")) {
			return r
		}
	}
	t.Fatalf("there is no %s %s", kind, name)
	return nil
}

// as reads a resource into what a test looks at.
func as[T any](t *testing.T, r *resource.Resource) (v T) {
	t.Helper()
	text, err := r.AsYAML()
	if err == nil {
		err = yaml.Unmarshal(text, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestKubernetesSchemas(t *testing.T) {
	s := newSchemas(t)
	for _, r := range built(t, nil).Resources() {
		if err := s.check(r.GetApiVersion(), r.GetKind(), as[any](t, r)); err != nil {
			t.Errorf("%s: %v", r.CurId(), err)
		}
	}
	// That the schemas bite:
	wrong := as[map[string]any](t, one(t, built(t, nil), "StatefulSet", "asterisk"))
	spec := wrong["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)
	spec["initContainers"].([]any)[0].(map[string]any)["livenesProbe"] = map[string]any{}
	if err := s.check("apps/v1", "StatefulSet", wrong); err == nil {
		t.Error("a misspelt key was not noticed")
	}
}

type workload struct {
	Spec struct{ Template struct{ Spec pod } }
}

type pod struct {
	InitContainers, Containers []container
	Volumes                    []struct {
		Name      string
		ConfigMap struct{ Name string }
		Secret    struct{ SecretName string }
	}
}

type container struct {
	Name, Image, RestartPolicy string
	Ports                      []struct {
		Name          string
		ContainerPort int
	}
	StartupProbe, LivenessProbe, ReadinessProbe *struct {
		HTTPGet struct{ Path, Port string }
	}
	Resources       struct{ Requests, Limits map[string]string }
	SecurityContext struct {
		RunAsNonRoot, ReadOnlyRootFilesystem, AllowPrivilegeEscalation *bool
		Capabilities                                                   struct{ Drop []string }
		SeccompProfile                                                 struct{ Type string }
	}
	VolumeMounts []struct {
		Name, MountPath string
		ReadOnly        bool
	}
}

// TestSidecar: what the schemas do not know of the sidecar, in a StatefulSet and in a Deployment.
func TestSidecar(t *testing.T) {
	asDeployment := func(dir string) {
		path := filepath.Join(dir, "asterisk.yaml")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.Replace(string(text), "kind: StatefulSet", "kind: Deployment", 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for kind, change := range map[string]func(string){"StatefulSet": nil, "Deployment": asDeployment} {
		all := built(t, change)
		p := as[workload](t, one(t, all, kind, "asterisk")).Spec.Template.Spec
		if len(p.InitContainers) != 1 || len(p.Containers) != 1 {
			t.Fatalf("%s: %d and %d containers", kind, len(p.InitContainers), len(p.Containers))
		}
		confined(t, p.InitContainers[0])
		names := map[string]bool{one(t, all, "Secret", "zonkeymwi").GetName(): false, one(t, all, "ConfigMap", "zonkeymwi").GetName(): false}
		for _, v := range p.Volumes {
			for _, name := range []string{v.Secret.SecretName, v.ConfigMap.Name} {
				if _, known := names[name]; known {
					names[name] = true
				}
			}
		}
		for name, used := range names {
			if !used {
				t.Errorf("%s: no volume is %s, so a change of it restarts nothing", kind, name)
			}
		}
	}
}

func confined(t *testing.T, c container) {
	t.Helper()
	yes := func(b *bool) bool { return b != nil && *b }
	s := c.SecurityContext
	if c.RestartPolicy != "Always" || !yes(s.RunAsNonRoot) || !yes(s.ReadOnlyRootFilesystem) || s.AllowPrivilegeEscalation == nil ||
		*s.AllowPrivilegeEscalation || !reflect.DeepEqual(s.Capabilities.Drop, []string{"ALL"}) || s.SeccompProfile.Type != "RuntimeDefault" {
		t.Errorf("not a confined sidecar: %+v", c)
	}
	if c.Resources.Requests["cpu"] == "" || c.Resources.Requests["memory"] == "" || c.Resources.Limits["memory"] == "" {
		t.Errorf("resources: %+v", c.Resources)
	}
	for _, m := range c.VolumeMounts {
		if !m.ReadOnly {
			t.Errorf("%s can be written", m.MountPath)
		}
	}
	if c.StartupProbe.HTTPGet.Path != "/startup" || c.LivenessProbe.HTTPGet.Path != "/live" || c.StartupProbe.HTTPGet.Port != c.Ports[0].Name {
		t.Errorf("probes: %+v %+v", c.StartupProbe, c.LivenessProbe)
	}
}

// TestMonitoring: the monitor finds the token, and the alerts are those that promtool tests.
func TestMonitoring(t *testing.T) {
	all := built(t, nil)
	monitor := as[struct {
		Spec struct {
			PodMetricsEndpoints []struct {
				Port          string
				Authorization struct{ Credentials struct{ Name, Key string } }
			}
		}
	}](t, one(t, all, "PodMonitor", "zonkeymwi")).Spec.PodMetricsEndpoints[0]
	secret := one(t, all, "Secret", "zonkeymwi")
	token := monitor.Authorization.Credentials
	if _, there := secret.GetDataMap()[token.Key]; token.Name != secret.GetName() || !there || monitor.Port != "zonkeymwi" {
		t.Errorf("%+v does not name %s", monitor, secret.GetName())
	}
	rule := as[struct{ Spec any }](t, one(t, all, "PrometheusRule", "zonkeymwi"))
	if plain := load(t, "../prometheus/zonkeymwi.rules.yaml"); !reflect.DeepEqual(rule.Spec, any(plain)) {
		t.Error("monitoring/rules.yaml and prometheus/zonkeymwi.rules.yaml differ")
	}
}
