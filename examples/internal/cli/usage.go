package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
)

// Exit statuses, the same in every program. A program that runs a command exits with
// the command's.
const (
	statusFailed      = 1
	statusUsage       = 2
	statusInterrupted = 130 // 128 + SIGINT, as shells have it
)

// usageError is an error of the command line.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// Usagef returns an error of the command line, for which a program exits with 2.
func Usagef(format string, args ...any) error {
	return &usageError{text: fmt.Sprintf(format, args...)}
}

// Parse parses flags. For -h it prints the usage and the flags and returns
// flag.ErrHelp; what is wrong it leaves to [Status] to say, once.
func Parse(fs *flag.FlagSet, usage string, args []string, stderr io.Writer) error {
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	err := fs.Parse(args)
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, flag.ErrHelp):
		return Usagef("%v", err)
	}
	fmt.Fprint(stderr, usage)
	fs.SetOutput(stderr)
	fs.PrintDefaults()
	return err
}

// Status says on stderr how a program ended and returns its exit status.
func Status(ctx context.Context, program string, err error, stderr io.Writer) int {
	var usage *usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "%s: %v (%s -h shows how it is used)\n", program, err, program)
		return statusUsage
	case ctx.Err() != nil:
		fmt.Fprintf(stderr, "%s: interrupted\n", program)
		return statusInterrupted
	default:
		fmt.Fprintf(stderr, "%s: %v\n", program, err)
		return statusFailed
	}
}
