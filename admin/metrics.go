package admin

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"zonkeymwi/bridge"
)

// All metrics are named here. docs/metrics.md says what each is good for; a
// test holds the two together. None has a label by mailbox or phone, so their
// number does not grow.

// Counted as it happens, by Meter.
var (
	receivedOpts = prometheus.CounterOpts{Name: "zonkeymwi_mwi_received_total",
		Help: "AMI messages about a mailbox."}
	notifiedOpts = prometheus.CounterOpts{Name: "zonkeymwi_notify_total",
		Help: "NOTIFYs that came to their end, by outcome."}
	conflictOpts = prometheus.CounterOpts{Name: "zonkeymwi_cseq_conflicts_total",
		Help: "NOTIFYs that a phone refused with 500, for their CSeq was not higher than the last."}
	lookupFailedOpts = prometheus.CounterOpts{Name: "zonkeymwi_lookup_failures_total",
		Help: "Lookups in the database that did not succeed."}
	buildOpts = prometheus.GaugeOpts{Name: "zonkeymwi_build_info",
		Help: "Always 1; the labels say what runs."}
)

// Timed as it happens, by Meter.
var (
	acknowledgedOpts = prometheus.HistogramOpts{Name: "zonkeymwi_event_to_acknowledged_seconds",
		Help:    "From Asterisk's message to a phone's acknowledgement of it.",
		Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}}
	notifyOpts = prometheus.HistogramOpts{Name: "zonkeymwi_notify_seconds",
		Help:    "From a NOTIFY's first packet to its final answer, or to its being given up.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2, 4, 8, 16, 32}}
	lookupOpts = prometheus.HistogramOpts{Name: "zonkeymwi_lookup_seconds",
		Help:    "One lookup in the database, for a batch of mailboxes.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}}
)

// outcomes are the values of the label outcome that are there from the start,
// so that a rate has a zero to rise from.
var outcomes = []string{"acknowledged", "dialog_gone", "cseq_too_low", "try_later", "refused", "no_answer"}

// answersName is 1 when a scrape got a Status, else 0; the gauges are then left out.
const (
	answersName = "zonkeymwi_loop_answers"
	answersHelp = "Whether the bridge's loop answered this scrape: 1 or 0. At 0 the gauges are missing."
)

// gauge is a value of the Status that each scrape asks for.
type gauge struct {
	name, help string
	value      func(s *bridge.Status) float64
}

var gauges = []gauge{
	{"zonkeymwi_ami_connected", "Whether Asterisk's manager interface is connected: 1 or 0.",
		func(s *bridge.Status) float64 { return truth(s.AMI.Connected) }},
	{"zonkeymwi_ami_resync_timestamp_seconds", "When every mailbox was last read, as Unix time; 0: not yet.",
		func(s *bridge.Status) float64 { return unix(s.AMI.Resynced) }},
	{"zonkeymwi_database_ok", "Whether the last lookup succeeded: 1 or 0.",
		func(s *bridge.Status) float64 { return truth(s.Database.OK) }},
	{"zonkeymwi_mailboxes", "Mailboxes known.",
		func(s *bridge.Status) float64 { return float64(s.Mailboxes) }},
	{"zonkeymwi_dialogs", "Their dialogs, live or not, as last looked up.",
		func(s *bridge.Status) float64 { return float64(s.Dialogs) }},
	{"zonkeymwi_dead_dialogs", "Dialogs that are left alone until their row changes.",
		func(s *bridge.Status) float64 { return float64(s.Dead) }},
	{"zonkeymwi_unconverged_mailboxes", "Mailboxes whose state some phone does not show yet, or that wait to be looked at.",
		func(s *bridge.Status) float64 { return float64(s.Unconverged.Mailboxes) }},
	{"zonkeymwi_unconverged_dialogs", "Live dialogs that do not show their mailbox's state yet.",
		func(s *bridge.Status) float64 { return float64(s.Unconverged.Dialogs) }},
	{"zonkeymwi_unconverged_oldest_seconds", "How long the oldest of these has waited; 0: there is none.",
		func(s *bridge.Status) float64 { return age(s.Unconverged.Oldest) }},
	{"zonkeymwi_queued_mailboxes", "Mailboxes that wait to be looked at.",
		func(s *bridge.Status) float64 { return float64(s.Queued) }},
	{"zonkeymwi_in_flight_notifies", "NOTIFYs without their final answer.",
		func(s *bridge.Status) float64 { return float64(s.InFlight) }},
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

func age(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return max(0, time.Since(t).Seconds())
}
