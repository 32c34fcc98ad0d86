//go:build linux

package bench

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"zonkeymwi/internal/pgtest"
)

// database is one with Kamailio's table of dialogs in it.
type database struct {
	server *pgtest.Server
	name   string
}

func (d *database) url() string { return d.server.URL(d.name) }

func (d *database) exec(t testing.TB, sql string) {
	t.Helper()
	must(t, d.server.Exec(d.name, sql))
}

// newDatabase has so many users with so many phones each, all behind proxy.
func newDatabase(t testing.TB, s *pgtest.Server, name string, users, phones int, proxy string) *database {
	t.Helper()
	must(t, s.CreateDB(name))
	d := &database{s, name}
	t.Cleanup(func() { must(t, s.Exec("postgres", "DROP DATABASE "+name+" WITH (FORCE)")) })
	ddl, err := os.ReadFile("../watchers/testdata/kamailio.postgres.sql")
	must(t, err)
	d.exec(t, string(ddl))
	d.fill(t, users, phones, proxy, proxy)
	return d
}

// fill writes the rows as Kamailio does, of phones that are all at one address.
func (d *database) fill(t testing.TB, users, phones int, proxy, address string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	c, err := pgx.Connect(ctx, d.url())
	must(t, err)
	defer c.Close(ctx)
	_, err = c.Exec(ctx, fmt.Sprintf(`INSERT INTO active_watchers (presentity_uri, watcher_username, watcher_domain, to_user, to_domain, event, event_id,
to_tag, from_tag, callid, local_cseq, remote_cseq, contact, record_route, expires, status, socket_info, local_contact, from_user, from_domain, updated, updated_winfo)
SELECT 'sip:' || u || '@%[1]s', u, '%[1]s', u, '%[1]s', 'message-summary', '',
md5('to' || u || '.' || p), substr(md5('from' || u || '.' || p), 1, 10), md5(u || '.' || p) || '@192.0.2.7', 1, 2,
'sip:' || u || '@%[6]s;line=' || p, '<sip:%[2]s;lr>', 2000000000, 1,
'udp:%[2]s', 'sip:%[2]s;transport=udp', u, '%[1]s', -1, -1
FROM generate_series(%[3]d, %[3]d + %[4]d - 1) AS u, generate_series(1, %[5]d) AS p`, domain, proxy, firstBox, users, phones, address))
	must(t, err)
	_, err = c.Exec(ctx, "VACUUM ANALYZE active_watchers")
	must(t, err)
}

// postmaster is the process that started every backend.
func postmaster(t testing.TB, s *pgtest.Server) int {
	t.Helper()
	c, err := pgx.Connect(t.Context(), s.URL("postgres"))
	must(t, err)
	defer c.Close(t.Context())
	var backend int
	must(t, c.QueryRow(t.Context(), "SELECT pg_backend_pid()").Scan(&backend))
	f := statFields(fmt.Sprintf("/proc/%d/stat", backend))
	if len(f) < 2 {
		t.Fatal("PostgreSQL has ended")
	}
	pid, err := strconv.Atoi(f[1])
	must(t, err)
	return pid
}

func (w *world) pgVersion(t testing.TB) string {
	t.Helper()
	c, err := pgx.Connect(t.Context(), w.pg.URL("postgres"))
	must(t, err)
	defer c.Close(t.Context())
	var version string
	must(t, c.QueryRow(t.Context(), "SHOW server_version").Scan(&version))
	return "PostgreSQL " + version
}
