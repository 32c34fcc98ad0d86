//go:build linux

package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Capture records what goes over the loopback interface to and from some ports.
type Capture struct {
	ports   []int
	file    string
	marks   *net.UDPConn // datagrams sent here are captured too: they tell how far the file has got
	process *process
	t       testing.TB
}

// StartCapture returns when packets are being recorded. Every packet from or to one of the ports, UDP or TCP, is.
func StartCapture(t testing.TB, ports ...int) *Capture {
	t.Helper()
	dumpcap, err := exec.LookPath("dumpcap")
	_, err2 := exec.LookPath("tshark")
	need(t, err == nil && err2 == nil, "no tshark", "install Debian's package tshark")
	need(t, os.Getuid() == 0, "capturing needs rights", "run the tests as root")
	marks, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { marks.Close() })
	dir := t.TempDir()
	c := &Capture{ports: ports, file: filepath.Join(dir, "lo.pcapng"), marks: marks, t: t}
	filter := fmt.Sprintf("udp port %d", marks.LocalAddr().(*net.UDPAddr).Port)
	for _, port := range ports {
		filter += fmt.Sprintf(" or port %d", port)
	}
	c.process = command{
		path: dumpcap, args: []string{"-q", "-i", "lo", "-B", "16", "-f", filter, "-w", c.file},
		dir: dir, log: filepath.Join(dir, "dumpcap.log"), deathSignal: syscall.SIGKILL, asRoot: true,
	}.start(t)
	logOnFailure(t, filepath.Join(dir, "dumpcap.log"))
	c.sync()
	return c
}

// sync returns when everything sent before is in the file.
func (c *Capture) sync() {
	c.t.Helper()
	mark := []byte(rand.Text())
	eventually(c.t, 20*time.Second, "captured packet", func() bool {
		if _, err := c.marks.WriteTo(mark, c.marks.LocalAddr()); err != nil {
			c.t.Fatal(err)
		}
		text, _ := os.ReadFile(c.file)
		return bytes.Contains(text, mark)
	})
}

// Check ends the capture and has tshark judge every request of that method in it: n is how many there were
// (each hop and retransmission counts), faults names what is wrong with them.
func (c *Capture) Check(method string) (n int, faults []string) {
	c.t.Helper()
	c.sync()
	if err := c.process.stop(syscall.SIGINT, patience); err != nil {
		c.t.Fatal(err)
	}
	args := []string{"-r", c.file, "-Y", fmt.Sprintf("sip.Method == %q", method), "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=|"}
	for _, port := range c.ports {
		args = append(args, "-d", fmt.Sprintf("udp.port==%d,sip", port), "-d", fmt.Sprintf("tcp.port==%d,sip", port))
	}
	for _, field := range append([]string{"_ws.expert.severity", "_ws.expert.message", "udp.payload", "sip.Content-Length"}, mandatory(method)...) {
		args = append(args, "-e", field)
	}
	out, err := exec.Command("tshark", args...).Output()
	if err != nil {
		c.t.Fatalf("tshark: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		n++
		for _, fault := range judge(method, strings.Split(strings.TrimSuffix(line, "\n"), "\t")) {
			faults = append(faults, fmt.Sprintf("%s %d: %s", method, n, fault))
		}
	}
	return n, faults
}

// mandatory are the headers that a request cannot do without (RFC 3261 8.1.1; for NOTIFY RFC 6665 8.2.1 and 8.1.1,
// for PUBLISH RFC 3903 4). tshark's expert does not miss any of them.
func mandatory(method string) []string {
	fields := []string{"sip.Via", "sip.Max-Forwards", "sip.From", "sip.To", "sip.Call-ID", "sip.CSeq", "sip.Event"}
	if method == "NOTIFY" {
		fields = append(fields, "sip.Contact", "sip.Subscription-State")
	}
	return fields
}

// warning is the least severity that counts (tshark's PI_WARN; errors are above).
const warning = 0x600000

// judge reads the columns that Check asks for.
func judge(method string, columns []string) (faults []string) {
	severities, messages := strings.Split(columns[0], "|"), strings.Split(columns[1], "|")
	for i, text := range severities {
		if severity, err := strconv.Atoi(text); err == nil && severity >= warning && i < len(messages) {
			faults = append(faults, messages[i])
		}
	}
	for i, field := range mandatory(method) {
		if columns[4+i] == "" {
			faults = append(faults, "no "+strings.TrimPrefix(field, "sip."))
		}
	}
	// Over TCP the length frames the stream: a wrong one shows as broken messages.
	if payload, err := hex.DecodeString(columns[2]); err == nil && len(payload) > 0 {
		_, body, _ := bytes.Cut(payload, []byte("\r\n\r\n"))
		if columns[3] != strconv.Itoa(len(body)) {
			faults = append(faults, fmt.Sprintf("Content-Length %q, body of %d bytes", columns[3], len(body)))
		}
	}
	return faults
}
