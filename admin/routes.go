package admin

import (
	"maps"
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"

	"go.uber.org/zap"
)

// methods are the handlers of one path, by HTTP method.
type methods map[string]http.HandlerFunc

func newHandler(o Options, loopback bool) http.Handler {
	a := &api{o}
	routes := map[string]methods{
		"/metrics":                      {"GET": metricsHandler(o.Meter, o.Control).ServeHTTP},
		"/api/v1/status":                {"GET": ask(quick, a.status)},
		"/api/v1/users/{domain}/{user}": {"GET": ask(lookup, a.user)},
		"/api/v1/deliveries":            {"GET": ask(quick, a.deliveries)},
		"/api/v1/waiting":               {"GET": ask(quick, a.waiting)},
		"/api/v1/notify":                {"POST": ask(transaction, a.notify)},
		"/api/v1/reload":                {"POST": ask(lookup, a.reload)},
		"/api/v1/debug":                 {"PUT": ask(quick, a.debug)},
		"/api/v1/level":                 {"GET": asJSON(o.Level), "PUT": asJSON(o.Level)},
	}
	if o.Pprof {
		maps.Copy(routes, profiles())
	}
	open := map[string]bool{"/": true}
	for path, handler := range a.openRoutes() {
		open[path] = true
		routes[path] = methods{"GET": handler}
	}
	routes["/{$}"] = methods{"GET": serveFile("page.html")}
	routes["/"] = nil // all other paths

	mux := http.NewServeMux()
	for path, m := range routes {
		mux.Handle(path, m.handler(o.Log))
	}
	return guard(o, loopback, open, mux)
}

// asJSON gives zap's answers the type that they lack.
func asJSON(next http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		next.ServeHTTP(w, r)
	}
}

// profiles are Go's own: CPU, heap, goroutines and so on.
func profiles() map[string]methods {
	return map[string]methods{
		"/debug/pprof/":        {"GET": pprof.Index},
		"/debug/pprof/cmdline": {"GET": pprof.Cmdline},
		"/debug/pprof/profile": {"GET": pprof.Profile},
		"/debug/pprof/symbol":  {"GET": pprof.Symbol, "POST": pprof.Symbol},
		"/debug/pprof/trace":   {"GET": pprof.Trace},
	}
}

// handler finds the method's handler, and logs what was asked to be changed.
func (m methods) handler(log *zap.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		do := m[method]
		switch {
		case m == nil:
			refuse(w, http.StatusNotFound, "there is nothing at this path")
			return
		case do == nil:
			allowed := strings.Join(slices.Sorted(maps.Keys(m)), ", ")
			w.Header().Set("Allow", allowed)
			refuse(w, http.StatusMethodNotAllowed, "this path takes "+allowed)
			return
		}
		if method != http.MethodGet {
			log.Info("an operator asks", zap.String("event", "admin_request"), zap.String("method", r.Method),
				zap.String("path", r.URL.Path), zap.String("remote", r.RemoteAddr))
		}
		do(w, r)
	}
}
