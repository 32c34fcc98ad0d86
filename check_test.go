package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"zonkeymwi/config"
	"zonkeymwi/doctor"
)

// What the doctor looks at follows from what the bridge would do.
func TestCheckupOf(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		wrong func(doctor.Options) bool
	}{
		"notify": {"database = { url = \"sqlite:none.db\", ledger = true }\nsip.proxy = \"127.0.0.1\"\n",
			func(o doctor.Options) bool { return o.Publish || !o.Listen || !o.Database.Ledger || o.Shares != nil }},
		"publish": {"sip = { proxy = \"127.0.0.1\", method = \"publish\" }\n" +
			"[[mailbox.share]]\nmailboxes = [\"600@sales\", \"601@sales\"]\nusers = [\"201@example.com\"]\n" +
			"[[mailbox.share]]\nmailboxes = [\"600@sales\"]\nusers = [\"202@example.com\"]\n",
			func(o doctor.Options) bool {
				return !o.Publish || o.Database.URL != "" || o.Database.Ledger || !slices.Equal(o.Shares, []string{"600@sales", "601@sales", "600@sales"})
			}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "zonkeymwi.toml")
			text := "ami = { username = \"zonkeymwi\", secret = \"hush\" }\nadmin.listen = \"127.0.0.1:9\"\n" + c.text
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			loaded, err := config.Load(path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if o, err := checkupOf(t.Context(), loaded); err != nil || c.wrong(o) || o.Running {
				t.Errorf("%+v, %v", o, err)
			}
		})
	}
}
