package admin

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

func scraped(t *testing.T, o Options) map[string]*dto.MetricFamily {
	t.Helper()
	w := serve(o, request("GET", "/metrics", ""))
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(w.Body)
	if err != nil || w.Code != 200 {
		t.Fatal(w.Code, err)
	}
	return families
}

func TestMetricsTell(t *testing.T) {
	f := well()
	f.status.Unconverged.Mailboxes, f.status.Unconverged.Dialogs, f.status.Unconverged.Oldest = 2, 3, time.Now().Add(-time.Minute)
	f.status.Queued, f.status.InFlight = 4, 5
	o := options(f)
	m := o.Meter
	m.Received()
	m.LookedUp(2*time.Millisecond, true)
	m.LookedUp(3*time.Second, false)
	m.Notified("acknowledged", 20*time.Millisecond)
	m.Notified("no_answer", 32*time.Second)
	m.Acknowledged(30 * time.Millisecond)
	m.CSeqConflict()
	got := scraped(t, o)
	value := func(name string) float64 {
		t.Helper()
		family := got[name]
		if family == nil {
			t.Fatalf("%s is missing", name)
		}
		m := family.Metric[0]
		return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
	}
	for name, want := range map[string]float64{
		"zonkeymwi_mwi_received_total": 1, "zonkeymwi_cseq_conflicts_total": 1, "zonkeymwi_lookup_failures_total": 1,
		"zonkeymwi_lookup_seconds": 2, "zonkeymwi_notify_seconds": 2, "zonkeymwi_event_to_acknowledged_seconds": 1,
		"zonkeymwi_build_info": 1, "zonkeymwi_loop_answers": 1, "zonkeymwi_ami_connected": 1, "zonkeymwi_database_ok": 1,
		"zonkeymwi_mailboxes": 1840, "zonkeymwi_dialogs": 2711, "zonkeymwi_dead_dialogs": 12,
		"zonkeymwi_unconverged_mailboxes": 2, "zonkeymwi_unconverged_dialogs": 3,
		"zonkeymwi_queued_mailboxes": 4, "zonkeymwi_in_flight_notifies": 5,
		"zonkeymwi_ami_resync_timestamp_seconds": float64(f.status.AMI.Resynced.UnixMilli()) / 1000,
	} {
		if v := value(name); v != want {
			t.Errorf("%s is %v, want %v", name, v, want)
		}
	}
	if v := value("zonkeymwi_unconverged_oldest_seconds"); v < 60 || v > 70 {
		t.Error("oldest:", v)
	}
	notified := map[string]float64{}
	for _, m := range got["zonkeymwi_notify_total"].Metric {
		notified[m.Label[0].GetValue()] = m.GetCounter().GetValue()
	}
	if len(notified) != len(outcomes) || notified["acknowledged"] != 1 || notified["no_answer"] != 1 || notified["refused"] != 0 {
		t.Error(notified)
	}
	if got["go_goroutines"] == nil {
		t.Error("Go's own metrics are missing")
	}
}

func TestMetricsKeepTheCustoms(t *testing.T) {
	families := scraped(t, options(well()))
	problems, err := promlint.NewWithMetricFamilies(slices.Collect(maps.Values(families))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// The document and the registry name the same metrics, of the same type.
func TestMetricsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(zonkeymwi_\\w+)[`{][^|]*\\| (\\w+) \\|").FindAllStringSubmatch(string(text), -1) {
		documented[row[1]] = row[2]
	}
	served := map[string]string{}
	for name, family := range scraped(t, options(well())) {
		if strings.HasPrefix(name, "zonkeymwi_") {
			served[name] = strings.ToLower(family.GetType().String())
		}
	}
	if !maps.Equal(documented, served) {
		t.Errorf("documented: %v\nserved: %v", documented, served)
	}
}
