package watchers

import (
	"net"
	"strings"
	"testing"
)

func TestOpenRefuses(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{URL: ""}, "must begin with postgres://"},
		{Config{URL: "sqlite:"}, "must begin with"},
		{Config{URL: "postgres:host=x password=hunter2"}, "must begin with"},
		{Config{URL: "user:hunter2@tcp(127.0.0.1)/db"}, "must begin with"},
		{Config{URL: "hunter2"}, "must begin with"},
		{Config{URL: "mysql:u:hunter2@tcp(127.0.0.1)/db"}, "must begin with"},
		{Config{URL: "mysql://u:hunter2@tcp(127.0.0.1:3306)/db"}, "want mysql://user:password@host"},
		{Config{URL: "mysql://u:12/hunter2@127.0.0.1/db"}, "%2F for /"},
		{Config{URL: "mysql://u:12?hunter2@127.0.0.1/db"}, "%3F for ?"},
		{Config{URL: "mysql://u:12#hunter2@127.0.0.1/db"}, "%23 for #"},
		{Config{URL: "mysql://u:12@hunter2@127.0.0.1/db"}, "%40 for @"},
		{Config{URL: "mysql://u:hunter2%zz@127.0.0.1/db"}, "%25 for %"},
		{Config{URL: "mysql://u:hunter2"}, "want mysql://user:password@host"},
		{Config{URL: "mysql://u:hunter2@127.0.0.1"}, "want mysql://user:password@host"},
		{Config{URL: "mysql://u:hunter2@/db"}, "want mysql://user:password@host"},
		{Config{URL: "mysql://u:hunter2@127.0.0.1:70000/db"}, "want mysql://user:password@host"},
		{Config{URL: "mysql://u:hunter2@one,two/db"}, "want mysql://user:password@host"},
		{Config{URL: "mysql://u:hunter2@127.0.0.1/db?socket=/x"}, "instead of host:port"},
		{Config{URL: "mysql://u:hunter2@127.0.0.1/db?tls=perhaps"}, "skip-verify"},
		{Config{URL: "mysql://u:hunter2@127.0.0.1/db?charset=gbk"}, "latin1"},
		{Config{URL: "mysql://u:hunter2@127.0.0.1/db?timeout=hunter2"}, "timeout"},
		{Config{URL: "mysql://u:hunter2@127.0.0.1/db?multiStatements=true"}, "want mysql://user:password@host"},
		{Config{URL: "postgres://u:12/hunter2@127.0.0.1/db"}, "%2F for /"},
		{Config{URL: "postgres://u:12?hunter2@127.0.0.1/db"}, "%3F for ?"},
		{Config{URL: "postgres://u:12#hunter2@127.0.0.1/db"}, "%23 for #"},
		{Config{URL: "postgres://u:12@hunter2@127.0.0.1/db"}, "%40 for @"},
		{Config{URL: "postgres://u:hunter2%zz@127.0.0.1/db"}, "%25 for %"},
		{Config{URL: "postgres://u:hunter2"}, "want postgres://user:password@host"},
		{Config{URL: "postgres://u:hunter2@127.0.0.1:70000/db"}, "want postgres://user:password@host"},
		{Config{URL: "postgres://u:hunter2@127.0.0.1/db?sslmode=perhaps"}, "sslmode"},
		{Config{URL: "postgres://u:hunter2@127.0.0.1/db?pool_max_conns=many"}, "pool_max_conns"},
		{Config{URL: "postgres://u:hunter2@127.0.0.1/db?password=hunter2&default_query_exec_mode=x"}, "default_query_exec_mode"},
		{Config{URL: "postgres://127.0.0.1/db", MaxConns: -1}, "negative"},
		{Config{URL: "postgres://127.0.0.1/db", Table: `x"; DROP TABLE y`}, `"x\"; DROP TABLE y"`},
		{Config{URL: "sqlite:x", Table: "a.b.c"}, `"a.b.c"`},
		{Config{URL: "sqlite:x", Table: strings.Repeat("x", 64)}, "at most 63"},
	} {
		s, err := Open(c.config)
		if err == nil {
			s.Close()
			t.Errorf("%+v: opened", c.config)
			continue
		}
		if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%+v: error %q, want %q in it and no password", c.config, err, c.want)
		}
	}
}

// Nothing listens at these addresses, and several hosts are one way to have no single point of failure.
func TestOpenDoesNoIO(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	for _, url := range []string{
		"postgres://u:hunter2@" + address + "/db?sslmode=disable",
		"postgresql://u:hunter2@" + address + "," + address + "/db?sslmode=disable&target_session_attrs=read-write",
		"postgres:///db?host=/nowhere&user=u&password=hunter2",
		"mysql://u:hunter2@" + address + "/db",
		"mysql://u:hunter2@" + address + "/db?tls=true&timeout=1s",
		"mysql://u:hunter2@/db?socket=/nowhere",
		"sqlite:/nowhere/file",
		"sqlite:///nowhere/file",
	} {
		s, err := Open(Config{URL: url, MaxConns: 3})
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if _, err := s.Dialogs(t.Context(), []AoR{{"a", "b"}}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: Dialogs returned %v", url, err)
		}
		s.Close()
	}
}
