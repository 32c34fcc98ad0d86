package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// The longest that each part of a request may take. An answer's includes the
// 32 s after which a NOTIFY is given up, and a 30 s profile.
const (
	headerTime = 5 * time.Second
	readTime   = 10 * time.Second
	writeTime  = time.Minute
	idleTime   = time.Minute
	closeTime  = time.Second // for requests under way at Close
)

// Server is the admin listener.
type Server struct {
	http   *http.Server
	addr   net.Addr
	cancel context.CancelFunc // ends the requests under way
	served chan struct{}      // closed when the listener is
}

// Start listens. Its errors name admin.listen, or what that needs.
func Start(o Options) (*Server, error) {
	addr, err := net.ResolveTCPAddr("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("admin.listen: %w", err)
	}
	if !addr.IP.IsLoopback() && o.Token == "" {
		return nil, fmt.Errorf("admin.listen: %s is not a loopback address: set admin.token_file", o.Listen)
	}
	l, err := net.ListenTCP("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("admin.listen: %w: is another zonkeymwi running? Stop it, or set another port", err)
	}
	if err != nil {
		return nil, fmt.Errorf("admin.listen: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{addr: l.Addr(), cancel: cancel, served: make(chan struct{}), http: &http.Server{
		Handler:           newHandler(o, addr.IP.IsLoopback()),
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       readTime,
		WriteTimeout:      writeTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          zap.NewStdLog(o.Log.With(zap.String("event", "admin_error"))),
	}}
	go func() {
		defer close(s.served)
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			o.Log.Error("the admin listener ended", zap.String("event", "admin_error"), zap.Error(err))
		}
	}()
	o.Log.Info("admin listens", zap.String("event", "admin_listening"), zap.String("address", s.Addr()))
	return s, nil
}

// Addr is where it listens, host:port.
func (s *Server) Addr() string { return s.addr.String() }

// Close ends the listener, after at most a second for requests under way.
func (s *Server) Close() error {
	ctx, done := context.WithTimeout(context.Background(), closeTime)
	defer done()
	err := s.http.Shutdown(ctx)
	s.cancel()
	if err != nil {
		err = s.http.Close()
	}
	<-s.served
	return err
}
