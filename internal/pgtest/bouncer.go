package pgtest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Anybody who connects is the superuser, in a server connection that is lent for
// one transaction. The pool is small, so that clients do share.
const bouncerConfig = `[databases]
* = host=127.0.0.1 port=%d user=postgres password=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
`

// Bouncer starts a PgBouncer in transaction mode before s, ended with t, and
// returns the URL of database db through it. It skips and fails as Start does.
func (s *Server) Bouncer(t testing.TB, db string) (url string) {
	t.Helper()
	bin, err := exec.LookPath("pgbouncer")
	if err != nil {
		bin = "/usr/sbin/pgbouncer" // where Debian has it, in no ordinary user's PATH
	}
	if _, err := os.Stat(bin); err != nil {
		lacking(t, "no PgBouncer on this machine: install Debian's package pgbouncer")
	}
	config, port := filepath.Join(s.dir, "pgbouncer.ini"), freePort()
	if err := os.WriteFile(config, fmt.Appendf(nil, bouncerConfig, s.port, s.password, port), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := giveAway(config); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "--quiet", config)
	cmd.Dir, cmd.SysProcAttr = s.dir, unprivileged()
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill() // it leaves nothing, and which signal stops it at once depends on its version
		cmd.Wait()
	})
	url = "postgres://postgres@" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) + "/" + db + "?sslmode=disable"
	await(t, url)
	return url
}

// await returns when a query is answered.
func await(t testing.TB, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	for {
		c, err := pgx.Connect(ctx, url)
		if err == nil {
			c.Close(ctx)
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(err)
		case <-time.After(10 * time.Millisecond): // a real process: nothing tells when it is ready
		}
	}
}
