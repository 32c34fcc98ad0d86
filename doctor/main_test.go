package doctor

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"go.uber.org/goleak"

	"zonkeymwi/ami"
	"zonkeymwi/internal/mytest"
	"zonkeymwi/internal/pgtest"
	"zonkeymwi/sim"
	"zonkeymwi/watchers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(mytest.Wrap(pgtest.Wrap(m))) }

const (
	secret = "hunter2" // every password in these tests
	domain = "domain.example.com"
)

// findings are what a Run reported.
type findings struct {
	all   []Finding
	worst Level
	t     *testing.T
}

// check runs the doctor, and holds what every run must keep: one line each, no
// secret, a mend with each complaint.
func check(t *testing.T, o Options) findings {
	t.Helper()
	if o.Patience == 0 {
		o.Patience = 3 * time.Second
	}
	fs := findings{t: t}
	fs.worst = Run(t.Context(), o, func(f Finding) { fs.all = append(fs.all, f) })
	worst := OK
	for _, f := range fs.all {
		worst = max(worst, f.Level)
		text := fmt.Sprint(f.Area, f.Check, f.Detail, f.Mend)
		if strings.ContainsAny(text, "\r\n\t") || strings.Contains(text, secret) {
			t.Errorf("more than a line, or a secret: %q", text)
		}
		if (f.Mend == "") != (f.Level == OK) {
			t.Errorf("%+v: a mend belongs to each complaint and to nothing else", f)
		}
	}
	if worst != fs.worst {
		t.Errorf("Run returned %v, its worst finding is %v", fs.worst, worst)
	}
	return fs
}

// of are the findings of an area, "" for all.
func (fs findings) of(area string) (found []Finding) {
	for _, f := range fs.all {
		if area == "" || f.Area == area {
			found = append(found, f)
		}
	}
	return found
}

// want wants a finding with these texts in its detail or mend.
func (fs findings) want(l Level, area, check string, texts ...string) {
	fs.t.Helper()
	for _, f := range fs.of(area) {
		if f.Check != check || f.Level != l {
			continue
		}
		for _, text := range texts {
			if !strings.Contains(f.Detail+"\n"+f.Mend, text) {
				fs.t.Errorf("%+v\nwant %q in it", f, text)
			}
		}
		return
	}
	fs.t.Errorf("no %v %s/%s among %s", l, area, check, fs)
}

// only wants no complaint of an area but one.
func (fs findings) only(l Level, area, check string, texts ...string) {
	fs.t.Helper()
	fs.want(l, area, check, texts...)
	for _, f := range fs.of(area) {
		if f.Level != OK && f.Check != check {
			fs.t.Errorf("a second complaint: %+v", f)
		}
	}
}

func (fs findings) allOK() {
	fs.t.Helper()
	if fs.worst != OK {
		fs.t.Errorf("want no complaint: %s", fs)
	}
}

func (fs findings) String() string {
	var b strings.Builder
	for _, f := range fs.all {
		b.WriteString("\n")
		Print(&b, f, false)
	}
	return b.String()
}

// well is a world without fault: options that find nothing to complain of,
// but that a simulated Asterisk has no AST_CONFIG.
type well struct {
	Options
	asterisk *sim.Asterisk
	proxy    *sim.Proxy
	db       *sql.DB // the proxy's side of the database
	user     string  // ours there
	super    string  // the owner's URL
}

func newWell(t *testing.T, a sim.AsteriskConfig) *well {
	t.Helper()
	w := &well{}
	path := filepath.Join(t.TempDir(), "watchers.db")
	w.proxy = start(t, func() (*sim.Proxy, error) { return sim.StartProxy(sim.ProxyConfig{Path: path}) })
	t.Cleanup(func() { w.proxy.Close() })
	a.Username, a.Secret = "zonkeymwi", secret
	if a.Mailboxes == nil {
		a.Mailboxes = []sim.Mailbox{{Name: "202@" + domain}, {Name: "203@" + domain}}
	}
	if a.OnUserEvent == nil { // somebody leaves a message just then
		a.OnUserEvent = func(string, []string) { w.asterisk.Set("202@"+domain, 1, 0) }
	}
	w.asterisk = start(t, func() (*sim.Asterisk, error) { return sim.StartAsterisk(a) })
	t.Cleanup(w.asterisk.Close)
	w.db = w.proxy.DB()
	w.Options = Options{
		AMI:      ami.Config{Address: w.asterisk.Addr(), Username: "zonkeymwi", Secret: secret},
		Database: watchers.Config{URL: "sqlite:" + path}, CSeq: "clock", Proxy: w.proxy.Addr(),
	}
	insert(t, w.db, domain, time.Hour)
	return w
}

