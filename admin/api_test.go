package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"zonkeymwi/bridge"
)

func TestRoutesAnswer(t *testing.T) {
	f := well()
	f.list = []bridge.Delivery{{ID: "K7QAD-2f"}, {ID: "K7QAD-2e"}}
	f.wait = []bridge.Waiting{{User: "202@example.com"}, {User: "203@example.com"}}
	o := options(f)
	o.Pprof = true
	for _, c := range []struct{ method, path, body, want string }{
		{"GET", "/startup", "", `{"started":true}`},
		{"GET", "/live", "", `{"live":true}`},
		{"GET", "/ready", "", `"ready":true`},
		{"GET", "/metrics", "", "zonkeymwi_mailboxes 1840"},
		{"GET", "/", "", "<title>zonkeymwi</title>"},
		{"GET", "/page.js", "", "import"},
		{"GET", "/page.css", "", "color-scheme"},
		{"GET", "/icon.svg", "", "<svg"},
		{"GET", "/api/v1/status", "", `"version":"1.2.3"`},
		{"GET", "/api/v1/users/example.com/202", "", `"user":"202","domain":"example.com"`},
		{"GET", "/api/v1/users/example.com/a%2Fb%20%3C", "", `"user":"a/b \u003c"`},
		{"GET", "/api/v1/deliveries", "", "K7QAD-2e"},
		{"GET", "/api/v1/waiting", "", "203@example.com"},
		{"POST", "/api/v1/notify", `{"user":"202","domain":"example.com","counts":{"new":3,"old":5,"urgent":1}}`, `"delivered":1`},
		{"POST", "/api/v1/notify", `{"user":"202","domain":"example.com"}`, `"failed":1`},
		{"POST", "/api/v1/reload", "", `{"applied":["sip.rate"],"need_restart":["ami.address"]}`},
		{"PUT", "/api/v1/debug", `{"on":true}`, `{"on":true}`},
		{"GET", "/api/v1/level", "", `{"level":"info"}`},
		{"PUT", "/api/v1/level", `{"level":"warn"}`, `{"level":"warn"}`},
		{"GET", "/debug/pprof/", "", "goroutine"},
		{"GET", "/debug/pprof/heap?debug=1", "", "heap profile"},
	} {
		w := serve(o, request(c.method, c.path, c.body))
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s %s: %d %.300s", c.method, c.path, w.Code, w.Body)
		}
	}
	if !f.debug {
		t.Error("debug was not turned on")
	}
	if got := o.Level.(zap.AtomicLevel).Level(); got != zapcore.WarnLevel {
		t.Error("level is", got)
	}
	want := []notifyRequest{{"202", "example.com", &bridge.Counts{New: 3, Old: 5, Urgent: 1}}, {"202", "example.com", nil}}
	if fmt.Sprint(f.sent[0].Counts, f.sent[1].Counts) != fmt.Sprint(want[0].Counts, want[1].Counts) || len(f.sent) != 2 {
		t.Errorf("sent %+v", f.sent)
	}
}

