package validate_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"
)

// Modules that carry schemas beside their code; none of it is built.
const (
	kubernetesSchemas = "sigs.k8s.io/kubectl-validate@v0.0.4" // pkg/openapiclient/builtins
	kubernetesVersion = "1.30"
	operatorSchemas   = "github.com/prometheus-operator/prometheus-operator@v0.85.0" // example/prometheus-operator-crd
)

// module is the directory with the module's files; its contents are held to Go's checksum database.
func module(t *testing.T, version string) (dir string) {
	t.Helper()
	cmd := exec.Command("go", "mod", "download", "-json", version)
	cmd.Dir = t.TempDir()
	out, err := cmd.Output()
	var found struct{ Dir, Error string }
	if json.Unmarshal(out, &found) != nil || found.Dir == "" {
		t.Fatalf("go mod download %s: %v %s", version, err, found.Error)
	}
	return found.Dir
}

// schemas validate resources of Kubernetes and of the Prometheus operator.
type schemas struct {
	t        *testing.T
	builtins string
	crds     string
}

func newSchemas(t *testing.T) *schemas {
	return &schemas{t: t,
		builtins: filepath.Join(module(t, kubernetesSchemas), "pkg/openapiclient/builtins", kubernetesVersion),
		crds:     filepath.Join(module(t, operatorSchemas), "example/prometheus-operator-crd")}
}

// check returns what is wrong with a resource, nil for nothing.
func (s *schemas) check(apiVersion, kind string, resource any) error {
	s.t.Helper()
	group, version, named := strings.Cut(apiVersion, "/")
	path := filepath.Join(s.builtins, "apis", group, version+".json")
	if !named {
		path = filepath.Join(s.builtins, "api", apiVersion+".json")
	}
	var document map[string]any
	place := "/spec/versions/0/schema/openAPIV3Schema"
	if _, err := os.Stat(path); err == nil {
		document = load(s.t, path)
		place = definition(document, group, version, kind)
	} else {
		path = filepath.Join(s.crds, group+"_"+strings.ToLower(kind)+"s.yaml")
		document = load(s.t, path)
	}
	if place == "" {
		s.t.Fatalf("%s has no schema of %s %s", path, apiVersion, kind)
	}
	strict(document)
	c := jsonschema.NewCompiler()
	if err := c.AddResource("file://"+path, document); err != nil {
		s.t.Fatal(err)
	}
	schema, err := c.Compile("file://" + path + "#" + place)
	if err != nil {
		s.t.Fatal(err)
	}
	return schema.Validate(resource)
}

func load(t *testing.T, path string) (document map[string]any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = yaml.Unmarshal(text, &document)
	}
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// definition finds the schema of a kind by what Kubernetes writes on it.
func definition(document map[string]any, group, version, kind string) string {
	if version == "" {
		group, version = "", group
	}
	all := document["components"].(map[string]any)["schemas"].(map[string]any)
	for name, schema := range all {
		kinds, _ := schema.(map[string]any)["x-kubernetes-group-version-kind"].([]any)
		for _, k := range kinds {
			k := k.(map[string]any)
			if len(kinds) == 1 && k["group"] == group && k["version"] == version && k["kind"] == kind {
				return "/components/schemas/" + name
			}
		}
	}
	return ""
}

// strict forbids what a schema does not name, as an API server does that is asked to validate strictly.
func strict(node any) {
	switch n := node.(type) {
	case map[string]any:
		_, object := n["properties"].(map[string]any)
		if _, said := n["additionalProperties"]; object && n["type"] == "object" && !said && n["x-kubernetes-preserve-unknown-fields"] != true {
			n["additionalProperties"] = false
		}
		for _, child := range n {
			strict(child)
		}
	case []any:
		for _, child := range n {
			strict(child)
		}
	}
}
