//go:build linux

// Package e2e runs the real neighbours of the bridge for tests: Asterisk 22
// from a chroot (scripts/asterisk.sh), Kamailio on PostgreSQL, and tshark as a
// judge of what goes over the wire. Everything is on 127.0.0.1, on free ports,
// in directories of its own, under an unprivileged user, and ends with its test.
//
// Where a part is missing the test skips and says what to install; with CI=true
// it fails. Linux only.
package e2e
