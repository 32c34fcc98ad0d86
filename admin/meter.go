package admin

import (
	"context"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"zonkeymwi/bridge"
)

// Meter takes a bridge's measurements for Prometheus.
type Meter struct {
	registry     *prometheus.Registry
	received     atomic.Uint64
	notified     *prometheus.CounterVec
	conflicts    prometheus.Counter
	lookupFailed prometheus.Counter
	acknowledged prometheus.Histogram
	notify       prometheus.Histogram
	lookup       prometheus.Histogram
}

var _ bridge.Meter = (*Meter)(nil)

// NewMeter makes a Meter with a registry of its own.
func NewMeter(version string) *Meter {
	m := &Meter{
		registry:     prometheus.NewPedanticRegistry(),
		notified:     prometheus.NewCounterVec(notifiedOpts, []string{"outcome"}),
		conflicts:    prometheus.NewCounter(conflictOpts),
		lookupFailed: prometheus.NewCounter(lookupFailedOpts),
		acknowledged: prometheus.NewHistogram(acknowledgedOpts),
		notify:       prometheus.NewHistogram(notifyOpts),
		lookup:       prometheus.NewHistogram(lookupOpts),
	}
	for _, o := range outcomes {
		m.notified.WithLabelValues(o)
	}
	build := prometheus.NewGaugeVec(buildOpts, []string{"version", "goversion"})
	build.WithLabelValues(version, runtime.Version()).Set(1)
	received := prometheus.NewCounterFunc(receivedOpts, func() float64 { return float64(m.received.Load()) })
	m.registry.MustRegister(received, m.notified, m.conflicts, m.lookupFailed, m.acknowledged, m.notify, m.lookup, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Received counts an AMI message about a mailbox.
func (m *Meter) Received() { m.received.Add(1) }

// LookedUp takes the time of a lookup.
func (m *Meter) LookedUp(took time.Duration, ok bool) {
	m.lookup.Observe(took.Seconds())
	if !ok {
		m.lookupFailed.Inc()
	}
}

// Notified counts a NOTIFY by its outcome and takes its time.
func (m *Meter) Notified(outcome string, took time.Duration) {
	m.notified.WithLabelValues(outcome).Inc()
	m.notify.Observe(took.Seconds())
}

// Acknowledged takes the time from an AMI message to a phone that shows it.
func (m *Meter) Acknowledged(sinceEvent time.Duration) { m.acknowledged.Observe(sinceEvent.Seconds()) }

// CSeqConflict counts a 500 by which a phone refused a CSeq.
func (m *Meter) CSeqConflict() { m.conflicts.Inc() }

// metricsHandler serves what the meter took, and the gauges.
func metricsHandler(m *Meter, c Control) http.Handler {
	now := prometheus.NewPedanticRegistry()
	now.MustRegister(&scrape{c})
	return promhttp.HandlerFor(prometheus.Gatherers{m.registry, now}, promhttp.HandlerOpts{})
}

// scrape collects the gauges, all of them from one Status.
type scrape struct{ control Control }

// Describe implements prometheus.Collector.
func (s *scrape) Describe(to chan<- *prometheus.Desc) {
	to <- desc(answersName, answersHelp)
	for _, g := range gauges {
		to <- desc(g.name, g.help)
	}
}

// Collect implements prometheus.Collector. A bridge that is stuck cannot hold
// it up: the answer then has no gauges, and says so.
func (s *scrape) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), quick)
	defer cancel()
	status, err := s.control.Status(ctx)
	to <- constant(answersName, answersHelp, truth(err == nil))
	if err != nil {
		return
	}
	for _, g := range gauges {
		to <- constant(g.name, g.help, g.value(&status))
	}
}

func desc(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, nil) }

func constant(name, help string, value float64) prometheus.Metric {
	return prometheus.MustNewConstMetric(desc(name, help), prometheus.GaugeValue, value)
}
