// Package bench measures the program and writes docs/performance.md and
// docs/performance.svg. It is all in its test files:
//
//	make bench
//
// The program runs as its own process against a real PostgreSQL, between a source
// of AMI events (source_test.go) and a responder that is every phone
// (responder_test.go). A floor is a process of its own too (floor_test.go).
package bench
