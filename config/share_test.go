package config

import (
	"reflect"
	"testing"
)

// share may stand below any document.
const share = `
[[mailbox.share]]
mailboxes = ["600@sales", "601"]
users = ["201@example.com", "202@[2001:db8::1]"]
`

func TestShares(t *testing.T) {
	one := Share{Mailboxes: []string{"600@sales", "601"}, Users: []SIPUser{{"201", "example.com"}, {"202", "[2001:db8::1]"}}}
	other := Share{Mailboxes: []string{"600@sales"}, Users: []SIPUser{{"203", "example.com"}}}
	for name, c := range map[string]struct {
		toml string
		want []Share
	}{
		"none":  {minimal, nil},
		"one":   {minimal + share, []Share{one}},
		"order": {minimal + share + "[log]\n[[mailbox.share]]\nusers = ['203@example.com']\nmailboxes = ['600@sales',]\n" + share, []Share{one, other, one}},
	} {
		if got := parse(t, c.toml).Mailbox.Shares; !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

func TestPublishNeedsNoDatabase(t *testing.T) {
	const rest = `ami = { username = "u", secret = "s" }
sip = { proxy = "127.0.0.1", method = "publish" }
`
	for _, c := range []struct{ toml, url string }{
		{rest, ""},
		{rest + `database.url = "sqlite:x.db"`, "sqlite:x.db"},
		{rest + `database = { url = "sqlite:x.db", ledger = true }`, "sqlite:x.db"},
	} {
		d := parse(t, c.toml).Database
		if d.URL.Reveal() != c.url || d.Redacted() != c.url {
			t.Errorf("%s: got %q, shown as %q", c.toml, d.URL.Reveal(), d.Redacted())
		}
	}
}
