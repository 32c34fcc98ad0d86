package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
)

// minimal is what must be there.
const minimal = `
ami = { username = "zonkeymwi", secret = "s" }
database.url = "sqlite:x.db"
sip.proxy = "127.0.0.1"
`

var minimalEnv = []string{
	"ZONKEYMWI_AMI_USERNAME=zonkeymwi", "ZONKEYMWI_AMI_SECRET=s",
	"ZONKEYMWI_DATABASE_URL=sqlite:x.db", "ZONKEYMWI_SIP_PROXY=127.0.0.1",
}

func parse(t *testing.T, toml string, environ ...string) *Config {
	t.Helper()
	c, err := Parse("x.toml", []byte(toml), environ)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// samples are values unlike the defaults, as TOML, for every key that needs no file.
var samples = map[string]string{
	"ami.address": `"[::1]:5039"`, "ami.username": `"u"`, "ami.secret": `"x"`, "ami.auth": `"plain"`, "ami.tls": "true",
	"ami.tls_server_name": `"pbx.example.com"`, "ami.userevent": `"Lamp"`,
	"ami.ping_interval": `"1m"`,
	"database.url":      `"postgresql:///x"`, "database.table": `"presence.watchers"`, "database.lookup": `"watcher"`,
	"database.listen": "false", "database.poll_interval": `"250ms"`, "database.ledger": "true",
	"sip.proxy": `"sip.example.com;transport=tls"`, "sip.bindip": `"127.0.0.2"`, "sip.bindport": "5070",
	"sip.useragent": `"Über PBX"`, "sip.contactuser": `"mwi"`, "sip.vmexten": `"%23*97"`, "sip.method": `"publish"`,
	"sip.expires": `"90s"`, "sip.unsolicited": "true",
	"sip.cseq": `"ahead"`, "sip.request_uri": `"aor"`, "sip.route": `"socket_info"`, "sip.username": `"u"`,
	"sip.password": `"p\u00fc#=x"`, "sip.rate": "1_000", "mailbox.domain": `"sip.example.com"`,
	"admin.listen": `"localhost:0"`, "log.level": `"debug"`, "log.format": `"console"`,
}

func TestEveryKeyFromFileAndEnvironment(t *testing.T) {
	for _, without := range []string{"sip.method", "sip.unsolicited"} { // which do not go together
		t.Run("without "+without, func(t *testing.T) { testEveryKey(t, without) })
	}
}

func testEveryKey(t *testing.T, without string) {
	var file strings.Builder
	var environ []string
	seen := 0
	for _, k := range Keys() {
		sample, ok := samples[k.String()]
		if !ok {
			if k.Env() != "" && !k.file {
				t.Errorf("no sample for %s", &k)
			}
			continue
		}
		seen++
		if k.String() == without {
			continue
		}
		file.WriteString(k.String() + " = " + sample + "\n")
		environ = append(environ, k.Env()+"="+strings.NewReplacer(`"`, "", "_000", "000", `\u00fc`, "ü").Replace(sample))
	}
	if seen != len(samples) {
		t.Errorf("%d samples, %d used", len(samples), seen)
	}
	fromFile, fromEnv, defaults := parse(t, file.String()), parse(t, minimal, environ...), parse(t, minimal)
	if !reflect.DeepEqual(fromFile, fromEnv) {
		t.Errorf("file %+v\nenvironment %+v", fromFile, fromEnv)
	}
	for _, k := range Keys() {
		got, unchanged := k.field(fromEnv), k.field(defaults)
		if _, ok := samples[k.String()]; ok && k.String() != without && reflect.DeepEqual(got, unchanged) {
			t.Errorf("%s: not set", &k)
		}
	}
	if fromEnv.Database.PollInterval != 250*time.Millisecond || fromEnv.Sip.Rate != 1000 || fromEnv.Sip.Password != "pü#=x" ||
		fromEnv.Sip.Expires != 90*time.Second || fromEnv.Ami.PingInterval != time.Minute {
		t.Errorf("wrong values: %+v", fromEnv)
	}
}

func TestSecretsFromFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"ami": "a secret\n", "sub/url": "sqlite:y.db\r\n", "password": "p\xfc", "token": "t\n", "notify.tmpl": "NOTIFY",
	} {
		write(t, filepath.Join(dir, name), text)
	}
	c, err := Parse(filepath.Join(dir, "x.toml"), []byte(`
ami = { username = "u", secret_file = "ami" }
database.url_file = "sub/url"
sip = { proxy = "127.0.0.1", username = "u", password_file = "`+dir+`/password", template = "notify.tmpl" }
admin = { listen = "0.0.0.0:9742", token_file = "token" }`), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{c.Ami.Secret.Reveal(), c.Database.URL.Reveal(), c.Sip.Password.Reveal(), c.Admin.Token.Reveal(), c.Sip.Template}
	want := []string{"a secret", "sqlite:y.db", "p\xfc", "t", filepath.Join(dir, "notify.tmpl")}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if c.Ami.SecretFile != filepath.Join(dir, "ami") {
		t.Errorf("path not resolved: %q", c.Ami.SecretFile)
	}
}

func TestHugeFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "huge")
	write(t, name, strings.Repeat("x", maxFile+1))
	_, err := Parse("x.toml", []byte(minimal+`sip.template = "`+name+`"`), nil)
	if err == nil || !strings.Contains(err.Error(), "larger than 1 MiB") {
		t.Errorf("got %v", err)
	}
}

func TestEnvironmentWins(t *testing.T) {
	name := filepath.Join(t.TempDir(), "secret")
	write(t, name, "from file\n")
	tests := []struct {
		name, toml string
		environ    []string
		want       string // ami.secret
	}{
		{"file alone", minimal, nil, "s"},
		{"value over value", minimal, []string{"ZONKEYMWI_AMI_SECRET=e"}, "e"},
		{"file over value", minimal, []string{"ZONKEYMWI_AMI_SECRET_FILE=" + name}, "from file"},
		{"value over file", strings.Replace(minimal, `secret = "s"`, `secret_file = "/nowhere"`, 1), []string{"ZONKEYMWI_AMI_SECRET=e"}, "e"},
		{"empty file variable", minimal, []string{"ZONKEYMWI_AMI_SECRET_FILE="}, "s"},
	}
	for _, tt := range tests {
		if got := parse(t, tt.toml, tt.environ...).Ami.Secret.Reveal(); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestKubernetesVariablesAreNotSettings(t *testing.T) {
	parse(t, minimal,
		"ZONKEYMWI_SERVICE_HOST=127.0.0.1", "ZONKEYMWI_SERVICE_PORT=9742", "ZONKEYMWI_SERVICE_PORT_ADMIN=9742",
		"ZONKEYMWI_PORT=tcp://127.0.0.1:9742", "ZONKEYMWI_PORT_9742_TCP=tcp://127.0.0.1:9742",
		"ZONKEYMWI_PORT_9742_TCP_PROTO=tcp", "ZONKEYMWI_PORT_9742_TCP_PORT=9742", "ZONKEYMWI_PORT_9742_TCP_ADDR=127.0.0.1",
		"ZONKEYMWI_ADMIN_SERVICE_HOST=127.0.0.1", "ZONKEYMWI_ADMIN_PORT=tcp://127.0.0.1:9742")
}

func TestLoadSearches(t *testing.T) {
	t.Chdir(t.TempDir())
	c, err := Load("", minimalEnv)
	if err != nil || c.Path != "" || c.Ami.Username != "zonkeymwi" {
		t.Errorf("from the environment alone: %+v, %v", c, err)
	}
	if _, err := Load("other.toml", minimalEnv); !errors.Is(err, errNoFile) || !strings.Contains(err.Error(), "other.toml") {
		t.Errorf("a file asked for and missing: %v", err)
	}
	if _, err := Load(".", minimalEnv); err == nil || err.Error() != ".: cannot be read: is a directory" {
		t.Errorf("a directory: %v", err)
	}
	write(t, "system/second.toml", minimal)
	paths := []string{localPath, "system/second.toml"}
	if c, err := load(paths, nil); err != nil || c.Path != paths[1] {
		t.Errorf("second path: %+v, %v", c, err)
	}
	write(t, localPath, minimal)
	if c, err := Load("", nil); err != nil || c.Path != localPath {
		t.Errorf("first path: %+v, %v", c, err)
	}
	if c, err := load(paths, nil); err != nil || c.Path != localPath {
		t.Errorf("both: %+v, %v", c, err)
	}
	if err := os.WriteFile(localPath, []byte("\xef\xbb\xbf# BOM\n"+minimal), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load("", nil); err != nil {
		t.Errorf("byte order mark: %v", err)
	}
}

func TestMailboxDomain(t *testing.T) {
	c := parse(t, minimal+`
mailbox.domain = "fallback.example.com"
[mailbox.domains]
sales = "sales.example.com"
"old.example.com" = "[2001:db8::1]"
`)
	tests := []struct {
		context, want string
		ok            bool
	}{
		{"sales", "sales.example.com", true},
		{"old.example.com", "[2001:db8::1]", true},
		{"new.example.com", "new.example.com", true},
		{"", "fallback.example.com", true},
	}
	for _, tt := range tests {
		if got, ok := c.Mailbox.Domain(tt.context); got != tt.want || ok != tt.ok {
			t.Errorf("%q: got %q, %v", tt.context, got, ok)
		}
	}
	if got, ok := (Mailbox{}).Domain(""); ok || got != "" {
		t.Errorf("no context, no domain: got %q, %v", got, ok)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(minimal), "ZONKEYMWI_AMI_SECRET=x")
	f.Add([]byte(Example()), "ZONKEYMWI_X=1")
	f.Add([]byte(minimal), "=x\xad")
	f.Add([]byte("sip.\"a\\nb\" = 1\nx.y.z = [[[{a = 1}]]]\n\"\" = { \"\" = 1 }"), "ZONKEYMWI_\n=1")
	f.Add([]byte(minimal+share), "ZONKEYMWI_MAILBOX_SHARE=x")
	f.Add([]byte(minimal+share+share+"[mailbox.share.x]\n"+strings.ReplaceAll(share, "users", `""`)), "")
	f.Add([]byte("[[mailbox.share]]\nusers = '''\n[[mailbox.share]]'''\r\n [[ \"mailbox\" . share ]]\nmailboxes = [[], {}, 1]"), "")
	f.Fuzz(func(t *testing.T, data []byte, variable string) {
		c, err := Parse("x.toml", data, []string{variable})
		if err == nil {
			if c.Ami.Secret == "" || c.Sip.Proxy == "" || c.Database.URL == "" && (c.Sip.Method == MethodNotify || c.Database.Ledger) {
				t.Errorf("accepted without what is required: %+v", c)
			}
			var plain struct{ Mailbox struct{ Share []any } }
			if _, err := toml.Decode(string(data), &plain); err == nil && len(plain.Mailbox.Share) != len(c.Mailbox.Shares) {
				t.Errorf("%d shares of %d", len(c.Mailbox.Shares), len(plain.Mailbox.Share))
			}
			for _, s := range c.Mailbox.Shares {
				if len(s.Mailboxes) == 0 || len(s.Users) == 0 {
					t.Errorf("accepted an empty share: %+v", s)
				}
			}
			return
		}
		for line := range strings.SplitSeq(err.Error(), "\n") {
			named := strings.TrimPrefix(line, `"`)
			if !strings.HasPrefix(named, "x.toml:") && !strings.HasPrefix(named, envPrefix) {
				t.Errorf("no place in %q", line)
			}
		}
	})
}
