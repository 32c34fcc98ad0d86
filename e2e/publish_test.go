//go:build linux

package e2e

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"zonkeymwi/internal/pgtest"
	"zonkeymwi/sim"
)

// publisher is the program with sip.method = "publish", at a real Kamailio.
func publisher(t *testing.T, more string) *cellWorld {
	t.Helper()
	w := &cellWorld{cell: cell{method: "publish", transport: "udp"}, db: pgtest.Start(t)}
	w.kamailio = StartKamailio(t, KamailioConfig{DB: w.db})
	w.pool = openDB(t, w.db)
	w.startAsterisk(t)
	w.admin = fmt.Sprintf("127.0.0.1:%d", freePort(t))
	w.program = NewProgram(t, strings.Replace(w.configure(), "[sip]", more+"\n[sip]", 1))
	return w
}

func (w *cellWorld) exec(t *testing.T, sql string) {
	t.Helper()
	if _, err := w.pool.ExecContext(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// publications is how many Kamailio has.
func (w *cellWorld) publications(t *testing.T) (n int) {
	t.Helper()
	if err := w.pool.QueryRowContext(t.Context(), "SELECT count(*) FROM presentity").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestPublish: with the ledger, publications outlive the bridge's sudden death, and are made anew where Kamailio has lost
// them.
func TestPublish(t *testing.T) {
	w := publisher(t, "ledger = true")
	if out, code := w.program.Command("migrate"); code != 0 {
		t.Fatal(out)
	}
	w.program.Start()
	phone := newPhone(t, w.kamailio.Addr(), "202")
	wantLamp(t, phone, w.change(1))
	w.program.Await(2, Event{"event": "notify_result", "status": 200}) // the second is to make sure
	time.Sleep(3 * time.Second)                                        // for the ledger: it is killed at once below

	for i := range 3 {
		w.program.Kill()
		n := 2 + i
		if i == 2 {
			n-- // nothing has changed while it was away
		}
		want := w.change(n)
		w.program.Start()
		wantLamp(t, phone, want)
		w.program.Await(1, Event{"event": "resync"})
		time.Sleep(3 * time.Second)
		if got := w.publications(t); got != 1 {
			t.Errorf("%d publications after the restart", got)
		}
	}
	if out, code := w.program.Command("explain", "202", domain); code != 0 || !strings.Contains(out, "The presence server, which tells the phones: it shows that (3/0), acknowledged.") {
		t.Errorf("explain ended %d:\n%s", code, out)
	}

	w.exec(t, "DELETE FROM presentity")
	wantLamp(t, phone, w.change(4))
	w.program.Await(1, Event{"event": "notify_result", "status": 412})
	later := newPhone(t, w.kamailio.Addr(), "202")
	wantLamp(t, later, sim.Lamp{Known: true, On: true, New: 4})

	// Down with the database goes Kamailio too; the bridge does not need it.
	w.exec(t, "ALTER TABLE zonkeymwi_ledger RENAME TO gone")
	wantLamp(t, phone, w.change(0))
	wantLamp(t, later, sim.Lamp{Known: true})
}

// TestPublishRightAfterLateCommit: a phone that subscribes between Kamailio's answer to a PUBLISH and its commit
// (TestKamailioCommitsLate) has the right lamp soon, without doing anything.
func TestPublishRightAfterLateCommit(t *testing.T) {
	w := publisher(t, "")
	w.program.Start()
	early := newPhone(t, w.kamailio.Addr(), "202")
	wantLamp(t, early, w.change(0))
	time.Sleep(3 * time.Second) // that one's second PUBLISH
	w.exec(t, `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1); RETURN NULL; END';
		CREATE CONSTRAINT TRIGGER slow AFTER UPDATE ON presentity INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()`)
	for try := range 3 {
		want := w.change(1 + try)
		wantLamp(t, early, want)
		between := newPhone(t, w.kamailio.Addr(), "202")
		if err := between.WaitNotifies(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		came := between.Lamp() != want // else the machine is busy
		wantLamp(t, between, want)
		if came {
			return
		}
	}
	t.Error("no phone came in between")
}

// TestPublishWithoutDatabase: none is needed, and check says so.
func TestPublishWithoutDatabase(t *testing.T) {
	w := publisher(t, "")
	config := regexp.MustCompile(`(?m)^\[database\]\nurl = .*\n`).ReplaceAllString(w.configure(), "")
	w.program.Configure(config)
	w.program.Start()
	phone := newPhone(t, w.kamailio.Addr(), "202")
	wantLamp(t, phone, w.change(2))
	if out, code := w.program.Command("status"); code != 0 || !strings.Contains(out, "Module ENABLED") || !strings.Contains(out, "not needed") {
		t.Errorf("status ended %d:\n%s", code, out)
	}
	if out, code := w.program.Command("check"); !strings.Contains(out, "not needed") || !strings.Contains(out, "412") {
		t.Errorf("check ended %d:\n%s", code, out)
	}
	if out, code := w.program.Command("migrate"); code != 1 || !strings.Contains(out, "database.url is not set") {
		t.Errorf("migrate ended %d:\n%s", code, out)
	}
}
