//go:build linux

package e2e

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"zonkeymwi/internal/mytest"
	"zonkeymwi/internal/pgtest"
	"zonkeymwi/sim"
)

const bridgePassword = "only zonkeymwi knows"

// cellWorld is Kamailio, the bridge and four phones of one user, each of another kind.
type cellWorld struct {
	cell
	outcome
	db       string
	pool     *sql.DB // to it
	asterisk *sim.Asterisk
	admin    string // where the bridge listens; "": anywhere
	kamailio *Kamailio
	edge     *Kamailio
	program  *Program
	desk     *sim.Phone
	mobile   *sim.Phone // reboots, and in the end is switched off
	remote   *sim.Phone // behind an edge proxy
	home     *sim.Phone // behind a NAT
}

func newCellWorld(t *testing.T, c cell) *cellWorld {
	t.Helper()
	w := &cellWorld{cell: c}
	if c.maria {
		w.db = mytest.Start(t)
	} else {
		w.db = pgtest.Start(t)
	}
	w.pool = openDB(t, w.db)
	config := KamailioConfig{DB: w.db, SubsMode: c.mode, Update: 2 * time.Second, ClockCSeq: c.clock, NAT: true, TLS: c.transport == "tls"}
	if c.mode == 0 {
		config.SubsMode = NoDatabase
	}
	if c.digest {
		config.Password = bridgePassword
	}
	w.kamailio = StartKamailio(t, config)
	w.edge = StartEdge(t, w.kamailio)
	w.desk, w.mobile = w.phone(t, sim.PhoneConfig{}), w.phone(t, sim.PhoneConfig{})
	w.remote = w.phone(t, sim.PhoneConfig{Proxy: w.edge.Addr()})
	w.home = w.phone(t, sim.PhoneConfig{Inside: "127.0.0.66:9"})

	w.startAsterisk(t)
	w.program = NewProgram(t, w.configure())
	if out, code := w.program.Command("migrate"); code != 0 {
		t.Fatal(out)
	}
	w.program.Start()
	return w
}

