package watchers

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// keepAlive is how long a connection may be silent before the server is
	// asked whether it is there, and how long its answer may take.
	keepAlive = 15 * time.Second

	// The table's number names the channel, so that two tables in a database have two.
	pgChannel = `SELECT 'zonkeymwi_' || c.oid, count(t.oid) = 2 FROM pg_class AS c
LEFT JOIN pg_trigger AS t ON t.tgrelid = c.oid AND t.tgname IN ('zonkeymwi_insert', 'zonkeymwi_update') AND t.tgenabled IN ('O', 'A')
WHERE c.oid = to_regclass($1) GROUP BY 1`
)

func (p *postgres) Listen(ctx context.Context, ready func(), changed func(AoR)) error {
	config := p.pool.Config().ConnConfig
	config.RuntimeParams["application_name"] += " listen"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err == nil {
		err = p.listen(ctx, conn, ready, changed)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		conn.Close(ctx) // what it cannot say to the server is of no matter
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, ErrNoTrigger):
		return err
	default:
		return p.explain(err, "SELECT")
	}
}

// listen never returns nil.
func (p *postgres) listen(ctx context.Context, conn *pgx.Conn, ready func(), changed func(AoR)) error {
	channel, err := p.channel(ctx, conn)
	if err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	if err := p.rehearse(ctx, conn, channel); err != nil {
		return err
	}
	ready()
	for {
		switch n, err := p.wait(ctx, conn); {
		case err == nil:
			if a, ok := p.heard(n.Payload); ok {
				changed(a)
			}
		case ctx.Err() != nil || !pgconn.Timeout(err) || conn.IsClosed():
			return err
		default: // silence: is the server there, and the trigger still?
			if now, err := p.channel(ctx, conn); err != nil {
				return err
			} else if now != channel {
				return fmt.Errorf("the table %s was made anew", p.name)
			}
		}
	}
}

// wait returns the next notification, or a timeout after p.quiet.
func (p *postgres) wait(ctx context.Context, conn *pgx.Conn) (*pgconn.Notification, error) {
	ctx, cancel := context.WithTimeout(ctx, p.quiet)
	defer cancel()
	return conn.WaitForNotification(ctx)
}

// channel returns what the trigger notifies, ErrNoTrigger where there is none.
func (p *postgres) channel(ctx context.Context, conn *pgx.Conn) (channel string, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.quiet)
	defer cancel()
	r, err := conn.Query(ctx, pgChannel, p.quoted)
	if err != nil {
		return "", err
	}
	defer r.Close()
	var installed bool
	if err := one(&channel, &installed)(r); err != nil {
		return "", err
	}
	if !installed {
		return "", fmt.Errorf("%w: no trigger on table %s: install it with zonkeymwi migrate", ErrNoTrigger, p.name)
	}
	return channel, nil
}

// rehearse sends a notification over another connection and waits for it: in
// transaction mode PgBouncer takes a LISTEN, and nothing ever comes.
func (p *postgres) rehearse(ctx context.Context, conn *pgx.Conn, channel string) error {
	token := rand.Text()
	err := p.query(ctx, one(new(string)), "SELECT pg_notify($1, $2)::text", channel, token)
	for err == nil {
		var n *pgconn.Notification
		if n, err = p.wait(ctx, conn); err == nil && n.Payload == token {
			return nil
		}
	}
	if ctx.Err() == nil && pgconn.Timeout(err) && !conn.IsClosed() {
		return fmt.Errorf("%w: notifications do not arrive: is this PgBouncer in transaction mode? It cannot pass them on", ErrNoTrigger)
	}
	return err
}

// heard reads what the trigger sends: presentity_uri, watcher_username and watcher_domain.
func (p *postgres) heard(payload string) (AoR, bool) {
	var row [3]string
	if json.Unmarshal([]byte(payload), &row) != nil {
		return AoR{}, false // another bridge's rehearsal
	}
	return addressOf(p.byWatcher, row[0], row[1], row[2])
}
