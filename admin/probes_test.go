package admin

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"zonkeymwi/bridge"
)

func TestReady(t *testing.T) {
	for name, c := range map[string]struct {
		change    func(s *bridge.Status)
		condition string // that is not met; "": none
		err       string
	}{
		"all well":        {func(*bridge.Status) {}, "", ""},
		"not connected":   {func(s *bridge.Status) { s.AMI.Connected, s.AMI.Error = false, "connection refused" }, "ami", "connection refused"},
		"not dialled yet": {func(s *bridge.Status) { s.AMI.Connected = false }, "ami", "not connected yet"},
		"not booted":      {func(s *bridge.Status) { s.AMI.Booted = false }, "ami", "Asterisk has not said FullyBooted yet"},
		"not resynced":    {func(s *bridge.Status) { s.AMI.Resynced = time.Time{} }, "resync", "the mailboxes were not all read yet"},
		"database down": {func(s *bridge.Status) { s.Database.OK, s.Database.Error = false, "password authentication was refused" },
			"database", "password authentication was refused"},
		"database not asked": {func(s *bridge.Status) { s.Database = bridge.DatabaseStatus{} }, "database", "nothing was looked up yet"},
		"no mailboxes":       {func(s *bridge.Status) { s.Database, s.Mailboxes = bridge.DatabaseStatus{}, 0 }, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := well()
			c.change(&f.status)
			w := serve(options(f), request("GET", "/ready", ""))
			var got readiness
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if want := c.condition == ""; got.Ready != want || (w.Code == 200) != want || len(got.Conditions) != 3 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			for _, condition := range got.Conditions {
				if condition.OK == (condition.Name == c.condition) {
					t.Errorf("%+v", condition)
				}
				if !condition.OK && condition.Error != c.err {
					t.Errorf("error %q, want %q", condition.Error, c.err)
				}
			}
		})
	}
}

// Neither Asterisk nor the database is a reason to restart the bridge.
func TestStartupAndLiveStandAlone(t *testing.T) {
	f := well()
	f.status = bridge.Status{}
	for _, path := range []string{"/startup", "/live"} {
		if w := serve(options(f), request("GET", path, "")); w.Code != 200 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestProbesOfAStuckBridge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := well()
		f.stuck = true
		for path, code := range map[string]int{"/startup": 200, "/live": 504, "/ready": 503, "/metrics": 200, "/api/v1/status": 504} {
			start := time.Now()
			w := serve(options(f), request("GET", path, ""))
			if w.Code != code {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
			if path == "/live" && errorOf(t, w) != "the bridge did not answer within 1s" {
				t.Error(w.Body)
			}
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("%s took %v", path, took)
			}
			if path == "/metrics" && (!strings.Contains(w.Body.String(), "zonkeymwi_loop_answers 0") || strings.Contains(w.Body.String(), "zonkeymwi_mailboxes")) {
				t.Errorf("%s", w.Body)
			}
		}
	})
}
