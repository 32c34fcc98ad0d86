package admin

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

func start(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestStartRefuses(t *testing.T) {
	taken := start(t, options(well())).Addr()
	for listen, want := range map[string]string{
		"0.0.0.0:0": "admin.listen: 0.0.0.0:0 is not a loopback address: set admin.token_file",
		":0":        "set admin.token_file",
		"[::]:0":    "set admin.token_file",
		"127.0.0.1": "admin.listen: ",
		taken:       "admin.listen: ",
	} {
		o := options(well())
		o.Listen = listen
		s, err := Start(o)
		if err == nil {
			_ = s.Close()
			t.Errorf("%s was taken", listen)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", listen, err)
		}
	}
}

// A slow question does not hold Close up for long, nor does it outlive it.
func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	f := &slow{fake: well(), asked: make(chan struct{})}
	o := options(f.fake)
	o.Control = f
	s := start(t, o)
	answered := make(chan error, 1)
	go func() {
		_, err := NewClient(s.Addr(), "").User(context.Background(), "202", "example.com")
		answered <- err
	}()
	<-f.asked
	begin := time.Now()
	_ = s.Close()
	if took := time.Since(begin); took > 3*closeTime {
		t.Errorf("Close took %v", took)
	}
	if err := <-answered; err == nil {
		t.Error("the question was answered")
	}
}

// A request that is never finished is cut off, by ReadHeaderTimeout.
func TestTimeoutsAreSet(t *testing.T) {
	h := start(t, options(well())).http
	if h.ReadHeaderTimeout == 0 || h.ReadTimeout == 0 || h.WriteTimeout <= transaction || h.IdleTimeout == 0 {
		t.Errorf("%v %v %v %v", h.ReadHeaderTimeout, h.ReadTimeout, h.WriteTimeout, h.IdleTimeout)
	}
}

// A pod's probe comes by the pod's own address.
func TestAnyHostWhereNotLoopback(t *testing.T) {
	o := options(well())
	o.Token = "s3cret"
	r := request("GET", "/live", "")
	r.Host = "192.0.2.7:9742"
	w := &codeOnly{header: http.Header{}}
	newHandler(o, false).ServeHTTP(w, r)
	if w.code != 200 {
		t.Error(w.code)
	}
}

type codeOnly struct {
	header http.Header
	code   int
}

func (c *codeOnly) Header() http.Header            { return c.header }
func (c *codeOnly) Write(text []byte) (int, error) { return len(text), nil }
func (c *codeOnly) WriteHeader(code int)           { c.code = code }
