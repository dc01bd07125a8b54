package provider

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"

	"github.com/lakekey/lakekey/fido/audit"
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

// metadata is what is known about key models.
type metadata struct {
	*mds.Source
	updated chan struct{} // there is something new to know
	stop    func()
}

// openMetadata will keep the FIDO metadata in file, and record what becomes of it.
func openMetadata(file string, offline bool, log *audit.Log, logger *slog.Logger) (*metadata, error) {
	m := &metadata{updated: make(chan struct{}, 1), stop: func() {}}
	var err error
	m.Source, err = mds.NewSource(mds.SourceConfig{File: file, Offline: offline, Audit: log, Logger: logger, OnUpdate: func(*mds.Blob) {
		select {
		case m.updated <- struct{}{}:
		default: // somebody has been told and has not looked yet
		}
	}})
	if err != nil {
		return nil, fmt.Errorf("-metadata: %w", err)
	}
	return m, nil
}

// keep keeps the metadata current in the background, and has everybody's keys looked
// at again when there is something new. It does not wait for the first: until it has
// arrived, rules that need it are not fulfilled.
func (m *metadata) keep(ctx context.Context, review func(context.Context)) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // it ends with the provider
	var running sync.WaitGroup
	m.stop = func() { cancel(); running.Wait() }
	running.Go(func() { _ = m.Run(ctx) }) // its error is that ctx has ended
	running.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-m.updated:
				review(ctx)
			}
		}
	})
}
