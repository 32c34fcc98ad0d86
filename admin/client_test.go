package admin

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"zonkeymwi/bridge"
)

// slow never answers a User.
type slow struct {
	*fake
	asked chan struct{}
}

func (s *slow) User(ctx context.Context, _, _ string) (bridge.User, error) {
	close(s.asked)
	<-ctx.Done()
	return bridge.User{}, ctx.Err()
}

func TestClientAsksServer(t *testing.T) {
	f := well()
	f.users = map[string]bridge.User{"a/b@example.com": {User: "a/b", Domain: "example.com", Holds: &bridge.Counts{New: 2}, Why: []string{"all is well"}}}
	f.list = []bridge.Delivery{{ID: "K7QAD-2f", Time: time.Unix(1700000000, 0).UTC(), Outcome: "acknowledged", Seconds: .25}}
	f.wait = []bridge.Waiting{{User: "202@example.com", Since: time.Unix(1700000000, 0).UTC()}}
	o := options(f)
	o.Token = "s3cret"
	c, ctx := NewClient(start(t, o).Addr(), "s3cret"), t.Context()

	s, err := c.Status(ctx)
	if err != nil || s.Mailboxes != 1840 || s.Version != "1.2.3" || !s.AMI.Since.Equal(f.status.AMI.Since) {
		t.Error(s, err)
	}
	u, err := c.User(ctx, "a/b", "example.com")
	if err != nil || !reflect.DeepEqual(u, f.users["a/b@example.com"]) {
		t.Error(u, err)
	}
	r, err := c.Notify(ctx, "202", "example.com", &bridge.Counts{New: 3, Old: 5})
	if err != nil || r.Delivered != 1 || len(r.Results) != 2 || *f.sent[0].Counts != (bridge.Counts{New: 3, Old: 5}) {
		t.Error(r, err)
	}
	if _, err := c.Notify(ctx, "202", "example.com", nil); err != nil || f.sent[1].Counts != nil {
		t.Error(err, f.sent)
	}
	d, err := c.Deliveries(ctx)
	if err != nil || !reflect.DeepEqual(d, f.list) {
		t.Error(d, err)
	}
	w, err := c.Waiting(ctx, 10)
	if err != nil || !reflect.DeepEqual(w, f.wait) {
		t.Error(w, err)
	}
	reloaded, err := c.Reload(ctx)
	if err != nil || reloaded.Applied[0] != "sip.rate" || reloaded.NeedRestart[0] != "ami.address" {
		t.Error(reloaded, err)
	}
	if err := c.Debug(ctx, true); err != nil || !f.debug {
		t.Error(err)
	}
	if err := c.SetLevel(ctx, "debug"); err != nil {
		t.Error(err)
	}
	if level, err := c.Level(ctx); err != nil || level != "debug" {
		t.Error(level, err)
	}
}

func TestClientErrorsAreInPlainWords(t *testing.T) {
	f := well()
	f.err = errDown
	o := options(f)
	o.Token = "s3cret"
	addr := start(t, o).Addr()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	_ = closed.Close()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }))
	defer other.Close()
	cut := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer cut.Close()
	strange := other.Listener.Addr().String()

	for _, c := range []struct{ addr, token, want string }{
		{nobody, "", "no bridge answers at " + nobody + ": is it running? (connection refused)"},
		{addr, "", "the bridge at " + addr + " wants a token: set admin.token_file"},
		{addr, "wrong", "the token was refused: admin.token_file"},
		{addr, "s3cret", errDown.Error()},
		{strange, "", "what answers at " + strange + " is no zonkeymwi, or one of another version (200 OK): admin.listen"},
		{cut.Listener.Addr().String(), "", "the bridge at " + cut.Listener.Addr().String() + " broke off: EOF"},
		{"127.0.0.1:no", "", "admin.listen: "},
	} {
		_, err := NewClient(c.addr, c.token).Status(t.Context())
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s with %q: %v, want %s", c.addr, c.token, err, c.want)
		}
	}
	if _, err := NewClient(addr, "s3cret").User(t.Context(), "", "example.com"); err == nil || err.Error() != "user: missing" {
		t.Error(err)
	}
}

func TestClientSaysThatTimeIsUp(t *testing.T) {
	f := &slow{fake: well(), asked: make(chan struct{})}
	o := options(f.fake)
	o.Control = f
	s := start(t, o)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := NewClient(s.Addr(), "").User(ctx, "202", "example.com")
	if want := "the bridge at " + s.Addr() + " does not answer in time"; err == nil || err.Error() != want {
		t.Error(err)
	}
}

func TestClientOfAnEveryAddressListener(t *testing.T) {
	for listen, want := range map[string]string{
		"0.0.0.0:9742": "127.0.0.1:9742", ":9742": "127.0.0.1:9742", "[::]:9742": "[::1]:9742",
		"127.0.0.1:9742": "127.0.0.1:9742", "localhost:9742": "localhost:9742",
	} {
		if got := NewClient(listen, "").addr; got != want {
			t.Errorf("%s: %s", listen, got)
		}
	}
}