func (w *cellWorld) startAsterisk(t *testing.T) {
	t.Helper()
	var err error
	w.asterisk, err = sim.StartAsterisk(sim.AsteriskConfig{Username: "zonkeymwi", Secret: "secret", Mailboxes: []sim.Mailbox{{Name: mailbox}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.asterisk.Close)
}

// phone is registered and subscribed.
func (w *cellWorld) phone(t *testing.T, config sim.PhoneConfig) *sim.Phone {
	t.Helper()
	config.User, config.Domain = "202", domain
	if config.Proxy == "" {
		config.Proxy = w.kamailio.Addr()
	}
	phone, err := sim.NewPhone(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(phone.Close)
	w.do(t, phone.Register)
	w.do(t, subscribe(phone))
	return phone
}

func subscribe(phone *sim.Phone) func(context.Context) error {
	return func(ctx context.Context) error { return phone.Subscribe(ctx, 600) }
}

func (w *cellWorld) do(t *testing.T, request func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := request(ctx); err != nil {
		t.Fatal(err)
	}
}

func (w *cellWorld) configure() string {
	address, more := w.kamailio.Addr(), ""
	if w.transport == "tls" {
		address, more = w.kamailio.TLSAddr(), fmt.Sprintf("tls_ca_file = %q\n", w.kamailio.CAFile)
	}
	if w.cseq != "" {
		more += fmt.Sprintf("cseq = %q\n", w.cseq)
	}
	if w.digest {
		more += fmt.Sprintf("username = %q\npassword = %q\n", "zonkeymwi", bridgePassword)
	}
	return fmt.Sprintf(`
[ami]
address = %q
username = "zonkeymwi"
secret = "secret"
[database]
url = %q
[sip]
proxy = "%s;transport=%s"
bindip = "127.0.0.1"
method = %q
%s
[admin]
listen = %q
`, w.asterisk.Addr(), w.db, address, w.transport, w.method, more, cmp.Or(w.admin, "127.0.0.1:0"))
}

// change has the mailbox hold that many new messages.
func (w *cellWorld) change(n int) sim.Lamp {
	w.asterisk.Set(mailbox, n, 0)
	return sim.Lamp{Known: true, On: n > 0, New: n}
}

// show waits until the phones show want.
func (w *cellWorld) show(t *testing.T, want sim.Lamp, phones ...*sim.Phone) {
	t.Helper()
	patience := 15 * time.Second
	if w.dark {
		patience = 1500 * time.Millisecond // the bridge leaves a second between two NOTIFYs
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, phone := range phones {
		if err := phone.WaitLamp(ctx, want); err != nil {
			w.wrong = append(w.wrong, err.Error())
		}
	}
}

func (w *cellWorld) refresh(t *testing.T, phones ...*sim.Phone) {
	t.Helper()
	w.ready(phones...)
	for _, phone := range phones {
		w.do(t, phone.Refresh)
	}
}

// resubscribe is what a phone does that has come up again: nothing is left of its old dialog but the row.
func (w *cellWorld) resubscribe(t *testing.T, phone *sim.Phone, want sim.Lamp) {
	t.Helper()
	w.ready()
	time.Sleep(200 * time.Millisecond) // what the last refresh has the bridge look at is over
	w.do(t, phone.Register)
	before, began := w.rows(t), time.Now()
	w.do(t, subscribe(phone))
	w.outcome.late = w.rows(t) == before
	w.show(t, want, phone)
	for _, n := range phone.Notifies() {
		if n.Lamp == want && n.Time.After(began) {
			w.resubscribed = n.Time.Sub(began)
			return
		}
	}
}

// leave is what a phone does that is switched off.
func (w *cellWorld) leave(t *testing.T, phone *sim.Phone) {
	t.Helper()
	w.ready(phone)
	w.do(t, phone.Unsubscribe)
	w.do(t, phone.Unregister)
}

// rows counts the subscriptions in the database.
func (w *cellWorld) rows(t *testing.T) (n int) {
	t.Helper()
	if err := w.pool.QueryRowContext(t.Context(), "SELECT count(*) FROM active_watchers").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// ready waits until phones may subscribe without two known things that would hide others. By the clock, what falls into one
// second is refused; Kamailio's clock is the kernel's coarse one, some milliseconds late. And a publication is committed some
// milliseconds after the phones are told of it, see TestKamailioCommitsLate.
func (w *cellWorld) ready(phones ...*sim.Phone) {
	if w.method == "publish" {
		time.Sleep(200 * time.Millisecond)
	}
	if !w.clock {
		return
	}
	for _, phone := range phones {
		for _, n := range phone.Notifies() {
			time.Sleep(time.Until(time.Unix(int64(n.CSeq)+1, 20e6)))
		}
	}
}

func callID(n sim.Notify) string {
	_, rest, _ := strings.Cut(string(n.Raw), "\r\nCall-ID: ")
	id, _, _ := strings.Cut(rest, "\r\n")
	return id
}

// tally sorts what the phones got by its sender and by their answer.
func (w *cellWorld) tally(t *testing.T) {
	for name, phone := range map[string]*sim.Phone{"desk": w.desk, "mobile": w.mobile, "remote": w.remote, "home": w.home} {
		told := make(map[string]uint32) // by Call-ID, the last CSeq of the bridge's
		for _, n := range phone.Notifies() {
			if n.Repeat {
				continue
			}
			who, count := "bridge", &w.bridge
			if strings.Contains(string(n.Raw), "\r\nUser-Agent: kamailio") {
				who, count = "proxy", &w.proxy
			} else {
				told[callID(n)] = max(told[callID(n)], n.CSeq)
			}
			switch {
			case n.Status == 200:
				count.accepted++
			case n.Status == 481:
				count.gone++
			case w.oneSource() && who == "proxy" && n.CSeq <= told[callID(n)]:
				count.overtaken++
			default:
				count.refused++
			}
			if name == "remote" && !strings.Contains(string(n.Raw), "\r\nVia: SIP/2.0/UDP "+w.edge.Addr()+";") {
				t.Errorf("a NOTIFY of the %s has passed the edge proxy by:\n%s", who, n.Raw)
			}
			if strings.Contains(string(n.Raw), "Authorization: ") {
				t.Errorf("the bridge's credentials came as far as the phone:\n%s", n.Raw)
			}
			t.Logf("%s %-6s from the %s: CSeq %d, %s, answered %d %s %q", n.Time.Format("05.000"), name, who, n.CSeq, n.State, n.Status, n.Reason, n.Body)
		}
	}
}
