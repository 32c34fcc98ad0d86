package ami

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipe logs in over net.Pipe, inside a synctest bubble, and returns both ends.
func pipe(t *testing.T) (*Session, *server) {
	t.Helper()
	near, far := net.Pipe()
	peer := newServer(t, far)
	go func() {
		peer.send("Asterisk Call Manager/11.0.0\r\n")
		peer.login()
	}()
	s, err := start(t.Context(), near, config("pipe"), Handler{})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	t.Cleanup(func() { s.Close(); far.Close() })
	return s, peer
}

func TestSilentPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := pipe(t)
		began := time.Now()
		go peer.untilClosed() // reads, never answers
		err := mustEnd(t, s)
		if !errors.Is(err, ErrDead) || time.Since(began) != 45*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}

func TestPeerThatStopsReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := pipe(t)
		began := time.Now()
		err := mustEnd(t, s) // the first Ping cannot even be written
		if err == nil || time.Since(began) != 45*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}

func TestPingsKeepTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := pipe(t)
		answers := []string{"Response: Success\r\nActionID: $id\r\nPing: Pong\r\n\r\n", "Response: Error\r\nActionID: $id\r\nMessage: Asterisk is shutting down\r\n\r\n"}
		began := time.Now()
		for i := range 100 {
			peer.expect("Action: Ping")
			peer.send(answers[i%2])
		}
		if s.Err() != nil || time.Since(began) != 100*15*time.Second {
			t.Errorf("after %s: %v", time.Since(began), s.Err())
		}
	})
}

func TestActionTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := pipe(t)
		go peer.untilClosed()
		began := time.Now()
		_, err := s.Do(t.Context(), "MailboxCount")
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 30*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}

// A list may take longer than an action's answer, as long as it goes on.
func TestSlowList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := pipe(t)
		s.cfg.ActionTimeout = 10 * time.Second // and the first Ping only after 15 s: it is answered below
		go func() {
			peer.expect("Action: VoicemailUsersList")
			id := peer.id
			peer.send("Response: Success\r\nActionID: $id\r\nEventList: start\r\n\r\n")
			for i := range 3 {
				time.Sleep(6 * time.Second)
				peer.send(fmt.Sprintf("Event: VoicemailUserEntry\r\nActionID: $id\r\nVMContext: d\r\nVoiceMailbox: %d\r\nNewMessageCount: 0\r\nOldMessageCount: 0\r\n\r\n", i))
			}
			peer.expect("Action: Ping")
			peer.send("Response: Success\r\nActionID: $id\r\nPing: Pong\r\n\r\n")
			peer.id = id // then nothing more of the list
			peer.untilClosed()
		}()
		n, err := s.Mailboxes(t.Context())
		if n != 3 || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "after 3 entries") {
			t.Error(n, err)
		}
	})
}

// A peer that accepts and says nothing is given up after DialTimeout.
func TestSilentLogin(t *testing.T) {
	for banner, hint := range map[string]string{"": "TLS port", "Asterisk Call Manager/11.0.0\r\n": "Challenge"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			if c, err := l.Accept(); err == nil {
				io.WriteString(c, banner)
				io.Copy(io.Discard, c)
				c.Close()
			}
		}()
		cfg := config(l.Addr().String())
		cfg.DialTimeout = 20 * time.Millisecond
		_, err = Dial(t.Context(), cfg, Handler{})
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no answer within 20ms") || !strings.Contains(err.Error(), hint) {
			t.Errorf("banner %q: %v", banner, err)
		}
		l.Close()
	}
}

func TestLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		lost := errors.New("lost")
		var waits []time.Duration
		n := 0
		Loop(ctx, func(context.Context) error {
			switch n++; n {
			case 9:
				time.Sleep(2 * time.Minute) // a good session: the pauses begin anew
			case 11:
				cancel()
			}
			return lost
		}, func(err error, wait time.Duration) {
			if err != lost {
				t.Error(err)
			}
			waits = append(waits, wait)
		})
		for i, longest := range []time.Duration{1, 2, 4, 8, 16, 30, 30, 30, 1, 2} {
			longest *= time.Second
			if waits[i] < longest/2 || waits[i] > longest {
				t.Errorf("pause %d is %s, not within %s and %s", i, waits[i], longest/2, longest)
			}
		}
		equal(t, "pauses", len(waits), 10)
	})
}

func TestLoopEndsWithinAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		Loop(ctx, func(context.Context) error { time.AfterFunc(time.Millisecond, cancel); return io.EOF }, nil)
		equal(t, "it took", time.Since(began), time.Millisecond)
	})
}
