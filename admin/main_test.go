package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"zonkeymwi/bridge"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a bridge that answers what it is told to.
type fake struct {
	mu       sync.Mutex
	status   bridge.Status
	users    map[string]bridge.User // by user@domain
	sent     []notifyRequest
	list     []bridge.Delivery
	wait     []bridge.Waiting
	debug    bool
	stuck    bool  // Status waits for ctx
	err      error // of everything
	meanders func(*bridge.Status)
}

func (f *fake) Status(ctx context.Context) (bridge.Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stuck {
		<-ctx.Done()
		return bridge.Status{}, ctx.Err()
	}
	if f.meanders != nil {
		f.meanders(&f.status)
	}
	return f.status, f.err
}

func (f *fake) User(_ context.Context, user, domain string) (bridge.User, error) {
	u, ok := f.users[user+"@"+domain]
	if !ok {
		u = bridge.User{User: user, Domain: domain, Why: []string{"Asterisk never spoke of this mailbox."}}
	}
	return u, f.err
}

func (f *fake) Notify(_ context.Context, user, domain string, counts *bridge.Counts) (bridge.Resent, error) {
	f.sent = append(f.sent, notifyRequest{user, domain, counts})
	return bridge.Resent{Mailbox: user + "@" + domain, Dialogs: 2, Delivered: 1, Failed: 1,
		Results: []bridge.Delivery{{Outcome: "acknowledged", Status: 200}, {Outcome: "dialog_gone", Status: 481}}}, f.err
}

func (f *fake) Deliveries(context.Context) ([]bridge.Delivery, error) { return f.list, f.err }

func (f *fake) Waiting(_ context.Context, limit int) ([]bridge.Waiting, error) {
	return f.wait[:min(limit, len(f.wait))], f.err
}

func (f *fake) Reload(context.Context) (Reloaded, error) {
	return Reloaded{Applied: []string{"sip.rate"}, NeedRestart: []string{"ami.address"}}, f.err
}

func (f *fake) Debug(on bool) { f.debug = on }

var errDown = errors.New("the database does not answer: connection refused")

// well is a bridge at work, with nothing wrong.
func well() *fake {
	now := time.Now()
	return &fake{status: bridge.Status{
		Started:   now.Add(-26 * time.Hour),
		AMI:       bridge.AMIStatus{Address: "127.0.0.1:5038", Connected: true, Booted: true, Since: now.Add(-3 * time.Hour), Resynced: now.Add(-3 * time.Hour)},
		Database:  bridge.DatabaseStatus{OK: true, Since: now.Add(-26 * time.Hour)},
		Mailboxes: 1840, Dialogs: 2711, Dead: 12,
		Outcomes: map[string]uint64{"acknowledged": 48211, "no_answer": 31, "dialog_gone": 207},
	}}
}

func options(f *fake) Options {
	return Options{Listen: "127.0.0.1:0", Control: f, Level: zap.NewAtomicLevel(), Meter: NewMeter("1.2.3"), Version: "1.2.3", Log: zap.NewNop()}
}

// serve asks a handler one question, as from this machine.
func serve(o Options, r *http.Request) *httptest.ResponseRecorder {
	if r.Host == "example.com" { // httptest's own
		r.Host = "127.0.0.1:9742"
	}
	w := httptest.NewRecorder()
	newHandler(o, true).ServeHTTP(w, r)
	return w
}

func request(method, path, body string) *http.Request {
	var b io.Reader
	if body != "" {
		b = strings.NewReader(body)
	}
	return httptest.NewRequest(method, path, b)
}

// errorOf is the text of an error answer.
func errorOf(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var said map[string]string
	if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || len(said) != 1 {
		t.Fatalf("%d %q is no JSON error", w.Code, w.Body)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q", got)
	}
	return said["error"]
}
