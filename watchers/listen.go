package watchers

import (
	"context"
	"errors"
	"fmt"
)

// ErrNoTrigger is Listen's where the database tells of no changes; the rest of
// the error says why.
var ErrNoTrigger = errors.New("the database does not tell of changes")

// Listen returns ErrNoTrigger: there is nothing like PostgreSQL's LISTEN.
func (m *mysqlStore) Listen(context.Context, func(), func(AoR)) error {
	return fmt.Errorf("%w: MySQL and MariaDB cannot", ErrNoTrigger)
}

// Listen returns ErrNoTrigger: nobody hears of what another program writes to a file.
func (s *sqliteStore) Listen(context.Context, func(), func(AoR)) error {
	return fmt.Errorf("%w: SQLite cannot", ErrNoTrigger)
}
