//go:build !linux

package hid

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"
)

// node does not exist here: openNode never returns one.
type node struct {
	path    string
	in, out int
}

func unsupported() error {
	return fmt.Errorf("hid: security keys are reached over Linux's hidraw, and not on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

func openNode(context.Context, string) (*node, error) { return nil, unsupported() }

func (*node) read([]byte) error        { return unsupported() }
func (*node) write([]byte) error       { return unsupported() }
func (*node) deadline(time.Time) error { return unsupported() }
func (*node) interrupt()               {}
func (*node) close() error             { return nil }
