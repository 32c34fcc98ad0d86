package pgtest

import (
	"context"
	"errors"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// Pause freezes the server: connections stay open, nothing is answered, and new
// connections are accepted by the kernel alone. Resume or Stop ends it.
func (s *Server) Pause() error {
	return s.with("postgres", func(ctx context.Context, c *pgx.Conn) error {
		rows, _ := c.Query(ctx, "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
		pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
		if err != nil {
			return err
		}
		s.paused = append([]int{s.cmd.Process.Pid}, pids...) // the postmaster first: it starts the others
		return s.signal(syscall.SIGSTOP)
	})
}

// Resume lets a paused server go on.
func (s *Server) Resume() error {
	err := s.signal(syscall.SIGCONT)
	s.paused = nil
	return err
}

func (s *Server) signal(sig syscall.Signal) error {
	var errs []error
	for _, pid := range s.paused {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
