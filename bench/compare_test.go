//go:build linux

package bench

import (
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"
)

// saturateWith has fire start changes of boxes mailboxes in turn, so many under
// way at once, and returns how many NOTIFYs came a second.
func saturateWith(t testing.TB, phones *responder, atOnce, boxes int, d time.Duration, fire func(box int)) float64 {
	t.Helper()
	time.Sleep(200 * time.Millisecond) // for what is still on its way
	start, first := time.Now(), phones.answered.Load()
	for sent := int64(0); time.Since(start) < d; time.Sleep(time.Millisecond) {
		for sent-(phones.answered.Load()-first) < int64(atOnce) {
			fire(int(sent) * step % boxes)
			sent++
		}
	}
	return float64(phones.answered.Load()-first) / time.Since(start).Seconds()
}

// compareScript runs a script for each change, as Asterisk would by externnotify.
func (st *stage) compareScript(t *testing.T) {
	const what = "a script by externnotify: psql and sipsak"
	for _, name := range []string{"psql", "sipsak"} {
		if _, err := exec.LookPath(name); err != nil {
			st.report.lack(what, "no "+name+" here; apt-get install postgresql-client sipsak")
			return
		}
	}
	const atOnce, rate = 8, 10
	var started sync.WaitGroup
	script := func(box int) {
		started.Go(func() {
			cmd := exec.Command("./externnotify.sh", domain, strconv.Itoa(firstBox+box), "1", "0", "0")
			cmd.Env = append(os.Environ(), "DATABASE_URL="+st.db.url(), "PROXY="+st.phones.addr())
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("externnotify.sh: %v: %s", err, out)
			}
		})
	}
	o := other{what: what, at: rate}
	for run := range 3 {
		o.rate = append(o.rate, saturateWith(t, st.phones, atOnce, users, 2*time.Second, script))
		started.Wait()
		took := atRate(t, st.phones, rate, 2*rate, users, run*100, script)
		o.p50, o.p99 = append(o.p50, took.median()), append(o.p99, took.quantile(0.99))
		started.Wait()
	}
	st.report.compare(o)
}
