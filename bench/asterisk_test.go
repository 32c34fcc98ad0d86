//go:build linux

package bench

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"zonkeymwi/e2e"
	"zonkeymwi/sipua"
)

// asteriskPhones subscribe to Asterisk; each is an endpoint of it.
const asteriskPhones = 1000

// compareAsterisk has Asterisk's res_pjsip_mwi tell phones that subscribe to it.
func compareAsterisk(t *testing.T, w *world) {
	const what = "Asterisk's res_pjsip_mwi, 1000 phones subscribed to it"
	measured := false
	t.Cleanup(func() {
		if !measured {
			w.report.lack(what, "no Asterisk here, which make setup installs as root; or it could not be set up")
		}
	})
	boxes := make([]string, asteriskPhones)
	for i := range boxes {
		boxes[i] = fmt.Sprintf("%d@%s", firstBox+i, domain)
	}
	a := e2e.StartAsterisk(t, e2e.AsteriskConfig{Mailboxes: boxes})
	dir := asteriskDir(a)
	addr := loadPJSIP(t, a, dir)
	ua := newSender(t, addr)
	w.phones.reset()
	for box := range asteriskPhones {
		ua.send("SUBSCRIBE", box, subscription(box, w.phones.addr()))
	}
	ua.under.Wait()
	w.awaitPhones(t)
	ami := newManager(t, a)
	change := func(box int) { // a message comes or goes, and Asterisk is told to look
		inbox := filepath.Join(dir, "voicemail", domain, strconv.Itoa(firstBox+box), "INBOX")
		message := filepath.Join(inbox, "msg0000.txt")
		if os.Remove(message) != nil {
			must(t, os.MkdirAll(inbox, 0o777))
			must(t, os.WriteFile(message, nil, 0o666))
		}
		_, err := fmt.Fprintf(ami, "Action: VoicemailRefresh\r\nContext: %s\r\nMailbox: %d\r\n\r\n", domain, firstBox+box)
		must(t, err)
	}
	o := other{what: what, at: paced}
	for run := range 3 {
		o.rate = append(o.rate, saturateWith(t, w.phones, window/10, asteriskPhones, 2*time.Second, change))
		time.Sleep(time.Second)
		took := atRate(t, w.phones, paced, 2*paced, asteriskPhones, run*2*paced, change)
		o.p50, o.p99 = append(o.p50, took.median()), append(o.p99, took.quantile(0.99))
	}
	w.report.compare(o)
	measured = true
}

// awaitPhones waits for the first NOTIFY of each subscription.
func (w *world) awaitPhones(t testing.TB) {
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		told := 0
		for i := range asteriskPhones {
			if w.phones.told[i].Load() > 0 {
				told++
			}
		}
		if told == asteriskPhones {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d phones are subscribed to Asterisk", told, asteriskPhones)
		}
	}
}

// asteriskDir is where Asterisk's files are, as seen from outside its chroot.
func asteriskDir(a *e2e.Asterisk) string {
	_, rest, _ := strings.Cut(a.RX("core show settings"), "Configuration directory:")
	dir, _, _ := strings.Cut(strings.TrimSpace(rest), "\n")
	cache := os.Getenv("ZONKEYMWI_CACHE")
	if cache == "" {
		cache = filepath.Join(os.Getenv("HOME"), ".cache", "zonkeymwi")
	}
	return filepath.Join(cache, "asterisk", dir)
}

// loadPJSIP gives a running Asterisk its SIP channel, and returns where that listens.
func loadPJSIP(t testing.TB, a *e2e.Asterisk, dir string) (addr string) {
	t.Helper()
	addr = freeAddr(t)
	conf := fmt.Sprintf("[transport]\ntype=transport\nprotocol=udp\nbind=%s\n", addr)
	for box := range asteriskPhones {
		conf += fmt.Sprintf("[%[1]d]\ntype=endpoint\naors=%[1]d\nallow=ulaw\ncontext=none\n[%[1]d]\ntype=aor\nmailboxes=%[1]d@%[2]s\n", firstBox+box, domain)
	}
	must(t, os.WriteFile(filepath.Join(dir, "pjsip.conf"), []byte(conf), 0o644))
	for _, module := range []string{"res_sorcery_config", "res_sorcery_memory", "res_sorcery_astdb", "res_pjproject", "res_statsd",
		"res_geolocation", "res_pjsip", "res_pjsip_session", "res_pjsip_endpoint_identifier_user", "res_pjsip_pubsub",
		"res_pjsip_mwi_body_generator", "res_pjsip_mwi"} {
		if out := a.RX("module load " + module + ".so"); !strings.Contains(out, "Loaded") {
			t.Fatalf("Asterisk's %s: %s", module, out)
		}
	}
	return addr
}

// newManager is a logged-in AMI connection whose answers are thrown away.
func newManager(t testing.TB, a *e2e.Asterisk) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", a.AMIAddr())
	must(t, err)
	t.Cleanup(func() { c.Close() })
	_, err = fmt.Fprintf(c, "Action: Login\r\nUsername: %s\r\nSecret: %s\r\nEvents: off\r\n\r\n", a.Username, a.Secret)
	must(t, err)
	go func() {
		buf := make([]byte, 64<<10)
		shown := 0
		for {
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			if i := bytes.Index(buf[:n], []byte("Response: Error")); i >= 0 && shown < 3 {
				t.Logf("Asterisk: %.200s", buf[i:n])
				shown++
			}
		}
	}()
	return c
}

func subscription(box int, phone string) func(sipua.Attempt) string {
	user := firstBox + box
	return func(a sipua.Attempt) string {
		return fmt.Sprintf("SUBSCRIBE sip:%[1]d@%[2]s SIP/2.0\r\nVia: SIP/2.0/%[3]s %[4]s;rport;branch=%[5]s\r\nMax-Forwards: 70\r\n"+
			"From: <sip:%[1]d@%[2]s>;tag=bench\r\nTo: <sip:%[1]d@%[2]s>\r\nCall-ID: %[5]s\r\nCSeq: 1 SUBSCRIBE\r\nContact: <sip:%[1]d@%[6]s>\r\n"+
			"Event: message-summary\r\nAccept: application/simple-message-summary\r\nExpires: 3600\r\nContent-Length: 0\r\n\r\n",
			user, domain, a.Transport, a.SentBy, a.Branch, phone)
	}
}
