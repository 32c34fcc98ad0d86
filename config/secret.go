package config

import (
	"fmt"
	"io"
)

const redacted = "[redacted]"

// Secret is a value that does not print: fmt with any verb, JSON, text and zap
// all show "[redacted]". Keep it in exported fields only: fmt cannot call the
// methods of an unexported one.
type Secret string

// Reveal is the secret itself, for the one place that needs it.
func (s Secret) Reveal() string { return string(s) }

func (Secret) String() string   { return redacted }
func (Secret) GoString() string { return redacted }

// Format implements fmt.Formatter, so that %d and %x do not show it either.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText implements encoding.TextMarshaler.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON implements json.Marshaler.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