func start[T any](t *testing.T, f func() (T, error)) T {
	t.Helper()
	v, err := f()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func exec(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// insert adds a phone's subscription that lasts for so long.
func insert(t *testing.T, db *sql.DB, domain string, left time.Duration) {
	t.Helper()
	exec(t, db, fmt.Sprintf(`INSERT INTO active_watchers (presentity_uri, watcher_username, watcher_domain, to_user, to_domain,
event, to_tag, from_tag, callid, local_cseq, remote_cseq, contact, expires, status, socket_info, local_contact)
VALUES ('sip:202@%[1]s', '202', '%[1]s', '202', '%[1]s', 'message-summary', 's', 'p', 'c%[2]d', 1, 1, 'sip:202@127.0.0.2', %[3]d, 1, 'udp:127.0.0.1:5060', 'sip:127.0.0.1')`,
		domain, time.Now().UnixNano(), time.Now().Add(left).Unix()))
}

// silent accepts connections, and datagrams, and says nothing.
func silent(t *testing.T) string {
	t.Helper()
	l := start(t, func() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") })
	t.Cleanup(func() { l.Close() })
	udp := start(t, func() (net.PacketConn, error) { return net.ListenPacket("udp", l.Addr().String()) })
	t.Cleanup(func() { udp.Close() })
	return l.Addr().String()
}

// nothing is an address where nobody listens.
func nothing(t *testing.T) string {
	t.Helper()
	l := start(t, func() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") })
	l.Close()
	return l.Addr().String()
}

func TestAllWell(t *testing.T) {
	w := newWell(t, sim.AsteriskConfig{})
	w.Template = func() error { return nil }
	fs := check(t, w.Options)
	fs.allOK()
	for _, want := range []string{"settings/template", "clock/time", "asterisk/connect", "asterisk/login", "asterisk/read=system",
		"asterisk/write=reporting", "asterisk/mailboxes", "asterisk/write=user", "asterisk/read=user", "asterisk/read=call",
		"database/connect", "database/table", "database/grants", "database/index", "database/rows", "settings/mailbox.domains", "proxy/options", "proxy/notify"} {
		area, check, _ := strings.Cut(want, "/")
		fs.want(OK, area, check)
	}
	if fs.worst.ExitCode() != 0 || Warning.ExitCode() != 0 || Fault.ExitCode() != 1 {
		t.Error("the exit code is 1 for a fault alone")
	}
}

// Every area goes on when the others fail, and Ctrl-C is no fault.
func TestNothingThere(t *testing.T) {
	none := nothing(t)
	o := Options{AMI: ami.Config{Address: none, Username: "u", Secret: secret}, Proxy: silent(t), Patience: 200 * time.Millisecond,
		Database: watchers.Config{URL: "postgres://u:" + secret + "@" + none + "/db"}, Template: func() error { return os.ErrNotExist }}
	fs := check(t, o)
	fs.want(Fault, "settings", "template", "does not exist", "sip.template")
	fs.want(Fault, "asterisk", "connect", "connection refused", "ami.address")
	fs.want(Fault, "database", "connect", "connection refused", "database.url")
	fs.want(Fault, "proxy", "options")
}

// What a Ctrl-C cuts short is no finding.
func TestCancelled(t *testing.T) {
	w := newWell(t, sim.AsteriskConfig{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	last := ""
	worst := Run(ctx, w.Options, func(f Finding) {
		if last = f.Area + "/" + f.Check; last == "asterisk/login" {
			cancel()
		}
	})
	if worst != OK || last != "asterisk/login" {
		t.Errorf("%v, and the last finding was %s", worst, last)
	}
}

func TestClock(t *testing.T) {
	w := newWell(t, sim.AsteriskConfig{})
	for year, want := range map[int]Level{1970: Fault, 2024: Fault, 2025: OK, 2037: OK, 2039: Fault} {
		w.Now = func() time.Time { return time.Date(year, 7, 1, 0, 0, 0, 0, time.UTC) }
		check(t, w.Options).want(want, "clock", "time", fmt.Sprint(year, "-07-01"))
	}
}

func TestPrint(t *testing.T) {
	f := Finding{Warning, "database", "index", "none serves the lookup", "CREATE INDEX CONCURRENTLY ON t (c)"}
	var plain, coloured strings.Builder
	Print(&plain, f, false)
	if want := "warning  database  index            none serves the lookup; mend: CREATE INDEX CONCURRENTLY ON t (c)\n"; plain.String() != want {
		t.Errorf("got %q", plain.String())
	}
	Print(&coloured, f, true)
	if got := strings.NewReplacer("\x1b[33m", "", "\x1b[0m", "").Replace(coloured.String()); got != plain.String() || len(got) == coloured.Len() {
		t.Errorf("in colour: %q", coloured.String())
	}
	got, err := json.Marshal(f)
	if want := `{"level":"warning","area":"database","check":"index","detail":"none serves the lookup","mend":"CREATE INDEX CONCURRENTLY ON t (c)"}`; err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
}

// What strangers wrote stays one line, of a length.
func TestLine(t *testing.T) {
	if got := line("a\r\nb\tc\x1b[31m\x00 d\u202e"); got != "a b c?[31m? d?" {
		t.Errorf("%q", got)
	}
	if got := line(strings.Repeat("é", 9999)); len([]rune(got)) != 501 {
		t.Errorf("%d characters", len([]rune(got)))
	}
}
