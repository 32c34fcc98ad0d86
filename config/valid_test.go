package config

import "testing"

func TestForms(t *testing.T) {
	tests := []struct {
		name      string
		valid     func(string) bool
		good, bad []string
	}{
		{"proxy", isProxy,
			[]string{"127.0.0.1", "127.0.0.1:5060", "sip.example.com", "sip_proxy:5070;transport=tcp", "[::1]", "[2001:db8::1]:5061;transport=tls", "h;transport=udp"},
			[]string{"", ":5060", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:+1", "::1", "[::1", "[h]", "[127.0.0.1]", "h;transport=UDP", "h;", "h;lr", "h;transport=udp;lr", "a b", "sip:h", "10.0.0", "[fe80::1%eth0]", "h:1:2"}},
		{"dial", isDialAddress,
			[]string{"127.0.0.1:5038", "asterisk:5038", "[::1]:5038"},
			[]string{"", "asterisk", ":5038", "asterisk:0", "asterisk:x", "::1:5038", "[asterisk]:5038"}},
		{"listen", isListenAddress,
			[]string{"127.0.0.1:9742", ":9742", "[::]:9742", "localhost:0"},
			[]string{"", "9742", "127.0.0.1", "127.0.0.1:-1", "a b:1"}},
		{"loopback", isLoopback,
			[]string{"127.0.0.1:1", "127.9.9.9:1", "localhost:1", "[::1]:1", "[::ffff:127.0.0.1]:1"},
			[]string{":1", "0.0.0.0:1", "[::]:1", "192.0.2.1:1", "example.com:1", "localhost.example.com:1"}},
		{"domain", isDomain,
			[]string{"example.com", "xn--bcher-kva.example", "127.0.0.1", "[::1]", "default"},
			[]string{"", "::1", "-a.example", "a..b", "example.com.", "a;b", "a>b", "bücher.example", "1.2.3"}},
		{"URL", isDatabaseURL,
			[]string{"postgres://h/x", "postgresql://u:p@h:5432/x?sslmode=require", "mysql://u@h/x", "sqlite:x.db", "sqlite:/a b/x.db"},
			[]string{"", "h", "postgres:", "postgres:h", "Postgres://h", "sqlite:?x", "postgres://u:p@q@h/x", "postgres://u:1#p@h/x", "postgres://u:1?p@h/x", "postgres://h/x y", "sqlite3:x"}},
		{"table", isTable,
			[]string{"active_watchers", "presence.active_watchers", "Table1"},
			[]string{"", "a.b.c", "1a", "a-b", `a"b`, "a$b", "a."}},
		{"mailbox", isMailbox,
			[]string{"600@sales", "600", "+4930123@old.example.com", "jürgen@büro", "a&b"},
			[]string{"", "@", "@sales", "600@", "600@sales@x", "600,601", "600@a,b", "sip:600@sales", "600 @sales", "600@sales\t", "600\u00a0", "6\u200b00", "\x00"}},
		{"address", isAddress,
			[]string{"201@example.com", "+4930@[2001:db8::1]", "*97@127.0.0.1", "a;b@h"},
			[]string{"", "201", "201@", "@example.com", "sip:201@example.com", "201@example.com:5060", "a@b@c", "2 1@h", "\"201\"@h"}},
		{"user", isSIPUser,
			[]string{"*97", "asterisk", "+4930123", "%2342"},
			[]string{"", "a b", "a@b", "<a", "#42", "%4", `a"`, "ü"}},
	}
	for _, tt := range tests {
		for _, s := range tt.good {
			if !tt.valid(s) {
				t.Errorf("%s: %q is refused", tt.name, s)
			}
		}
		for _, s := range tt.bad {
			if tt.valid(s) {
				t.Errorf("%s: %q is accepted", tt.name, s)
			}
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"secret", "secret_file", "url", "rate"}
	for name, want := range map[string]int{"secert": 0, "secretfile": 1, "uri": 2, "RATE": -1, "": -1, "zzzz": -1} {
		if got := nearest(name, names); got != want {
			t.Errorf("%q: got %d, want %d", name, got, want)
		}
	}
	if sections := []string{"ami", "database", "sip"}; nearest("spi", sections) != 2 {
		t.Errorf("spi: %s, want sip, with two letters in the other order", sections[nearest("spi", sections)])
	}
}
