package pgtest

import (
	"fmt"
	"os"
	"path/filepath"
)

// Renumber makes next the number of the next transaction, for tests of what
// happens when the 32 bits of it are through. It restarts s, which must be new.
func (s *Server) Renumber(next uint32) error {
	if err := s.Exec("postgres", "UPDATE pg_database SET datallowconn = true"); err != nil {
		return err
	}
	for _, db := range []string{"template0", "template1", "postgres"} { // old numbers would be in the future
		if err := s.Exec(db, "VACUUM FREEZE"); err != nil {
			return err
		}
	}
	if err := s.Stop(); err != nil {
		return err
	}
	// The states of a million transactions, two bits each, are in one file.
	states := filepath.Join(s.data(), "pg_xact", fmt.Sprintf("%04X", next>>20))
	if err := os.WriteFile(states, make([]byte, 1<<18), 0o600); err != nil {
		return err
	}
	if err := giveAway(states); err != nil {
		return err
	}
	reset := s.command("pg_resetwal", "-D", s.data(), "-x", fmt.Sprint(next), "-u", fmt.Sprint(next-100))
	if out, err := reset.CombinedOutput(); err != nil {
		return fmt.Errorf("pg_resetwal: %w\n%s", err, out)
	}
	return s.Start()
}
