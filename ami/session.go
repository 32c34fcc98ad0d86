// Package ami is a client of the Asterisk Manager Interface, for what concerns voicemail lamps: it logs in,
// reads every event in order, and asks for the state of mailboxes. Seen against Asterisk 22.
package ami

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Config says where Asterisk is and who we are. Zero durations mean the given defaults.
type Config struct {
	Address, Username, Secret string
	Plain                     bool          // send the secret itself rather than an MD5 answer to a challenge
	TLS                       *tls.Config   // nil: TCP
	DialTimeout               time.Duration // connecting and logging in; 10 s
	ActionTimeout             time.Duration // an action's answer, or a list's next entry; 30 s
	PingInterval              time.Duration // 15 s; a Ping not answered within ActionTimeout ends the session
}

// Handler receives what Asterisk sends. Its functions are called one at a time, in stream order, on the one
// goroutine that reads the socket: they must not block, and must not call Do, Close or the like.
// Nil ones are skipped.
type Handler struct {
	Mailbox   func(Mailbox)   // MessageWaiting events and the entries of Mailboxes
	UserEvent func(UserEvent) // UserEvents, anybody's
	Other     func(Message)   // everything else: FullyBooted, Shutdown, what could not be understood, stray answers
}

// ErrDead ends a session whose peer no longer answers Ping.
var ErrDead = errors.New("no answer to Ping")

var errClosed = fmt.Errorf("session closed: %w", net.ErrClosed)

// Session is one logged-in connection. Its methods may be called from several goroutines.
type Session struct {
	conn    net.Conn
	cfg     Config
	handler Handler
	prefix  string // of our ActionIDs; random, for an event can carry anybody's
	serial  atomic.Uint64
	wmu     sync.Mutex // guards what follows
	unsent  []byte
	writing bool // somebody is; one write at a time
	tasks   sync.WaitGroup
	booted  chan struct{}
	done    chan struct{}

	mu    sync.Mutex
	calls map[string]*call
	err   error // first cause of the end

	// The reader's own.
	fullyBooted bool
	shutdown    string // what a Shutdown event announced
}

// Dial connects, logs in and starts to read, all within DialTimeout. Among its errors are ErrAuth and ErrShuttingDown.
func Dial(ctx context.Context, cfg Config, h Handler) (*Session, error) {
	cfg.DialTimeout = cmp.Or(cfg.DialTimeout, 10*time.Second)
	ctx, cancel := context.WithTimeoutCause(ctx, cfg.DialTimeout, noAnswer(cfg.DialTimeout))
	defer cancel()
	conn, err := connect(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("ami %s: %w", cfg.Address, err)
	}
	s, err := start(ctx, conn, cfg, h)
	if err != nil {
		return nil, fmt.Errorf("ami %s: %w", cfg.Address, err)
	}
	return s, nil
}

func connect(ctx context.Context, cfg Config) (net.Conn, error) {
	if cfg.TLS != nil {
		return (&tls.Dialer{Config: cfg.TLS}).DialContext(ctx, "tcp", cfg.Address)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", cfg.Address)
}

// start takes over conn: it logs in, and closes conn when that does not succeed.
func start(ctx context.Context, conn net.Conn, cfg Config, h Handler) (*Session, error) {
	cfg.ActionTimeout = cmp.Or(cfg.ActionTimeout, 30*time.Second)
	cfg.PingInterval = cmp.Or(cfg.PingInterval, 15*time.Second)
	s := &Session{
		conn: conn, cfg: cfg, handler: h, prefix: rand.Text() + "-",
		calls: map[string]*call{}, booted: make(chan struct{}), done: make(chan struct{}),
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	err := s.login(ctx)
	if !stop() && !errors.Is(err, context.Cause(ctx)) {
		err = context.Cause(ctx) // for which the connection was closed under the login
	}
	if err != nil {
		s.fail(err)
		s.tasks.Wait()
		return nil, err
	}
	s.tasks.Go(s.ping)
	return s, nil
}

// Booted returns nil when Asterisk has said FullyBooted, be the session ended since or not. Before that its answers
// about mailboxes are wrong: logins are accepted while voicemail is not loaded, and counts are 0 with Success.
func (s *Session) Booted(ctx context.Context) error {
	select {
	case <-s.booted:
		return nil
	case <-s.done:
		if s.fullyBooted {
			return nil
		}
		return s.Err()
	case <-ctx.Done():
		return fmt.Errorf("no FullyBooted from Asterisk: it is still starting, or AMI user %q lacks read=system: %w",
			s.cfg.Username, context.Cause(ctx))
	}
}

// Done is closed when the session has ended and the last Handler function has returned.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err says why the session ended; nil while it lasts. It wraps io.EOF when Asterisk closed the connection (and
// then says whether a stop or a restart had been announced), ErrDead, or net.ErrClosed after Close.
func (s *Session) Err() error {
	select {
	case <-s.done:
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.err
	default:
		return nil
	}
}

// Close ends the session. No Handler function runs after it has returned. It may be called again.
func (s *Session) Close() error {
	s.fail(errClosed)
	s.tasks.Wait()
	return nil
}

// fail closes the connection, so that the reader ends, and returns the first cause given.
func (s *Session) fail(err error) error {
	s.mu.Lock()
	if s.err == nil {
		s.err = err
	}
	err = s.err
	s.mu.Unlock()
	s.conn.Close()
	return err
}

// ping finds out when the peer has vanished: without traffic TCP would never tell.
func (s *Session) ping() {
	tick := time.NewTicker(s.cfg.PingInterval)
	defer tick.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-tick.C:
		}
		_, err := s.Do(context.Background(), "Ping")
		if refused := (*ActionError)(nil); err != nil && !errors.As(err, &refused) { // an error answer is an answer
			s.fail(fmt.Errorf("%w: %w", ErrDead, err))
			return
		}
	}
}

// read is the reader goroutine: nothing but the socket makes it wait.
func (s *Session) read(r *reader) {
	defer close(s.done)
	for {
		m, err := r.next()
		if err != nil {
			s.fail(s.ended(err))
			return
		}
		s.dispatch(m)
	}
}

func (s *Session) ended(err error) error {
	switch {
	case s.shutdown != "":
		return fmt.Errorf("%s: %w", s.shutdown, err)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("connection closed by Asterisk: %w", err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("connection closed by Asterisk within a message: %w", err)
	}
	return err
}
