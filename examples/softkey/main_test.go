package main_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/hid"
	main "github.com/lakekey/lakekey/examples/softkey"
)

// buffer is a bytes.Buffer for the program's goroutines.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// start runs the program until the test stops it; it returns the path it printed.
func start(t *testing.T, args ...string) (path string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	status := make(chan int, 1)
	var stderr buffer
	go func() {
		status <- main.Run(ctx, args, in, &stderr)
		in.Close()
	}()
	path, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, "%s", stderr.String())
	return strings.TrimSpace(path), func() {
		t.Helper()
		cancel()
		require.Zero(t, <-status, "%s", stderr.String())
	}
}

func TestServesUntilStopped(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("pseudo-terminals that carry reports exist on Linux only")
	}
	file := filepath.Join(t.TempDir(), "key")
	for range 2 { // the PIN of the first time stays
		path, stop := start(t, "-file", file, "-pty", "-pin", "1234")
		var errs bytes.Buffer
		require.Equal(t, 1, main.Run(t.Context(), []string{"-file", file, "-pty"}, io.Discard, &errs))
		require.Contains(t, errs.String(), "another program has this key open")

		transport, err := hid.Open(t.Context(), path)
		require.NoError(t, err)
		device := authenticator.NewCTAP2(transport, authenticator.Descriptor{})
		info, err := device.Info(t.Context())
		require.NoError(t, err)
		require.True(t, info.Options["clientPin"])
		require.NoError(t, device.Select(t.Context()), "it is touched whenever that is asked for")
		require.NoError(t, device.Close())
		stop()
		_, err = hid.Open(t.Context(), path)
		require.ErrorIs(t, err, hid.ErrRemoved)
	}
}

func TestCommandLine(t *testing.T) {
	for want, args := range map[string][]string{
		"-file is missing":        {"-pty"},
		"one of -pty and -uhid":   {"-file", "x"},
		"give one of":             {"-file", "x", "-pty", "-uhid"},
		"unexpected argument":     {"-file", "x", "-pty", "more"},
		"softkey -h shows":        {"-nonsense"},
		"no such file or directo": {"-file", filepath.Join("no", "such", "folder"), "-pty"},
	} {
		var stdout, stderr bytes.Buffer
		require.NotZero(t, main.Run(t.Context(), args, &stdout, &stderr), want)
		require.Contains(t, stderr.String(), want)
		require.True(t, strings.HasPrefix(stderr.String(), "softkey: "), stderr.String())
		require.Empty(t, stdout.String())
	}
	var stdout, stderr bytes.Buffer
	require.Zero(t, main.Run(t.Context(), []string{"-h"}, &stdout, &stderr))
	require.Contains(t, stderr.String(), "ssh-keygen -t ecdsa-sk")
}
