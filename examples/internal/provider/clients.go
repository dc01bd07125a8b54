package provider

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/lakekey/lakekey/oidc/issuer"
)

const (
	// maxClients is what the issuer reads at most, and a byte.
	maxClients = 1<<20 + 1
	// lookEvery is how soon a change of the clients file is seen.
	lookEvery = 2 * time.Second
)

// registry is the clients file, beside the client that this program brings.
type registry struct {
	file string
	own  issuer.Client
	text []byte // as it was read last

	issuer *issuer.Issuer
	log    *slog.Logger
	stop   func()
}

// openRegistry reads the clients in file, if one is named, and adds own.
func openRegistry(file string, own issuer.Client) (*registry, []issuer.Client, error) {
	r := &registry{file: file, own: own, stop: func() {}}
	if file == "" {
		return r, []issuer.Client{own}, nil
	}
	text, err := r.read()
	if err != nil {
		return nil, nil, err
	}
	r.text = text
	clients, err := r.parse(text)
	return r, clients, err
}

func (r *registry) read() ([]byte, error) {
	f, err := os.Open(r.file)
	if err != nil {
		return nil, fmt.Errorf("-clients: %v", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxClients))
	if err != nil {
		return nil, fmt.Errorf("-clients: %v", err)
	}
	return text, nil
}

func (r *registry) parse(text []byte) ([]issuer.Client, error) {
	clients, err := issuer.ParseClients(text)
	if err != nil {
		return nil, fmt.Errorf("-clients %s: %w", r.file, err)
	}
	return append(clients, r.own), nil
}

// keep looks at the file now and then until stop. A file that is wrong changes
// nothing, and is complained about once.
func (r *registry) keep(ctx context.Context, idp *issuer.Issuer, logger *slog.Logger) {
	r.issuer, r.log = idp, logger
	if r.file == "" {
		return
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // it ends with the provider
	var running sync.WaitGroup
	r.stop = func() { cancel(); running.Wait() }
	running.Go(func() {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				r.look(ctx)
			}
		}
	})
}

func (r *registry) look(ctx context.Context) {
	text, err := r.read()
	if err != nil || bytes.Equal(text, r.text) {
		return // not there for a moment: whoever replaces it is at it
	}
	r.text = text
	clients, err := r.parse(text)
	if err == nil {
		err = r.issuer.SetClients(clients)
	}
	if err != nil {
		r.log.ErrorContext(ctx, "the clients file has changed and is wrong; the clients stay as they were", "file", r.file, "error", err)
		return
	}
	r.log.InfoContext(ctx, "the clients file was read again", "file", r.file, "clients", len(clients))
}
