package admin

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"zonkeymwi/bridge"
)

// How long the bridge may take to answer: from memory, with the database or a
// file, and with the phones (32 s, RFC 3261 Timer F, and what goes before).
const (
	quick       = 2 * time.Second
	lookup      = 10 * time.Second
	transaction = 40 * time.Second
)

// api is the control API, and the probes.
type api struct{ o Options }

func (a *api) status(ctx context.Context, _ *http.Request) (any, error) {
	s, err := a.o.Control.Status(ctx)
	return Status{Status: s, Version: a.o.Version, Received: a.o.Meter.received.Load()}, err
}

func (a *api) user(ctx context.Context, r *http.Request) (any, error) {
	user, domain := r.PathValue("user"), r.PathValue("domain")
	if err := checkUser(user, domain); err != nil {
		return nil, err
	}
	return a.o.Control.User(ctx, user, domain)
}

// notifyRequest is the body of POST notify. Without counts the true state is
// sent.
type notifyRequest struct {
	User   string         `json:"user"`
	Domain string         `json:"domain"`
	Counts *bridge.Counts `json:"counts,omitempty"`
}

func (a *api) notify(ctx context.Context, r *http.Request) (any, error) {
	var q notifyRequest
	if err := read(r, &q); err != nil {
		return nil, err
	}
	if err := checkUser(q.User, q.Domain); err != nil {
		return nil, err
	}
	if q.Counts != nil && q.Counts.Urgent > q.Counts.New {
		return nil, bad("counts.urgent: %d is more than new, which includes it", q.Counts.Urgent)
	}
	return a.o.Control.Notify(ctx, q.User, q.Domain, q.Counts)
}

func (a *api) deliveries(ctx context.Context, r *http.Request) (any, error) {
	limit, err := limitOf(r)
	if err != nil {
		return nil, err
	}
	all, err := a.o.Control.Deliveries(ctx)
	return append([]bridge.Delivery{}, all[:min(limit, len(all))]...), err
}

func (a *api) waiting(ctx context.Context, r *http.Request) (any, error) {
	limit, err := limitOf(r)
	if err != nil {
		return nil, err
	}
	all, err := a.o.Control.Waiting(ctx, limit)
	return append([]bridge.Waiting{}, all...), err
}

func (a *api) reload(ctx context.Context, _ *http.Request) (any, error) {
	done, err := a.o.Control.Reload(ctx)
	if err != nil && ctx.Err() == nil {
		err = &fault{http.StatusUnprocessableEntity, err.Error()}
	}
	return done, err
}

// debugRequest is the body of PUT debug, and its answer.
type debugRequest struct {
	On *bool `json:"on"`
}

func (a *api) debug(_ context.Context, r *http.Request) (any, error) {
	var q debugRequest
	if err := read(r, &q); err != nil {
		return nil, err
	}
	if q.On == nil {
		return nil, bad("on: true or false is wanted")
	}
	a.o.Control.Debug(*q.On)
	return q, nil
}

// maxLimit is how many entries of a list are given at most, unless fewer are
// asked for.
const maxLimit = 1000

func limitOf(r *http.Request) (int, error) {
	text := r.URL.Query().Get("limit")
	if text == "" {
		return maxLimit, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxLimit {
		return 0, bad("limit: %q is not a whole number from 1 to %d", text, maxLimit)
	}
	return n, nil
}

// checkUser refuses what no SIP address holds and no database should be asked.
func checkUser(user, domain string) error {
	for name, value := range map[string]string{"user": user, "domain": domain} {
		switch {
		case value == "":
			return bad("%s: missing", name)
		case len(value) > 255:
			return bad("%s: longer than 255 bytes", name)
		case !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl):
			return bad("%s: has characters that no address has", name)
		}
	}
	return nil
}
