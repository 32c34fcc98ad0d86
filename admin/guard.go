package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// bodyCap is the longest request body, in bytes.
const bodyCap = 16 << 10

// guard lets through what may reach the routes: see each of the checks.
func guard(o Options, loopback bool, open map[string]bool, next http.Handler) http.Handler {
	next = needToken(o.Token, open, next)
	cross := http.NewCrossOriginProtection()
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusForbidden, "another site's page may change nothing here")
	}))
	next = cross.Handler(next)
	if loopback {
		next = needHost(o.Listen, next)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "+
			"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, bodyCap)
		next.ServeHTTP(w, r)
	})
}

// needToken asks for the token on all paths but the open ones. Hashes are
// compared, so that the time taken tells neither the token nor its length.
func needToken(token string, open map[string]bool, next http.Handler) http.Handler {
	if token == "" {
		return next
	}
	want := sha256.Sum256([]byte(token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		got := sha256.Sum256([]byte(strings.TrimSpace(given)))
		ok := subtle.ConstantTimeCompare(got[:], want[:]) == 1 && strings.EqualFold(scheme, "Bearer")
		if !ok && !open[r.URL.Path] {
			w.Header().Set("WWW-Authenticate", `Bearer realm="zonkeymwi"`)
			refuse(w, http.StatusUnauthorized, "the token of admin.token_file is needed: Authorization: Bearer …")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// needHost refuses requests that came by a name which is not this machine's
// own: a site whose name was made to point here (DNS rebinding) would else be
// of one origin with us.
func needHost(listen string, next http.Handler) http.Handler {
	own := hostOf(listen)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := hostOf(r.Host)
		ip, err := netip.ParseAddr(host)
		if host == "" || !strings.EqualFold(host, "localhost") && !strings.EqualFold(host, own) && (err != nil || !ip.IsLoopback()) {
			refuse(w, http.StatusForbidden, "ask by a loopback address or localhost, not by another name")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostOf is the host of host, host:port, [host] or [host]:port.
func hostOf(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.Trim(hostport, "[]")
}
