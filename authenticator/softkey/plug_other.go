//go:build !linux

package softkey

import (
	"context"
	"errors"
	"fmt"
	"runtime"
)

// PlugPTY works on Linux only; the error wraps [errors.ErrUnsupported].
func (k *Key) PlugPTY() (*Port, error) { return nil, notHere("pseudo-terminals that carry reports") }

// PlugUHID works on Linux only; the error wraps [errors.ErrUnsupported].
func (k *Key) PlugUHID(context.Context) (*Port, error) { return nil, notHere("virtual USB keys") }

func notHere(what string) error {
	return fmt.Errorf("softkey: no %s on %s: %w", what, runtime.GOOS, errors.ErrUnsupported)
}
