package sipua

import (
	"strings"
	"testing"
)

func TestParseProxy(t *testing.T) {
	for s, want := range map[string]Proxy{
		"example.com":                     {"example.com", 0, ""},
		"127.0.0.1":                       {"127.0.0.1", 0, ""},
		"127.0.0.1:5070":                  {"127.0.0.1", 5070, ""},
		"[::1]:5070;transport=tls":        {"::1", 5070, "TLS"},
		"::1":                             {"::1", 0, ""},
		"[::1]":                           {"::1", 0, ""},
		"sip-1.example.com;transport=TCP": {"sip-1.example.com", 0, "TCP"},
	} {
		got, err := ParseProxy(s)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v", s, got, err)
		}
		if again, err := ParseProxy(got.String()); err != nil || again != got {
			t.Errorf("%q, written %q: %+v, %v", s, got, again, err)
		}
	}
	for s, want := range map[string]string{
		"":                     "not a host name",
		"sip:a@b":              "port",
		"a b":                  "not a host name",
		"host:0":               "not a number from 1 to 65535",
		"host:99999":           "not a number from 1 to 65535",
		"::1:5060:x":           "brackets",
		"host;transport=sctp":  `";transport=sctp" is not`,
		"host;lr":              `";lr" is not`,
		"host\r\nVia: x":       "host",
		"host;transport=udp;x": "is not",
	} {
		if p, err := ParseProxy(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v", s, p, err)
		}
	}
}

func TestParseTarget(t *testing.T) {
	for s, want := range map[string]string{
		"udp:127.0.0.1:5060": "udp:127.0.0.1:5060", "UDP:[::1]:5070": "udp:[::1]:5070", "127.0.0.1:5060": "udp:127.0.0.1:5060",
		"tcp:127.0.0.1": "tcp:127.0.0.1:5060", "tls:::1": "tls:[::1]:5061", "[::1]:5062": "udp:[::1]:5062", "::ffff:127.0.0.1": "udp:127.0.0.1:5060",
	} {
		if got, err := parseTarget(s, ""); err != nil || got.name != want {
			t.Errorf("%q: %v, %v", s, got.name, err)
		}
	}
	for _, s := range []string{"udp:", "udp:host:5060", "127.0.0.1:0", "ws:127.0.0.1:80", "udp:127.0.0.1:99999", ":5060"} {
		if got, err := parseTarget(s, ""); err == nil {
			t.Errorf("%q: %v", s, got.name)
		}
	}
}
