package deploy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.uber.org/zap"

	"zonkeymwi/admin"
	"zonkeymwi/bridge"
)

const rules = "prometheus/zonkeymwi.rules.yaml"

type idle struct{ admin.Control }

func (idle) Status(context.Context) (bridge.Status, error) { return bridge.Status{}, nil }

// served are the metrics of a running admin listener, each with its labels.
func served(t *testing.T) map[string][]string {
	t.Helper()
	s, err := admin.Start(admin.Options{Listen: "127.0.0.1:0", Control: idle{}, Level: zap.NewAtomicLevel(),
		Meter: admin.NewMeter("test"), Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get("http://" + s.Addr() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	metrics := map[string][]string{"up": nil}
	for name, f := range families {
		labels := []string{"job", "instance", "le"} // Prometheus adds the first two
		for _, l := range f.Metric[0].Label {
			labels = append(labels, l.GetName())
		}
		metrics[name] = labels
		if f.Metric[0].Histogram != nil {
			metrics[name+"_bucket"], metrics[name+"_count"], metrics[name+"_sum"] = labels, labels, labels
			delete(metrics, name)
		}
	}
	return metrics
}

var (
	metricUsed = regexp.MustCompile(`\b((?:zonkeymwi|process|go)_[a-z_]+|up\b)(?:\{([^}]*)\})?`)
	labelUsed  = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"`)
)

// TestMetricsAreNamedRight holds the dashboard and the alerts to what a running listener serves.
func TestMetricsAreNamedRight(t *testing.T) {
	metrics := served(t)
	used := map[string]bool{}
	for _, expr := range append(dashboardExprs(t), ruleExprs(t)...) {
		found := metricUsed.FindAllStringSubmatch(expr, -1)
		if len(found) == 0 {
			t.Errorf("no metric in %s", expr)
		}
		for _, m := range found {
			labels, known := metrics[m[1]]
			if !known {
				t.Errorf("there is no metric %s: %s", m[1], expr)
			}
			used[m[1]] = true
			for _, l := range labelUsed.FindAllStringSubmatch(m[2], -1) {
				if known && !slices.Contains(labels, l[1]) {
					t.Errorf("%s has no label %s: %s", m[1], l[1], expr)
				}
			}
		}
	}
	for name := range metrics {
		if strings.HasPrefix(name, "zonkeymwi_") && !strings.HasSuffix(name, "_sum") && !strings.HasSuffix(name, "_count") && !used[name] {
			t.Errorf("neither the dashboard nor an alert uses %s", name)
		}
	}
}

var ruleExpr = regexp.MustCompile(`(?m)^ +expr: (.+)$`)

func ruleExprs(t *testing.T) (exprs []string) {
	t.Helper()
	for _, m := range ruleExpr.FindAllStringSubmatch(read(t, rules), -1) {
		exprs = append(exprs, m[1])
	}
	if alerts := strings.Count(read(t, rules), "- alert:"); len(exprs) != alerts || alerts == 0 {
		t.Fatalf("%d alerts, %d expressions", alerts, len(exprs))
	}
	return exprs
}

func dashboardExprs(t *testing.T) (exprs []string) {
	t.Helper()
	for _, p := range dashboard(t).Panels {
		for _, target := range p.Targets {
			exprs = append(exprs, target.Expr)
		}
	}
	if len(exprs) == 0 {
		t.Fatal("no queries in the dashboard")
	}
	return exprs
}

type grafana struct {
	Panels     []grafanaPanel
	Templating struct {
		List []struct{ Name, Type, Definition string }
	}
}

type grafanaPanel struct {
	ID          int
	Type, Title string
	GridPos     struct{ X, Y, W, H int }
	Datasource  struct{ UID string }
	Targets     []struct {
		Expr       string
		Datasource struct{ UID string }
	}
}

func dashboard(t *testing.T) (d grafana) {
	t.Helper()
	if err := json.Unmarshal([]byte(read(t, "grafana/zonkeymwi.json")), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDashboard: panels that Grafana can lay out, with queries of the data source that is chosen.
func TestDashboard(t *testing.T) {
	d := dashboard(t)
	taken := map[[2]int]string{}
	ids := map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" {
			t.Errorf("panel %d %q: its number is taken, or it has no title", p.ID, p.Title)
		}
		ids[p.ID] = true
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if other, is := taken[at]; is || at[0] >= 24 {
					t.Fatalf("%q lies over %q or outside, at %v", p.Title, other, at)
				}
				taken[at] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if len(p.Targets) == 0 || p.Datasource.UID != "${datasource}" {
			t.Errorf("%q asks nothing, or another data source", p.Title)
		}
		for _, target := range p.Targets {
			if target.Datasource.UID != "${datasource}" || !strings.Contains(target.Expr, "$instance") {
				t.Errorf("%q does not ask for the instances that are chosen: %s", p.Title, target.Expr)
			}
		}
	}
}

// TestRules has Prometheus' own tool read the alerts and the dashboard's queries, and run the alerts' tests.
func TestRules(t *testing.T) {
	promtool := tool(t, "promtool", "prometheus")
	output(t, promtool, "test", "rules", "prometheus/zonkeymwi.rules.test.yaml")
	text := "groups:\n- name: dashboard\n  rules:\n"
	fill := strings.NewReplacer("$__rate_interval", "5m", "$job", ".*", "$instance", ".*")
	for i, expr := range dashboardExprs(t) {
		text += fmt.Sprintf("  - {record: panel:%d, expr: %q}\n", i, fill.Replace(expr))
	}
	queries := filepath.Join(t.TempDir(), "queries.yaml")
	if err := os.WriteFile(queries, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	output(t, promtool, "check", "rules", rules, queries)
}
