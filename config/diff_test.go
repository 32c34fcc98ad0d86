package config

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestDiff(t *testing.T) {
	dir := t.TempDir()
	read := func(secret, text string) *Config {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "secret"), []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Parse(filepath.Join(dir, "c.toml"), []byte(`ami = { username = "u", secret_file = "secret" }
database.url = "sqlite:x"
`+text), nil)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	a := read("one", `sip = { proxy = "p:5060" }`)
	for _, c := range []struct {
		secret, text string
		want         []string
	}{
		{"one", `sip = { proxy = "p:5060" }`, nil},
		{"one", `sip = { proxy = "q:5060", rate = 7 }`, []string{"sip.proxy", "sip.rate"}},
		{"two", `sip = { proxy = "p:5060" }`, []string{"ami.secret_file"}},
		{"one", "sip = { proxy = \"p:5060\" }\n[mailbox.domains]\ndefault = \"example.com\"", []string{"mailbox.domains"}},
	} {
		var got []string
		for _, k := range Diff(a, read(c.secret, c.text)) {
			got = append(got, k.String())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q: %v, want %v", c.text, got, c.want)
		}
	}
}
