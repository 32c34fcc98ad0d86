//go:build linux

package e2e

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"text/template"
	"time"
)

//go:embed testdata/sipp/phone.xml
var sippPhone string

// sippSubscribe is a SUBSCRIBE of the scenario.
type sippSubscribe struct {
	URI, Tag, Expires string
	CSeq              int
}

// sippNotify has the scenario wait for a body, or, with Quiet, for so many milliseconds without a NOTIFY.
type sippNotify struct {
	Name, Then string // its label, and the one to go on at
	Body       string // POSIX pattern
	Quiet      int
}

// SIPp is a phone that another program plays, one which knows nothing of ours.
type SIPp struct {
	t       testing.TB
	process *process
}

// StartSIPp plays testdata/sipp/phone.xml at a proxy, for a mailbox that has no message and then gets one.
func StartSIPp(t testing.TB, proxy, user, domain string) *SIPp {
	t.Helper()
	path, err := exec.LookPath("sipp")
	need(t, err == nil, "no SIPp", "install Debian's package sip-tester")
	dir := workDir(t, "")
	file := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(file("phone.xml"), sippScenario(t, domain), 0o644); err != nil {
		t.Fatal(err)
	}
	// Without default behaviours, a NOTIFY that comes while SIPp still answers the last one is no fault: it takes the
	// retransmission.
	args := []string{proxy, "-sf", file("phone.xml"), "-i", "127.0.0.1", "-p", fmt.Sprint(freePort(t)), "-m", "1", "-nostdin",
		"-key", "user", user, "-key", "domain", domain, "-recv_timeout", "20000", "-timeout", "60s", "-timeout_error",
		"-default_behaviors", "none", "-trace_err", "-error_file", file("errors.log"), "-trace_msg", "-message_file", file("messages.log")}
	for _, name := range []string{"errors.log", "messages.log"} {
		logOnFailure(t, file(name))
	}
	return &SIPp{t: t, process: command{path: path, args: args, dir: dir, log: file("screen.log"), deathSignal: syscall.SIGKILL}.start(t)}
}

// sippScenario fills in the scenario. Two dots in a pattern are the end of a line.
func sippScenario(t testing.TB, domain string) []byte {
	t.Helper()
	body := func(waiting, counts string) string {
		return `Content-Type: application/simple-message-summary....*Messages-Waiting: ` + waiting + `..Message-Account: sip:\*97@` +
			domain + `..Voice-Message: ` + counts + ` \(0/0\)..$`
	}
	const tag = "[peer_tag_param]"
	dark, lit := body("no", "0/0"), body("yes", "1/0")
	var xml bytes.Buffer
	err := template.Must(template.New("").Parse(sippPhone)).Execute(&xml, map[string]any{
		"Subscribe":   sippSubscribe{URI: "sip:[user]@[domain]", CSeq: 1, Expires: "600"},
		"Dark":        sippNotify{Name: "dark", Then: "lit", Body: dark},
		"Lit":         sippNotify{Name: "lit", Then: "lit-still", Body: lit},
		"LitQuiet":    sippNotify{Name: "lit-still", Then: "lit-still", Body: lit, Quiet: 2500},
		"Refresh":     sippSubscribe{URI: "[next_url]", Tag: tag, CSeq: 2, Expires: "600"},
		"Again":       sippNotify{Name: "again", Then: "again-still", Body: lit},
		"AgainQuiet":  sippNotify{Name: "again-still", Then: "again-still", Body: lit, Quiet: 2500},
		"Unsubscribe": sippSubscribe{URI: "[next_url]", Tag: tag, CSeq: 3, Expires: "0"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(xml.Bytes())
}

// Wait wants the scenario played to its end.
func (s *SIPp) Wait() {
	s.t.Helper()
	select {
	case <-s.process.exited:
	case <-time.After(90 * time.Second): // SIPp's own time-out is 60 s
		s.t.Fatal("SIPp does not end")
	}
	if code := s.process.cmd.ProcessState.ExitCode(); code != 0 {
		s.t.Fatalf("SIPp was not content: exit code %d, its log follows", code)
	}
}
