package cli

import (
	"context"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// Run runs a program with its arguments and returns its exit status. Ctrl-C and
// a request to terminate end the ctx; a second Ctrl-C ends the process at once.
func Run(run func(ctx context.Context, args []string, stdout, stderr io.Writer) int) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return run(ctx, os.Args[1:], os.Stdout, os.Stderr)
}

// List is a flag that may be given several times.
type List []string

// String implements flag.Value.
func (l *List) String() string { return strings.Join(*l, " ") }

// Set implements flag.Value.
func (l *List) Set(s string) error {
	*l = append(*l, s)
	return nil
}
