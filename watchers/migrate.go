package watchers

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/jackc/pgx/v5"
)

var (
	//go:embed migrate.postgres.sql
	pgMigrations string
	//go:embed migrate.sqlite.sql
	liteMigrations string
	//go:embed migrate.mysql.sql
	myMigrations string
)

// migrator is a Store that can be migrated.
type migrator interface {
	migrations() string
	migrate(ctx context.Context) error
}

// Migrations returns the SQL, one transaction or statement with comments, that installs the
// trigger for Listen (in PostgreSQL) and the ledger. To apply it again is harmless.
func Migrations(c Config) (sql string, err error) {
	err = c.migrator(func(m migrator) error { sql = m.migrations(); return nil })
	return sql, err
}

// Migrate applies Migrations, as the user of c.URL. An error, which holds no
// secret, says who may do it if that user may not.
func Migrate(ctx context.Context, c Config) error {
	return c.migrator(func(m migrator) error { return m.migrate(ctx) })
}

func (c Config) migrator(do func(migrator) error) error {
	c.MaxConns = 1
	s, err := Open(c)
	if err != nil {
		return err
	}
	defer s.Close()
	return do(s.(migrator))
}

func (p *postgres) migrations() string {
	role := strings.Map(func(r rune) rune { // it stands in a comment of one line
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, p.user)
	sql := pgMigrations
	if p.absent {
		before, rest, _ := strings.Cut(sql, "-- The trigger's function")
		_, ledger, _ := strings.Cut(rest, "-- The ledger: ")
		sql = before + "-- The ledger: " + ledger
	}
	return strings.ReplaceAll(p.sql(sql), "{role}", pgx.Identifier{role}.Sanitize())
}

func (p *postgres) migrate(ctx context.Context) error {
	conn, err := p.pool.Acquire(ctx)
	if err == nil {
		_, err = conn.Conn().PgConn().Exec(ctx, p.migrations()).ReadAll() // the pool closes a connection that is still in a transaction
		conn.Release()
	}
	switch code(err) {
	case "42501": // insufficient_privilege
		return fmt.Errorf("database: user %q: %w: this takes the owner of the table %s, who may CREATE in its schema: "+
			"use their URL, or have them apply what zonkeymwi migrate --print shows", p.user, err, p.name)
	case "55P03": // lock_not_available
		return fmt.Errorf("database table %s: %w: a long transaction uses it; try again after it", p.name, err)
	}
	if err != nil {
		return p.explain(err, "SELECT")
	}
	return nil
}

func (s *sqliteStore) migrations() string { return s.sql(liteMigrations) }

func (s *sqliteStore) migrate(ctx context.Context) error {
	conn, err := s.db.Conn(ctx)
	if err == nil {
		_, err = conn.ExecContext(ctx, s.migrations())
		conn.Close() // with MaxConns 1 and the Store closed next, a transaction left open ends here
	}
	if err != nil {
		return s.explain(err)
	}
	have, err := s.ledgerColumns(ctx)
	if err == nil && !slices.Contains(have, "etag") { // SQLite has no ADD COLUMN IF NOT EXISTS
		_, err = s.db.ExecContext(ctx, s.sql(`ALTER TABLE {ledger} ADD COLUMN etag TEXT NOT NULL DEFAULT ''`))
		err = s.explain(err)
	}
	return err
}

func (m *mysqlStore) migrations() string {
	role := strings.Map(func(r rune) rune { // it stands in a comment of one line
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, m.user)
	return strings.ReplaceAll(m.sql(myMigrations), "{role}", myText(role)+"@'%'")
}

func (m *mysqlStore) migrate(ctx context.Context) error {
	err := m.query(ctx, one(), m.migrations())
	switch myNumber(err) {
	case 0:
	case 1044, 1142:
		return fmt.Errorf("database: user %q: %w: this takes somebody who may CREATE in the database of the table %s: "+
			"use their URL, or have them apply what zonkeymwi migrate --print shows", m.user, err, m.name)
	}
	if err != nil {
		return m.explain(err, "SELECT")
	}
	return nil
}
