package ami

import (
	"bufio"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
)

// server is one connection of a scripted Asterisk. Its own parsing is not the package's.
type server struct {
	net.Conn
	t  *testing.T
	in *bufio.Reader
	id string // ActionID of the last action
}

// listen starts a server that accepts one connection, sends the banner and plays the script.
func listen(t *testing.T, script func(*server)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	play(t, l, script)
	return l.Addr().String()
}

func play(t *testing.T, l net.Listener, script func(*server)) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		s := newServer(t, c)
		s.send("Asterisk Call Manager/11.0.0\r\n")
		script(s)
	}()
	t.Cleanup(func() { l.Close(); <-ended })
}

func newServer(t *testing.T, c net.Conn) *server {
	return &server{Conn: c, t: t, in: bufio.NewReader(c)}
}

// send writes text; $id is the last action's ActionID.
func (s *server) send(text string) {
	io.WriteString(s, strings.ReplaceAll(text, "$id", s.id))
}

// expect reads an action, which must have these lines, and returns all of its lines.
func (s *server) expect(want ...string) (lines []string) {
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			s.t.Errorf("expected %q: %v", want, err)
			return nil
		}
		if line == "\r\n" {
			break
		}
		line = strings.TrimSuffix(line, "\r\n")
		lines = append(lines, line)
		if id, ok := strings.CutPrefix(line, "ActionID: "); ok {
			s.id = id
		}
	}
	for _, w := range want {
		if !slices.Contains(lines, w) {
			s.t.Errorf("no line %q in %q", w, lines)
		}
	}
	return lines
}

const booted = "Event: FullyBooted\r\nPrivilege: system,all\r\nUptime: 57\r\nLastReload: 57\r\nStatus: Fully Booted\r\n\r\n"

// login is a server's part of a successful login with the secret "s3cret".
func (s *server) login() {
	s.expect("Action: Challenge", "AuthType: MD5")
	s.send("Response: Success\r\nActionID: $id\r\nChallenge: 176693960\r\n\r\n")
	sum := md5.Sum([]byte("176693960s3cret"))
	s.expect("Action: Login", "AuthType: MD5", "Username: bridge", "Key: "+hex.EncodeToString(sum[:]), "Events: call,user,system")
	s.send("Response: Success\r\nActionID: $id\r\nMessage: Authentication accepted\r\n\r\n")
}

// untilClosed waits for the client to go.
func (s *server) untilClosed() { io.Copy(io.Discard, s.in) }

func config(address string) Config {
	return Config{Address: address, Username: "bridge", Secret: "s3cret"}
}

// dial logs in at a server that plays script after the login.
func dial(t *testing.T, h Handler, script func(*server)) *Session {
	t.Helper()
	address := listen(t, func(s *server) { s.login(); script(s) })
	s, err := Dial(t.Context(), config(address), h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// log is a Handler that writes down what it gets.
type log []string

func (l *log) handler() Handler {
	return Handler{
		Mailbox:   func(b Mailbox) { *l = append(*l, fmt.Sprintf("%s %d/%d listed=%t", b.Name, b.New, b.Old, b.Listed)) },
		UserEvent: func(e UserEvent) { *l = append(*l, "user event "+e.Name) },
		Other:     func(m Message) { *l = append(*l, m.Headers[0].Name+" "+m.Headers[0].Value) },
	}
}

func mustEnd(t *testing.T, s *Session) error {
	t.Helper()
	select {
	case <-s.Done():
	case <-t.Context().Done():
	}
	return s.Err()
}
