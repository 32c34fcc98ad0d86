package watchers

import (
	"context"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
)

const benchInsert = `INSERT INTO active_watchers (presentity_uri, watcher_username, watcher_domain, to_user, to_domain, event, event_id,
to_tag, from_tag, callid, local_cseq, remote_cseq, contact, record_route, expires, status, socket_info, local_contact)
SELECT 'sip:u' || i || '@example.com', 'u' || i, 'example.com', 'u' || i, 'example.com', 'message-summary', '',
'server' || i, 'phone' || i, 'new' || i || '@127.0.0.2', 1, 1, 'sip:u' || i || '@127.0.0.2:5070', '<sip:127.0.0.1;lr>', 2000000000, 1,
'udp:127.0.0.1:5060', 'sip:127.0.0.1:5060' FROM generate_series($1::int + 1, $1::int + $2::int) AS i`

// What the proxy's statements cost without the trigger and with it, in a table
// of 100 000 that a bridge listens to.
func BenchmarkTrigger(b *testing.B) {
	for _, migrated := range []bool{false, true} {
		name := map[bool]string{false: "without", true: "with"}[migrated]
		b.Run(name, func(b *testing.B) {
			db := engines[1].open(b, "opensips")
			db.fill(b, 100_000)
			if migrated {
				db.migrate(b)
				ctx, stop := context.WithCancel(b.Context())
				ended := make(chan error)
				s := db.store(b, Config{})
				go func() { ended <- s.Listen(ctx, func() {}, func(AoR) {}) }()
				defer func() { stop(); <-ended }()
			}
			var at atomic.Int64
			at.Store(1_000_000)
			refresh := "UPDATE active_watchers SET remote_cseq = remote_cseq + 1, expires = expires + 1 WHERE presentity_uri = 'sip:u' || $1::int || '@example.com'"
			other := strings.Replace(refresh, "remote_cseq = remote_cseq + 1, expires = expires + 1", "local_cseq = local_cseq + 1", 1)
			for _, c := range []struct {
				name string
				sql  string
				args func() []any
			}{
				{"insert-1", benchInsert, func() []any { return []any{at.Add(1), 1} }},
				{"insert-100", benchInsert, func() []any { return []any{at.Add(100), 100} }},
				{"refresh", refresh, func() []any { return []any{at.Add(7) % 100_000} }},
				{"other-update", other, func() []any { return []any{at.Add(7) % 100_000} }},
			} {
				b.Run(c.name, func(b *testing.B) {
					conn := db.connect(b)
					for b.Loop() {
						if _, err := conn.Exec(b.Context(), c.sql, c.args()...); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
			b.Run("refresh-by-8", func(b *testing.B) {
				b.SetParallelism(8 / runtime.GOMAXPROCS(0))
				b.RunParallel(func(pb *testing.PB) {
					conn := db.connect(b)
					for pb.Next() {
						if _, err := conn.Exec(context.Background(), refresh, at.Add(7)%100_000); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		})
	}
}

// connect is the proxy's connection.
func (d *database) connect(b *testing.B) *pgx.Conn {
	b.Helper()
	conn, err := pgx.Connect(context.Background(), d.url)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}
