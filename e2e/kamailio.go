//go:build linux

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// NoDatabase is subs_db_mode 0: subscriptions are in Kamailio's memory alone.
const NoDatabase = -1

// KamailioConfig is what a test may choose.
type KamailioConfig struct {
	DB        string        // postgres:// or mysql:// URL of an empty database; Kamailio's tables are made in it
	SubsMode  int           // presence's subs_db_mode, 1 to 3 or NoDatabase; 0 means 1: rows are written before the 200
	Update    time.Duration // db_update_period, when mode 2 writes its rows; 0 means 1 s (Kamailio's default is 100 s)
	ClockCSeq bool          // rewrite the CSeq of Kamailio's own NOTIFYs to unix time, for cseq = "clock"
	Bridge    string        // the one address that NOTIFY and PUBLISH are taken from; "" means 127.0.0.1
	Domain    string        // "" means domain.example.com
	FRTimer   time.Duration // how long a silent phone is waited for; 0 means 1 s (Kamailio's default is 30 s)
	Memory    int           // megabytes that its processes share; 0 means 32
	Ahead     time.Duration // with ClockCSeq: how much its clock seems to be ahead
	TLS       bool          // listen for it too; see TLSAddr and CAFile
	NAT       bool          // mend the Contact of phones behind NATs
	Auth      bool          // ask phones for their password, in the table subscriber
	Password  string        // ask the bridge for this password; "": do not ask
}

// Kamailio is a running proxy and presence server on UDP, TCP and, where asked for, TLS: the one of deploy/kamailio.
type Kamailio struct {
	CAFile  string // PEM certificate of the TLS port, valid for 127.0.0.1
	port    int
	tlsPort int
	dir     string
	config  KamailioConfig
	t       testing.TB
	edgeOf  *Kamailio // set: this one is an edge proxy of it
	process *process
}

// StartKamailio returns when Kamailio answers; it ends with t.
func StartKamailio(t testing.TB, config KamailioConfig) *Kamailio {
	t.Helper()
	needKamailio(t, "db_"+engine(config.DB))
	createTables(t, config.DB)
	k := &Kamailio{port: freePort(t), dir: workDir(t, ""), config: config, t: t}
	k.configure()
	logOnFailure(t, k.path("kamailio.log"))
	k.Start()
	t.Cleanup(k.Stop)
	return k
}

// needKamailio wants these modules of it too.
func needKamailio(t testing.TB, modules ...string) {
	t.Helper()
	_, err := exec.LookPath("kamailio")
	missing := err != nil
	for _, module := range append(modules, "presence_mwi", "db_postgres", "tls") {
		found, _ := filepath.Glob("/usr/lib/*/kamailio/modules/" + module + ".so")
		missing = missing || len(found) == 0
	}
	need(t, !missing, "no Kamailio", "install Debian's packages kamailio, kamailio-postgres-modules, kamailio-mysql-modules, kamailio-presence-modules and kamailio-tls-modules")
}

// Addr is where Kamailio listens, UDP and TCP.
func (k *Kamailio) Addr() string { return fmt.Sprintf("127.0.0.1:%d", k.port) }

// TLSAddr is where it listens for TLS; CAFile vouches for it.
func (k *Kamailio) TLSAddr() string { return fmt.Sprintf("127.0.0.1:%d", k.tlsPort) }

// Port is that of Addr.
func (k *Kamailio) Port() int { return k.port }

func (k *Kamailio) path(name string) string { return filepath.Join(k.dir, name) }

// Start starts a stopped Kamailio, on the same port, and waits until it answers.
func (k *Kamailio) Start() {
	k.t.Helper()
	path, err := exec.LookPath("kamailio")
	if err != nil {
		k.t.Fatal(err)
	}
	k.process = command{
		path: path, args: k.flags(), dir: k.dir, log: k.path("kamailio.log"),
		deathSignal: syscall.SIGTERM, // its main process then ends the others
	}.start(k.t)
	eventually(k.t, 20*time.Second, "answer from Kamailio", func() bool {
		if !k.process.running() {
			k.t.Fatal("Kamailio ended at once")
		}
		return k.answers()
	})
}

// answers says whether an OPTIONS over UDP gets its 200.
func (k *Kamailio) answers() bool {
	conn, err := net.Dial("udp", k.Addr())
	if err != nil {
		return false
	}
	defer conn.Close()
	fmt.Fprintf(conn, "OPTIONS sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKping%d\r\nMax-Forwards: 70\r\n"+
		"From: <sip:ping@127.0.0.1>;tag=1\r\nTo: <sip:ping@127.0.0.1>\r\nCall-ID: ping\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
		k.Addr(), conn.LocalAddr(), time.Now().UnixNano())
	_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	answer := make([]byte, 2048)
	n, err := conn.Read(answer)
	return err == nil && bytes.HasPrefix(answer[:n], []byte("SIP/2.0 200 "))
}

// Stop ends Kamailio with every process of its; the database stays. It does nothing to a stopped one.
// Up to one time in ten Kamailio 5.6 deadlocks in its own signal handlers; it is killed then.
func (k *Kamailio) Stop() {
	k.t.Helper()
	switch err := k.process.stop(syscall.SIGTERM, 2*time.Second); {
	case errors.Is(err, errUnwilling):
		k.t.Log("kamailio: ", err)
	case err != nil:
		k.t.Error(err)
	}
}

// SetClock has a stopped Kamailio start with a clock that is ahead.
func (k *Kamailio) SetClock(ahead time.Duration) { k.config.Ahead = ahead }

// Freeze stops every process of Kamailio in mid-step; what is sent to it waits in its sockets.
func (k *Kamailio) Freeze() { k.signal(syscall.SIGSTOP) }

// Thaw ends Freeze.
func (k *Kamailio) Thaw() { k.signal(syscall.SIGCONT) }

func (k *Kamailio) signal(s syscall.Signal) {
	k.t.Helper()
	if err := k.process.signal(s); err != nil {
		k.t.Fatal(err)
	}
}