func TestRoutesRefuse(t *testing.T) {
	long := `{"user":"` + strings.Repeat("a", bodyCap) + `"}`
	for _, c := range []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"GET", "/nowhere", "", 404, "there is nothing at this path"},
		{"GET", "/api/v1/users/example.com", "", 404, "there is nothing at this path"},
		{"GET", "/debug/pprof/", "", 404, "there is nothing at this path"},
		{"POST", "/api/v1/status", "", 405, "this path takes GET"},
		{"GET", "/api/v1/notify", "", 405, "this path takes POST"},
		{"DELETE", "/api/v1/level", "", 405, "this path takes GET, PUT"},
		{"POST", "/live", "", 405, "this path takes GET"},
		{"POST", "/", "", 405, "this path takes GET"},
		{"POST", "/api/v1/notify", "", 400, "the body is empty: a JSON object is wanted"},
		{"POST", "/api/v1/notify", "{", 400, "the body: unexpected EOF"},
		{"POST", "/api/v1/notify", "new=3", 400, "the body: invalid character"},
		{"POST", "/api/v1/notify", "[]", 400, "the body: array is not what belongs here"},
		{"POST", "/api/v1/notify", long, 413, "the body is longer than 16384 bytes"},
		{"POST", "/api/v1/notify", `{"user":"202","domain":"d","colour":1}`, 400, `the body: unknown field "colour"`},
		{"POST", "/api/v1/notify", `{"user":"202","domain":"d"} {}`, 400, "the body goes on after the JSON object"},
		{"POST", "/api/v1/notify", `{"domain":"d"}`, 400, "user: missing"},
		{"POST", "/api/v1/notify", `{"user":"202"}`, 400, "domain: missing"},
		{"POST", "/api/v1/notify", `{"user":"2\r\n02","domain":"d"}`, 400, "user: has characters that no address has"},
		{"POST", "/api/v1/notify", `{"user":202,"domain":"d"}`, 400, "user: number is not what belongs here"},
		{"POST", "/api/v1/notify", `{"user":"202","domain":"d","counts":{"new":-1}}`, 400, "counts.new: -1 is not a whole number from 0 to 4294967295"},
		{"POST", "/api/v1/notify", `{"user":"202","domain":"d","counts":{"old":4294967296}}`, 400, "counts.old: 4294967296 is not"},
		{"POST", "/api/v1/notify", `{"user":"202","domain":"d","counts":{"old":1.5}}`, 400, "counts.old: 1.5 is not"},
		{"POST", "/api/v1/notify", `{"user":"202","domain":"d","counts":{"old":"many"}}`, 400, "counts.old: string is not"},
		{"POST", "/api/v1/notify", `{"user":"202","domain":"d","counts":{"new":1,"urgent":2}}`, 400, "counts.urgent: 2 is more than new"},
		{"GET", "/api/v1/users/d/" + strings.Repeat("a", 256), "", 400, "user: longer than 255 bytes"},
		{"GET", "/api/v1/users/d%00/202", "", 400, "domain: has characters that no address has"},
		{"GET", "/api/v1/users/d/%ff", "", 400, "user: has characters that no address has"},
		{"PUT", "/api/v1/debug", `{}`, 400, "on: true or false is wanted"},
		{"PUT", "/api/v1/level", `{"level":"loud"}`, 400, `unrecognized level: "loud"`},
		{"GET", "/api/v1/waiting?limit=0", "", 400, `limit: "0" is not a whole number from 1 to 1000`},
		{"GET", "/api/v1/deliveries?limit=x", "", 400, `limit: "x" is not`},
	} {
		f := well()
		w := serve(options(f), request(c.method, c.path, c.body))
		if got := errorOf(t, w); w.Code != c.code || !strings.Contains(got, c.want) {
			t.Errorf("%s %s %.60s: %d %q, want %d %q", c.method, c.path, c.body, w.Code, got, c.code, c.want)
		}
		if f.sent != nil || f.debug {
			t.Errorf("%s %s %.60s reached the bridge", c.method, c.path, c.body)
		}
	}
}

func TestErrorsOfTheBridgeAreShown(t *testing.T) {
	f := well()
	f.err = errDown
	for path, code := range map[string]int{"status": 503, "users/d/1": 503, "deliveries": 503, "waiting": 503} {
		w := serve(options(f), request("GET", "/api/v1/"+path, ""))
		if got := errorOf(t, w); w.Code != code || got != errDown.Error() {
			t.Errorf("%s: %d %q", path, w.Code, got)
		}
	}
	w := serve(options(f), request("POST", "/api/v1/reload", ""))
	if got := errorOf(t, w); w.Code != http.StatusUnprocessableEntity || got != errDown.Error() {
		t.Errorf("reload: %d %q", w.Code, got)
	}
}

func TestListsAreCutAndNeverNull(t *testing.T) {
	f := well()
	f.list = slices.Repeat([]bridge.Delivery{{ID: "x"}}, 5)
	f.wait = slices.Repeat([]bridge.Waiting{{User: "x"}}, 5)
	for path, want := range map[string]int{"deliveries?limit=2": 2, "waiting?limit=3": 3, "deliveries": 5} {
		w := serve(options(f), request("GET", "/api/v1/"+path, ""))
		var got []any
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || len(got) != want {
			t.Errorf("%s: %d entries, want %d (%v)", path, len(got), want, err)
		}
	}
	w := serve(options(well()), request("GET", "/api/v1/deliveries", ""))
	if got := strings.TrimSpace(w.Body.String()); got != "[]" {
		t.Error("no deliveries:", got)
	}
}

func TestReceivedIsTheMeters(t *testing.T) {
	o := options(well())
	o.Meter.Received()
	w := serve(o, request("GET", "/api/v1/status", ""))
	if !strings.Contains(w.Body.String(), `"received":1`) {
		t.Error(w.Body)
	}
}
