package ami

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestLoginFailures(t *testing.T) {
	answer := func(name string) func(*server) {
		return func(s *server) {
			s.expect("Action: Challenge")
			s.send("Response: Success\r\nActionID: $id\r\nChallenge: 1\r\n\r\n")
			s.expect("Action: Login")
			s.send(strings.ReplaceAll(capture(t, name), "login-1", "$id"))
		}
	}
	for name, c := range map[string]struct {
		script func(*server)
		is     error
		text   string
	}{
		"wrong secret":   {answer("login-failure"), ErrAuth, "permit and deny"},
		"already in use": {answer("login-already-in-use"), nil, `"Login Already In Use"`},
		"shutting down": {func(s *server) {
			s.expect("Action: Challenge")
			s.send("Response: Error\r\nActionID: $id\r\nMessage: Asterisk is shutting down\r\n\r\n")
		}, ErrShuttingDown, "Challenge"},
		"closed at once":  {func(s *server) { s.expect("Action: Challenge") }, io.EOF, "closed by Asterisk"},
		"closed mid-line": {func(s *server) { s.expect(); s.send("Response: Succ") }, io.ErrUnexpectedEOF, "within a message"},
	} {
		t.Run(name, func(t *testing.T) {
			address := listen(t, c.script)
			_, err := Dial(t.Context(), config(address), Handler{})
			var refused *ActionError
			if c.is == nil && !errors.As(err, &refused) || c.is != nil && !errors.Is(err, c.is) {
				t.Fatalf("%v is no %v", err, c.is)
			}
			if errors.Is(err, ErrAuth) != (c.is == ErrAuth) {
				t.Errorf("%v: is it an authentication failure?", err)
			}
			if !strings.Contains(err.Error(), c.text) || !strings.Contains(err.Error(), address) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("text: %v", err)
			}
		})
	}
}

func TestPlainLogin(t *testing.T) {
	address := listen(t, func(s *server) {
		s.expect("Action: Login", "Secret: s3cret", "Username: bridge")
		s.send("Response: Success\r\nActionID: $id\r\nMessage: Authentication accepted\r\n\r\n" + booted)
		s.untilClosed()
	})
	cfg := config(address)
	cfg.Plain = true
	s, err := Dial(t.Context(), cfg, Handler{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Booted(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestTLS(t *testing.T) {
	lender := httptest.NewTLSServer(nil) // of its certificate
	defer lender.Close()
	trusting := lender.Client().Transport.(*http.Transport).TLSClientConfig
	for name, trust := range map[string]*tls.Config{"trusted": trusting, "untrusted": {}} {
		t.Run(name, func(t *testing.T) {
			l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: lender.TLS.Certificates})
			if err != nil {
				t.Fatal(err)
			}
			play(t, l, func(s *server) {
				if name == "trusted" {
					s.login()
				}
				s.untilClosed()
			})
			cfg := config(l.Addr().String())
			cfg.TLS = trust
			s, err := Dial(t.Context(), cfg, Handler{})
			var unknown *tls.CertificateVerificationError
			if (name == "trusted") != (err == nil) || err != nil && !errors.As(err, &unknown) {
				t.Fatal(err)
			}
			if err == nil {
				s.Close()
			}
		})
	}
}

// A secret that would break out of its line is refused before it is sent, and is not in the error.
func TestSecretWithLineEnd(t *testing.T) {
	address := listen(t, func(s *server) { s.untilClosed() })
	cfg := config(address)
	cfg.Plain, cfg.Secret = true, "hush\r\nAction: Originate"
	if _, err := Dial(t.Context(), cfg, Handler{}); err == nil || strings.Contains(err.Error(), "hush") {
		t.Error(err)
	}
}

func TestNotAsterisk(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			io.WriteString(c, "SSH-2.0-OpenSSH_9.2\r\n")
			c.Close()
		}
	}()
	_, err = Dial(t.Context(), config(l.Addr().String()), Handler{})
	if err == nil || !strings.Contains(err.Error(), "SSH-2.0") {
		t.Error(err)
	}
	l.Close()
	if _, err := Dial(t.Context(), config(l.Addr().String()), Handler{}); !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("nobody listens: %v", err)
	}
}

func TestShutdown(t *testing.T) {
	for name, want := range map[string]string{
		"restart-STOP-stop-now-old-connection": "stopping",
		"restart-now-old-connection":           "restarting",
		"killed-sigkill-old-connection":        "connection closed",
	} {
		s := dial(t, Handler{}, func(s *server) { s.send(capture(t, name)) })
		if err := s.Booted(t.Context()); err != nil {
			t.Error(err)
		}
		if err := mustEnd(t, s); !errors.Is(err, io.EOF) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := s.Do(t.Context(), "Ping"); err == nil {
			t.Error("an action after the end")
		}
	}
}

func TestEOFWithinAMessage(t *testing.T) {
	var got log
	event := block(t, "voicemail-left", "Event: MessageWaiting")
	s := dial(t, got.handler(), func(s *server) { s.send(event + event[:len(event)-20]) })
	if err := mustEnd(t, s); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	equal(t, "events", got, log{"202@domain.example.com 1/0 listed=false"})
	if err := s.Booted(t.Context()); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Booted: %v", err)
	}
}

// With a call up, a stopping Asterisk refuses every action and still sends events: the session lives on.
func TestGracefulStop(t *testing.T) {
	s := dial(t, Handler{}, func(s *server) {
		s.send(booted)
		s.expect("Action: MailboxCount")
		s.send("Response: Error\r\nActionID: $id\r\nMessage: Asterisk is shutting down\r\n\r\n")
		s.untilClosed()
	})
	_, err := s.MailboxCount(t.Context(), "202@domain.example.com")
	if !errors.Is(err, ErrShuttingDown) || errors.Is(err, ErrAuth) || s.Err() != nil {
		t.Error(err, s.Err())
	}
}

func TestBootedNamesTheMend(t *testing.T) {
	s := dial(t, Handler{}, func(s *server) { s.untilClosed() })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Booted(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "read=system") {
		t.Error(err)
	}
}

func TestDialIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	address := listen(t, func(s *server) { s.expect("Action: Challenge"); cancel(); s.untilClosed() })
	if _, err := Dial(ctx, config(address), Handler{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestClose(t *testing.T) {
	s := dial(t, Handler{}, func(s *server) { s.untilClosed() })
	if s.Err() != nil {
		t.Error("an error while it lasts:", s.Err())
	}
	s.Close()
	s.Close()
	if !errors.Is(s.Err(), net.ErrClosed) {
		t.Error(s.Err())
	}
}
