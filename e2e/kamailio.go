//go:build linux

package e2e

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

//go:embed testdata/kamailio.cfg
var kamailioConf []byte

// Kamailio's own tables, as Debian packages them.
const kamailioSQL = "/usr/share/kamailio/postgres/"

// KamailioConfig is what a test may choose.
type KamailioConfig struct {
	DB        string        // postgres:// URL of an empty database; Kamailio's tables are made in it
	SubsMode  int           // presence's subs_db_mode, 1 to 3; 0 means 1: rows are written before the 200
	Update    time.Duration // db_update_period, when mode 2 writes its rows; 0 means 1 s (Kamailio's default is 100 s)
	ClockCSeq bool          // rewrite the CSeq of Kamailio's own NOTIFYs to unix time, for cseq = "clock"
	Bridge    string        // the one address that NOTIFY and PUBLISH are taken from; "" means 127.0.0.1
	Domain    string        // "" means domain.example.com
	FRTimer   time.Duration // how long a silent phone is waited for; 0 means 1 s (Kamailio's default is 30 s)
	Memory    int           // megabytes that its processes share; 0 means 32
	Ahead     time.Duration // with ClockCSeq: how much its clock seems to be ahead
}

// Kamailio is a running proxy and presence server, on UDP and TCP.
type Kamailio struct {
	port    int
	dir     string
	config  KamailioConfig
	t       testing.TB
	process *process
}

// StartKamailio returns when Kamailio answers; it ends with t.
func StartKamailio(t testing.TB, config KamailioConfig) *Kamailio {
	t.Helper()
	modules, _ := filepath.Glob("/usr/lib/*/kamailio/modules/presence_mwi.so")
	postgres, _ := filepath.Glob("/usr/lib/*/kamailio/modules/db_postgres.so")
	_, err := exec.LookPath("kamailio")
	need(t, err == nil && len(modules) > 0 && len(postgres) > 0, "no Kamailio",
		"install Debian's packages kamailio, kamailio-postgres-modules and kamailio-presence-modules")
	createTables(t, config.DB)
	k := &Kamailio{port: freePort(t), dir: workDir(t, ""), config: config, t: t}
	if err := os.WriteFile(k.path("kamailio.cfg"), kamailioConf, 0o644); err != nil {
		t.Fatal(err)
	}
	logOnFailure(t, k.path("kamailio.log"))
	k.Start()
	t.Cleanup(k.Stop)
	return k
}

// Addr is where Kamailio listens, UDP and TCP.
func (k *Kamailio) Addr() string { return fmt.Sprintf("127.0.0.1:%d", k.port) }

// Port is that of Addr.
func (k *Kamailio) Port() int { return k.port }

func (k *Kamailio) path(name string) string { return filepath.Join(k.dir, name) }

// flags sets what testdata/kamailio.cfg leaves open.
func (c KamailioConfig) flags(port int) []string {
	seconds := func(d time.Duration) string { return strconv.Itoa(int(cmp.Or(d, time.Second) / time.Second)) }
	defines := []string{
		"DB_URL=" + strconv.Quote(kamailioURL(c.DB)),
		"SUBS_DB_MODE=" + strconv.Itoa(cmp.Or(c.SubsMode, 1)),
		"DB_UPDATE_PERIOD=" + seconds(c.Update),
		"FR_TIMER=" + strconv.Itoa(int(cmp.Or(c.FRTimer, time.Second)/time.Millisecond)),
		fmt.Sprintf(`SERVER="sip:127.0.0.1:%d"`, port),
		"BRIDGE=" + strconv.Quote(cmp.Or(c.Bridge, "127.0.0.1")),
		"DOMAIN=" + strconv.Quote(cmp.Or(c.Domain, "domain.example.com")),
	}
	if c.SubsMode == 3 {
		defines = append(defines, "NOTIFIERS=0")
	} else {
		defines = append(defines, "NOTIFIERS=1")
	}
	if c.ClockCSeq {
		defines = append(defines, "CLOCK_CSEQ=1", "CLOCK_AHEAD="+strconv.Itoa(int(c.Ahead/time.Second)))
	}
	flags := []string{"-m", strconv.Itoa(cmp.Or(c.Memory, 32)), "-l", fmt.Sprintf("udp:127.0.0.1:%d", port), "-l", fmt.Sprintf("tcp:127.0.0.1:%d", port)}
	for _, define := range defines {
		flags = append(flags, "-A", define)
	}
	return flags
}

// kamailioURL leaves out the parameters, which Kamailio takes for part of the database's name.
func kamailioURL(db string) string {
	u, err := url.Parse(db)
	if err != nil {
		return db
	}
	u.RawQuery = ""
	return u.String()
}

// createTables runs Kamailio's own scripts, unless they have been run before.
func createTables(t testing.TB, db string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, db)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	var done bool
	if err := conn.QueryRow(ctx, "SELECT to_regclass('active_watchers') IS NOT NULL").Scan(&done); err != nil || done {
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, script := range []string{"standard-create.sql", "presence-create.sql"} {
		sql, err := os.ReadFile(kamailioSQL + script)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.PgConn().Exec(ctx, string(sql)).ReadAll(); err != nil {
			t.Fatalf("%s: %v", script, err)
		}
	}
}

// Start starts a stopped Kamailio, on the same port, and waits until it answers.
func (k *Kamailio) Start() {
	k.t.Helper()
	path, err := exec.LookPath("kamailio")
	if err != nil {
		k.t.Fatal(err)
	}
	args := []string{"-DD", "-E", "-M", "4", "-f", "kamailio.cfg", "-Y", k.dir, "-P", k.path("kamailio.pid")}
	k.process = command{
		path: path, args: append(args, k.config.flags(k.port)...), dir: k.dir, log: k.path("kamailio.log"),
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
