//go:build linux

package e2e

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"zonkeymwi/internal/mytest"
)

// configure writes the files that operators are given, as they are, and the certificate of the TLS port.
func (k *Kamailio) configure() {
	k.t.Helper()
	for _, name := range []string{"kamailio.cfg", "zonkeymwi.cfg"} {
		k.copyIn(name, "..", "deploy", "kamailio", name)
	}
	if k.config.TLS {
		k.tlsPort = freePort(k.t)
		cert, key := certificate(k.t)
		k.CAFile = k.write("cert.pem", cert)
		k.write("key.pem", key)
	}
}

// copyIn gives Kamailio's user a file of the repository, which it may have no right to read.
func (k *Kamailio) copyIn(name string, from ...string) {
	k.t.Helper()
	text, err := os.ReadFile(filepath.Join(from...))
	if err != nil {
		k.t.Fatal(err)
	}
	k.write(name, string(text))
}

func (k *Kamailio) write(name, text string) (path string) {
	k.t.Helper()
	path = k.path(name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		k.t.Fatal(err)
	}
	giveAway(k.t, path)
	return path
}

// flags are Kamailio's arguments: few processes, little memory, where it listens, and what its file leaves open.
func (k *Kamailio) flags() []string {
	flags := []string{"-DD", "-E", "-n", "2", "-N", "1", "-M", "4", "-m", strconv.Itoa(cmp.Or(k.config.Memory, 32)),
		"-f", "kamailio.cfg", "-Y", k.dir, "-P", k.path("kamailio.pid"), "-l", "udp:" + k.Addr(), "-l", "tcp:" + k.Addr()}
	if k.config.TLS {
		flags = append(flags, "-l", "tls:"+k.TLSAddr())
	}
	for _, define := range k.defines() {
		flags = append(flags, "-A", define)
	}
	return flags
}

// defines are the values that deploy/kamailio's files let an operator change.
func (k *Kamailio) defines() []string {
	if k.edgeOf != nil {
		return []string{fmt.Sprintf(`REGISTRAR="sip:%s"`, k.edgeOf.Addr())}
	}
	c := k.config
	seconds := func(d time.Duration) string { return strconv.Itoa(int(cmp.Or(d, time.Second) / time.Second)) }
	defines := []string{
		"DB_URL=" + strconv.Quote(kamailioURL(c.DB)),
		"SUBS_DB_MODE=" + strconv.Itoa(max(cmp.Or(c.SubsMode, 1), 0)),
		"DB_UPDATE_PERIOD=" + seconds(c.Update),
		"CLEAN_PERIOD=5",
		"FR_TIMER=" + strconv.Itoa(int(cmp.Or(c.FRTimer, time.Second)/time.Millisecond)),
		"ASTERISK=" + strconv.Quote(cmp.Or(c.Bridge, "127.0.0.1")),
		"DOMAIN=" + strconv.Quote(cmp.Or(c.Domain, "domain.example.com")),
		"CLOCK_AHEAD=" + strconv.Itoa(int(c.Ahead/time.Second)),
		"BRIDGE_PASSWORD=" + strconv.Quote(c.Password),
		"TLS_CERT=" + strconv.Quote(k.path("cert.pem")),
		"TLS_KEY=" + strconv.Quote(k.path("key.pem")),
	}
	for name, on := range map[string]bool{"WITH_TLS": c.TLS, "WITH_NAT": c.NAT, "WITH_AUTH": c.Auth, "WITH_DIGEST": c.Password != "", "WITHOUT_CLOCK": !c.ClockCSeq,
		"WITH_MYSQL": engine(c.DB) == "mysql"} {
		if on {
			defines = append(defines, name)
		}
	}
	return defines
}

// kamailioURL leaves out the parameters, which Kamailio takes for part of the database's name.
func kamailioURL(db string) string {
	u, err := url.Parse(db)
	if err != nil {
		return db
	}
	u.RawQuery = ""
	return u.String()
}

// engine is postgres or mysql, as the URL and Kamailio call it.
func engine(db string) string {
	scheme, _, _ := strings.Cut(db, ":")
	return scheme
}

// openDB connects; an Exec without arguments may hold many statements.
func openDB(t testing.TB, db string) *sql.DB {
	t.Helper()
	if engine(db) == "mysql" {
		return mytest.Open(t, db)
	}
	pool, err := sql.Open("pgx", db)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close() })
	return pool
}

// createTables runs Kamailio's own scripts, as Debian packages them, unless they have been run before.
func createTables(t testing.TB, db string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	pool := openDB(t, db)
	defer pool.Close()
	if _, err := pool.ExecContext(ctx, "SELECT 1 FROM active_watchers LIMIT 0"); err == nil {
		return
	}
	for _, script := range []string{"standard-create.sql", "presence-create.sql", "usrloc-create.sql", "auth_db-create.sql"} {
		statements, err := os.ReadFile(filepath.Join("/usr/share/kamailio", engine(db), script))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pool.ExecContext(ctx, string(statements)); err != nil {
			t.Fatalf("%s: %v", script, err)
		}
	}
}
