// Package admin is what operators see of a running bridge: probes, metrics, a
// control API with its client, and a status page, all on one HTTP listener.
package admin

import (
	"context"
	"net/http"

	"go.uber.org/zap"

	"zonkeymwi/bridge"
)

// Control is the bridge, as far as operators may ask and command it. Each
// method returns when ctx ends; an error says that the bridge's loop or the
// database did not answer, and is shown to the operator as it is.
type Control interface {
	Status(ctx context.Context) (bridge.Status, error)
	User(ctx context.Context, user, domain string) (bridge.User, error)
	// Notify sends counts to the user's phones, or with nil what the mailbox
	// holds. It returns when each phone has answered or is given up.
	Notify(ctx context.Context, user, domain string, counts *bridge.Counts) (bridge.Resent, error)
	Deliveries(ctx context.Context) ([]bridge.Delivery, error)        // newest first
	Waiting(ctx context.Context, limit int) ([]bridge.Waiting, error) // unconverged, oldest first
	Reload(ctx context.Context) (Reloaded, error)                     // an error: nothing has changed
	Debug(on bool)                                                    // whole NOTIFYs in the log
}

// Reloaded tells which changed settings a reload put to work, and which wait
// for a restart.
type Reloaded struct {
	Applied     []string `json:"applied"`
	NeedRestart []string `json:"need_restart"`
}

// Status is the bridge's, with what the program knows beside it.
type Status struct {
	bridge.Status
	Version  string `json:"version"`
	Received uint64 `json:"received"` // AMI messages about a mailbox, since the start
}

// Options is what a Server is made of. Token may be empty where Listen is a
// loopback address; all else is needed.
type Options struct {
	Listen  string // host:port
	Token   string // of "Authorization: Bearer"
	Control Control
	Level   http.Handler // the log's level: a zap.AtomicLevel
	Meter   *Meter
	Version string
	Pprof   bool // serve /debug/pprof/
	Log     *zap.Logger
}
