//go:build linux

package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"zonkeymwi/sipua"
)

// roleVariable has the test binary be a floor instead, in a process of its own as
// the program is. Its task comes as JSON on standard input.
const roleVariable = "ZONKEYMWI_BENCH_ROLE"

type task struct {
	Proxy, Source, Database string
	Message                 []byte
	Window                  int
	HandOvers               bool
}

// roles are what the test binary can be; each returns what it prints.
var roles = map[string]func(task) error{
	"transactions":    sendPrerendered,
	"hop":             hop,
	"list and ledger": readListAndLedger,
	"resync by hand":  whoIsBehind,
}

func runRole(role string) int {
	var work task
	err := json.NewDecoder(os.Stdin).Decode(&work)
	if err == nil {
		err = roles[role](work)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, role, err)
		return 1
	}
	return 0
}

// floorCommand is the test binary in a role.
func floorCommand(t testing.TB, role string, work task) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(work)
	must(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(text), os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// sendPrerendered sends full transactions, as many at once as the window is, of
// one message in which only the branch changes, until it is killed.
func sendPrerendered(work task) error {
	proxy, err := sipua.ParseProxy(work.Proxy + ";transport=udp")
	if err != nil {
		return err
	}
	ua, err := sipua.New(sipua.Config{Proxy: proxy, BindIP: "127.0.0.1"})
	if err != nil {
		return err
	}
	defer ua.Close()
	at := bytes.Index(work.Message, []byte("z9hG4bK"))
	before, after := work.Message[:at], work.Message[at+23:]
	r := sipua.Request{Method: "NOTIFY", URI: "sip:floor@127.0.0.1", Render: func(dst []byte, a sipua.Attempt) ([]byte, error) {
		return append(append(append(dst, before...), a.Branch...), after...), nil
	}}
	slots := make(chan struct{}, work.Window)
	for {
		slots <- struct{}{}
		ua.Send(r, func(sipua.Outcome) { <-slots })
	}
}
