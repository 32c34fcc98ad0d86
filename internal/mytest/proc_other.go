//go:build !linux

package mytest

import "syscall"

// Elsewhere the tests run as an ordinary user, and the server too.
func unprivileged() *syscall.SysProcAttr { return nil }

func giveAway(...string) error { return nil }

func untilStopped(int) error { return nil }
