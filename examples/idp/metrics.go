package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/lakekey/lakekey/examples/internal/provider"
)

// listenMetrics listens where metrics are served; nil: nowhere.
func listenMetrics(ctx context.Context, address string) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("-metrics %s: %v", address, err)
	}
	return ln, nil
}

// serveMetrics serves the provider's metrics until the function that it returns is
// called. They have an address of their own: what the public reaches does not have
// them.
func serveMetrics(ln net.Listener, p *provider.Provider) (stop func()) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", p.ServeMetrics)
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(ln) }()
	return func() { _ = srv.Close(); <-done }
}
