package admin

import (
	"context"
	"net/http"
	"time"

	"zonkeymwi/bridge"
)

// alive is how long the loop may take to answer a probe.
const alive = time.Second

// startup says that the process serves. It never waits for Asterisk: as a
// native sidecar the bridge starts first, and Asterisk only after this answer.
func (a *api) startup(context.Context, *http.Request) (any, error) {
	return map[string]bool{"started": true}, nil
}

// live says that the loop turns. It does not depend on Asterisk, the database
// or the proxy: a restart of the bridge would mend none of them.
func (a *api) live(ctx context.Context, _ *http.Request) (any, error) {
	_, err := a.o.Control.Status(ctx)
	return map[string]bool{"live": true}, err
}

// readiness is the answer of /ready.
type readiness struct {
	Ready      bool        `json:"ready"`
	Conditions []condition `json:"conditions"`
}

// condition is one thing that the bridge needs for its work.
type condition struct {
	Name  string    `json:"name"` // bridge, ami, resync or database
	OK    bool      `json:"ok"`
	Since time.Time `json:"since,omitzero"` // of OK being as it is
	Error string    `json:"error,omitempty"`
}

// ready is 503 while one condition is not met, with the same body.
func (a *api) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), alive)
	defer cancel()
	answer := readiness{Ready: true}
	if s, err := a.o.Control.Status(ctx); err != nil {
		_, text := explain(err, alive)
		answer.Conditions = []condition{{Name: "bridge", Error: text}}
	} else {
		answer.Conditions = conditions(&s)
	}
	code := http.StatusOK
	for _, c := range answer.Conditions {
		if !c.OK {
			answer.Ready, code = false, http.StatusServiceUnavailable
		}
	}
	reply(w, code, answer)
}

func conditions(s *bridge.Status) []condition {
	ami := condition{Name: "ami", OK: s.AMI.Connected && s.AMI.Booted, Since: s.AMI.Since}
	if !ami.OK {
		ami.Error = either(s.AMI.Error, s.AMI.Connected, "Asterisk has not said FullyBooted yet", "not connected yet")
	}
	resync := condition{Name: "resync", OK: !s.AMI.Resynced.IsZero(), Since: s.AMI.Resynced}
	if !resync.OK {
		resync.Since, resync.Error = s.Started, "the mailboxes were not all read yet"
	}
	// Where Asterisk has no mailbox, there is nothing to look up.
	idle := s.Mailboxes == 0 && s.Database.Since.IsZero()
	database := condition{Name: "database", OK: s.Database.OK || idle, Since: s.Database.Since}
	if !database.OK {
		database.Error = either(s.Database.Error, s.Database.Since.IsZero(), "nothing was looked up yet", "the last lookup did not succeed")
	}
	return []condition{ami, resync, database}
}

// either is text, or where that is empty one of two others.
func either(text string, first bool, yes, no string) string {
	switch {
	case text != "":
		return text
	case first:
		return yes
	}
	return no
}

// openRoutes are the paths that need no token: probes, and the page's files.
func (a *api) openRoutes() map[string]http.HandlerFunc {
	routes := map[string]http.HandlerFunc{
		"/startup": ask(alive, a.startup),
		"/live":    ask(alive, a.live),
		"/ready":   a.ready,
	}
	for _, name := range pageFiles() {
		routes["/"+name] = serveFile(name)
	}
	return routes
}
