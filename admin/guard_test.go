package admin

import (
	"net/http"
	"strings"
	"testing"
)

func TestToken(t *testing.T) {
	o := options(well())
	o.Token = "s3cret"
	o.Pprof = true
	ask := func(path, authorization string) int {
		r := request("GET", path, "")
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		w := serve(o, r)
		if strings.Contains(w.Body.String(), o.Token) {
			t.Errorf("%s tells the token", path)
		}
		if w.Code == http.StatusUnauthorized {
			if w.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%s: no WWW-Authenticate", path)
			}
			errorOf(t, w)
		}
		return w.Code
	}
	for _, path := range []string{"/startup", "/live", "/ready", "/", "/page.js", "/page.css"} {
		if code := ask(path, ""); code != 200 {
			t.Errorf("%s without the token: %d", path, code)
		}
	}
	for _, path := range []string{"/metrics", "/api/v1/status", "/api/v1/users/d/1", "/api/v1/level", "/debug/pprof/", "/debug/pprof/heap"} {
		for _, wrong := range []string{"", "Bearer", "Bearer ", "Bearer s3cre", "Bearer s3crets", "Basic s3cret", "s3cret"} {
			if code := ask(path, wrong); code != 401 {
				t.Errorf("%s with %q: %d", path, wrong, code)
			}
		}
		for _, right := range []string{"Bearer s3cret", "bearer s3cret"} {
			if code := ask(path, right); code != 200 {
				t.Errorf("%s with the token: %d", path, code)
			}
		}
	}
	if code := ask("/nowhere", ""); code != 401 {
		t.Error("an unknown path without the token:", code)
	}
}

func TestAnotherSiteMayNotWrite(t *testing.T) {
	for _, c := range []struct {
		header, value string
		code          int
	}{
		{"Sec-Fetch-Site", "cross-site", 403},
		{"Sec-Fetch-Site", "same-site", 403},
		{"Origin", "http://evil.example", 403},
		{"Origin", "null", 403},
		{"Origin", "http://127.0.0.1:9742", 200},
		{"Sec-Fetch-Site", "same-origin", 200},
		{"User-Agent", "curl", 200},
	} {
		for _, q := range []struct{ method, path, body string }{
			{"POST", "/api/v1/notify", `{"user":"202","domain":"d"}`},
			{"POST", "/api/v1/reload", ""},
			{"PUT", "/api/v1/debug", `{"on":true}`},
			{"PUT", "/api/v1/level", `{"level":"debug"}`},
		} {
			f := well()
			r := request(q.method, q.path, q.body)
			r.Header.Set(c.header, c.value)
			w := serve(options(f), r)
			if w.Code != c.code {
				t.Errorf("%s %s with %s: %s: %d %s", q.method, q.path, c.header, c.value, w.Code, w.Body)
			}
			if c.code == 403 && (f.debug || f.sent != nil) {
				t.Errorf("%s was carried out", q.path)
			}
		}
	}
}

func TestAnotherNameIsRefused(t *testing.T) {
	for host, code := range map[string]int{
		"127.0.0.1:9742": 200, "127.0.0.1": 200, "127.8.8.8:9742": 200, "localhost:9742": 200, "LOCALHOST": 200, "[::1]:9742": 200, "[::1]": 200,
		"evil.example:9742": 403, "evil.example": 403, "192.0.2.1:9742": 403, "127.0.0.1.evil.example": 403, "localhost.evil.example": 403, "": 403,
	} {
		for _, path := range []string{"/api/v1/status", "/", "/metrics"} {
			r := request("GET", path, "")
			r.Host = host
			if w := serve(options(well()), r); w.Code != code {
				t.Errorf("%s of host %q: %d, want %d", path, host, w.Code, code)
			}
		}
	}
}

func TestHeadersOfEveryAnswer(t *testing.T) {
	for _, path := range []string{"/", "/page.js", "/api/v1/status", "/nowhere", "/metrics", "/ready"} {
		h := serve(options(well()), request("GET", path, "")).Header()
		csp := h.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: the policy %q lacks %s", path, csp, want)
			}
		}
		if strings.Contains(csp, "unsafe") || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: headers %v", path, h)
		}
	}
}
