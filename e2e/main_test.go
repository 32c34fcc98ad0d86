//go:build linux

package e2e

import (
	"testing"

	"go.uber.org/goleak"

	"zonkeymwi/internal/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Wrap(m)) }
