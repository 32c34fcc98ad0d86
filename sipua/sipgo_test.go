package sipua

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
)

// A stack that is not ours, over each transport.
func TestSipgoAnswers(t *testing.T) {
	pool, cert := authority(t, "127.0.0.1")
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	sip.SetDefaultLogger(quiet)
	ua, err := sipgo.NewUA()
	if err != nil {
		t.Fatal(err)
	}
	srv, err := sipgo.NewServer(ua, sipgo.WithServerLogger(quiet))
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var seen []string
	srv.OnNotify(func(req *sip.Request, tx sip.ServerTransaction) {
		mu.Lock()
		seen = append(seen, req.Transport()+" "+string(req.Body()))
		mu.Unlock()
		_ = tx.Respond(sip.NewResponseFromRequest(req, sip.StatusOK, "OK", nil))
	})
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	plain := listen(t, "127.0.0.1:0")
	secure := tls.NewListener(listen(t, "127.0.0.1:0"), &tls.Config{Certificates: []tls.Certificate{cert}})
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.ServeUDP(pc) })
	wg.Go(func() { _ = srv.ServeTCP(plain) })
	wg.Go(func() { _ = srv.ServeTLS(secure) })
	t.Cleanup(func() {
		srv.Close()
		ua.Close()
		pc.Close()
		plain.Close()
		secure.Close()
		wg.Wait()
	})
	for transport, addr := range map[string]net.Addr{"UDP": pc.LocalAddr(), "TCP": plain.Addr(), "TLS": secure.Addr()} {
		u := client(t, addr.String()+";transport="+strings.ToLower(transport), Config{TLS: &tls.Config{RootCAs: pool}})
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		o := u.Do(ctx, notify("sip:a@127.0.0.1", 5))
		cancel()
		if want(t, o, Acknowledged, 200); o.Reason != "OK" {
			t.Error(o.Reason)
		}
		mu.Lock()
		if last := seen[len(seen)-1]; last != transport+" xxxxx" {
			t.Errorf("%s: it saw %q", transport, last)
		}
		mu.Unlock()
	}
}
