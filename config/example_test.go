package config

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

const exampleFile = "../config.toml.example"

func TestExampleFile(t *testing.T) {
	if *update {
		write(t, exampleFile, Example())
	}
	got, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != Example() {
		t.Errorf("%s is not what Example says: run go generate ./config", exampleFile)
	}
}

// fill gives the example's required keys, the first of their names, a value.
func fill(example string) string {
	for key, value := range map[string]string{"username": "zonkeymwi", "secret": "s", "url": "sqlite:x.db", "proxy": "127.0.0.1"} {
		example = strings.Replace(example, "\n"+key+` = ""`, "\n"+key+` = "`+value+`"`, 1)
	}
	return example
}

func TestExampleIsTheDefaults(t *testing.T) {
	data, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	setting := regexp.MustCompile(`(?m)^#([a-z_]+ = |\[\[)`)
	uncommented := setting.ReplaceAllString(string(data), "$1")
	want, err := Parse("x.toml", []byte(minimal), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"as it is": fill(string(data)), "uncommented": fill(uncommented)} {
		got, err := Parse("x.toml", []byte(text), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if name == "uncommented" { // the one thing shown that is no default
			if !reflect.DeepEqual(got.Mailbox.Shares, []Share{{
				Mailboxes: []string{"600@sales", "601@sales"},
				Users:     []SIPUser{{"201", "example.com"}, {"202", "example.com"}},
			}}) {
				t.Errorf("%s: shares %+v", name, got.Mailbox.Shares)
			}
			got.Mailbox.Shares = nil
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v\nwant %+v", name, got, want)
		}
	}
	if n := len(setting.FindAllString(string(data), -1)); n != len(Keys())-5+2 { // 4 required and a table are not commented; a share is three lines
		t.Errorf("%d settings are commented out, of %d", n, len(Keys()))
	}
}

func TestDefaults(t *testing.T) {
	got, err := Parse("x.toml", []byte(minimal), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Path: "x.toml",
		Ami: Ami{Address: "127.0.0.1:5038", Username: "zonkeymwi", Secret: "s", Auth: "md5", UserEvent: "ZonkeyMWI",
			PingInterval: 15 * time.Second},
		Database: Database{URL: "sqlite:x.db", Table: "active_watchers", Lookup: "presentity", Listen: true,
			PollInterval: 5 * time.Second},
		Sip: Sip{Proxy: "127.0.0.1", UserAgent: "Asterisk", ContactUser: "asterisk", VMExten: "*97", Method: "notify",
			Expires: time.Hour, CSeq: "clock", RequestURI: "contact", Route: "proxy", Rate: 500},
		Mailbox: Mailbox{Domains: map[string]string{}},
		Admin:   Admin{Listen: "127.0.0.1:9742"},
		Log:     Log{Level: "info", Format: "json"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// TestKeysCoverConfig holds the table and the struct together.
func TestKeysCoverConfig(t *testing.T) {
	var c Config
	bound := map[any]string{}
	for _, k := range Keys() {
		p := k.field(&c)
		if other, ok := bound[p]; ok {
			t.Errorf("%s and %s share a field", &k, other)
		}
		bound[p] = k.String()
		if k.Doc == "" || strings.Contains(k.Doc, "\n") || k.Want == "" {
			t.Errorf("%s: wants a Doc of one line, and a Want", &k)
		}
		if (k.Secret || k.into != nil) && k.Reload {
			t.Errorf("%s: a secret is used at start only", &k)
		}
	}
	v := reflect.ValueOf(&c).Elem()
	for i := range v.NumField() {
		section := v.Field(i)
		for j := 0; section.Kind() == reflect.Struct && j < section.NumField(); j++ {
			name := v.Type().Field(i).Name + "." + section.Type().Field(j).Name
			if _, ok := bound[section.Field(j).Addr().Interface()]; !ok && name != "Admin.Token" {
				t.Errorf("no key sets %s", name)
			}
		}
	}
}
