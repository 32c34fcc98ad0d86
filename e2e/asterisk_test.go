//go:build linux

package e2e

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

const ben = "202@domain.example.com"

// amiLog in and return the stream; TLS where roots are given.
func amiLogin(t *testing.T, a *Asterisk, roots *x509.CertPool) *bufio.Reader {
	t.Helper()
	dial := func() (net.Conn, error) { return net.Dial("tcp", a.AMIAddr()) }
	if roots != nil {
		dial = func() (net.Conn, error) { return tls.Dial("tcp", a.TLSAddr(), &tls.Config{RootCAs: roots}) }
	}
	conn, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(60 * time.Second))
	fmt.Fprintf(conn, "Action: Login\r\nUsername: %s\r\nSecret: %s\r\n\r\n", a.Username, a.Secret)
	stream := bufio.NewReader(conn)
	readUntil(t, stream, "Event: FullyBooted")
	return stream
}

// readUntil reads the line want and returns the rest of its message.
func readUntil(t *testing.T, stream *bufio.Reader, want string) string {
	t.Helper()
	var rest strings.Builder
	for found := false; ; {
		line, err := stream.ReadString('\n')
		if err != nil {
			t.Fatalf("no %q on AMI: %v", want, err)
		}
		line = strings.TrimSpace(line)
		if found && line == "" {
			return rest.String()
		}
		if found = found || line == want; found {
			rest.WriteString(line + "\n")
		}
	}
}

func wantWaiting(t *testing.T, stream *bufio.Reader, fresh, old int) {
	t.Helper()
	message := readUntil(t, stream, "Event: MessageWaiting")
	for _, line := range []string{"Mailbox: " + ben, fmt.Sprintf("New: %d", fresh), fmt.Sprintf("Old: %d", old)} {
		if !strings.Contains(message, line+"\n") {
			t.Fatalf("MessageWaiting lacks %q:\n%s", line, message)
		}
	}
}

// TestAsteriskVoicemail: a message left and deleted shows on AMI and in the counts.
func TestAsteriskVoicemail(t *testing.T) {
	a := StartAsterisk(t, AsteriskConfig{Mailboxes: []string{ben, "alice@domain.example.com", "200"}})
	roots := x509.NewCertPool()
	pem, err := os.ReadFile(a.CAFile)
	if err != nil || !roots.AppendCertsFromPEM(pem) {
		t.Fatalf("%s: %v", a.CAFile, err)
	}
	plain, encrypted := amiLogin(t, a, nil), amiLogin(t, a, roots)
	both := func(fresh, old int) {
		t.Helper()
		wantWaiting(t, plain, fresh, old)
		wantWaiting(t, encrypted, fresh, old)
	}
	a.LeaveVoicemail(ben)
	both(1, 0)
	a.LeaveVoicemail(ben)
	both(2, 0)
	a.DeleteFirst(ben)
	both(1, 0)
	if fresh, old := a.Messages(ben); fresh != 1 || old != 0 {
		t.Errorf("messages on disk: %d new, %d old; want 1 and 0", fresh, old)
	}
	a.LeaveVoicemail("200")
	if got := readUntil(t, plain, "Event: MessageWaiting"); !strings.Contains(got, "Mailbox: 200@default\n") {
		t.Errorf("a mailbox without context: %s", got)
	}
}

// TestAsteriskLife: two at once; each way of going away and coming back does what it says.
func TestAsteriskLife(t *testing.T) {
	other := StartAsterisk(t, AsteriskConfig{})
	a := StartAsterisk(t, AsteriskConfig{Mailboxes: []string{ben}})
	a.LeaveVoicemail(ben)
	stream := amiLogin(t, a, nil)
	a.Restart()
	if got := readUntil(t, stream, "Event: Shutdown"); !strings.Contains(got, "Restart: True") {
		t.Errorf("restart: %s", got)
	}
	stream = amiLogin(t, a, nil)
	a.Stop()
	if got := readUntil(t, stream, "Event: Shutdown"); !strings.Contains(got, "Restart: False") {
		t.Errorf("stop: %s", got)
	}
	a.Start()
	stream = amiLogin(t, a, nil)
	a.Kill()
	if line, err := stream.ReadString('\n'); err == nil {
		t.Errorf("after kill -9 Asterisk said %q", line)
	}
	if _, err := net.Dial("tcp", a.AMIAddr()); err == nil {
		t.Error("AMI still listens after Kill")
	}
	a.Start()
	if fresh, _ := a.Messages(ben); fresh != 1 {
		t.Errorf("%d messages after three starts, want 1", fresh)
	}
	if out := other.RX("core show uptime"); !strings.Contains(out, "System uptime") {
		t.Errorf("the other Asterisk: %s", out)
	}
}

// TestAsteriskFreeze: a frozen Asterisk accepts connections and says nothing; thawed, it goes on.
func TestAsteriskFreeze(t *testing.T) {
	a := StartAsterisk(t, AsteriskConfig{})
	a.Freeze()
	conn, err := net.Dial("tcp", a.AMIAddr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if n, err := conn.Read(make([]byte, 1)); !os.IsTimeout(err) {
		t.Errorf("a frozen Asterisk: read %d bytes, %v; want a time-out", n, err)
	}
	a.Thaw()
	amiLogin(t, a, nil)
}
