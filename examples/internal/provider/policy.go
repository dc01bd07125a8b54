package provider

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"

	"github.com/lakekey/lakekey/fido/keypolicy"
	"github.com/lakekey/lakekey/fido/mds"
)

// maxPolicy is more than any policy file has.
const maxPolicy = 1 << 20

// openPolicy reads the key policy, or returns nil if no file is named.
func openPolicy(file string) (*keypolicy.Policy, error) {
	if file == "" {
		return nil, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("-policy: %v", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPolicy+1))
	if err != nil {
		return nil, fmt.Errorf("-policy: %v", err)
	}
	p, err := keypolicy.Parse(file, text)
	if err != nil {
		return nil, fmt.Errorf("-policy: %w", err)
	}
	return p, nil
}

// metadata is what is known about key models, kept current in the background.
type metadata struct {
	*mds.Source
	stop func()
}

// openMetadata begins to keep the FIDO metadata in file. It does not wait for it:
// until it has arrived, rules that need it are not fulfilled.
func openMetadata(ctx context.Context, file string, offline bool, logger *slog.Logger) (*metadata, error) {
	source, err := mds.NewSource(mds.SourceConfig{File: file, Offline: offline, Logger: logger})
	if err != nil {
		return nil, fmt.Errorf("-metadata: %w", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // it ends with the provider
	var running sync.WaitGroup
	running.Go(func() { _ = source.Run(ctx) }) // its error is that ctx has ended
	return &metadata{source, func() { cancel(); running.Wait() }}, nil
}
