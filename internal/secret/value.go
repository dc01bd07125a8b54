package secret

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Value is a secret text that does not print. The zero Value is empty. Values
// are safe to copy and for concurrent use; compare them with [Value.Equal].
type Value struct {
	_ [0]func() // not comparable: == is not constant-time
	v *string
}

// New returns s as a Value.
func New(s string) Value { return Value{v: &s} }

// Reveal returns the text. Whoever calls it answers for where the text goes.
func (v Value) Reveal() string {
	if v.v == nil {
		return ""
	}
	return *v.v
}

// IsZero reports whether v is empty.
func (v Value) IsZero() bool { return v.v == nil || *v.v == "" }

// Equal reports whether both hold the same text, in time that does not depend
// on where they differ.
func (v Value) Equal(other Value) bool {
	a, b := sha256.Sum256([]byte(v.Reveal())), sha256.Sum256([]byte(other.Reveal()))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// Format implements [fmt.Formatter]: every verb and flag prints the same words.
func (Value) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// LogValue implements [slog.LogValuer].
func (Value) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements [encoding.TextMarshaler], which encoding/json uses too.
func (Value) MarshalText() ([]byte, error) { return []byte(redacted), nil }
