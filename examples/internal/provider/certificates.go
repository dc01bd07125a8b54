package provider

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/oidc/certwatch"
)

const (
	watchEvery = 12 * time.Hour
	watchAgain = 10 * time.Minute // after a document that could not be read
)

// Certificates reads the certificates of the providers in file, those that expire first
// at the front, and hands each warning that is due to warn. The error names documents
// that could not be read.
func Certificates(ctx context.Context, file string, warn func(certwatch.Warning)) ([]certwatch.Certificate, error) {
	others, err := openOthers(file)
	if err != nil {
		return nil, err
	}
	w, err := certwatch.New(documents(others), certwatch.Options{Warn: func(_ context.Context, w certwatch.Warning) { warn(w) }})
	if err != nil {
		return nil, fmt.Errorf("-providers %s: %w", file, err)
	}
	return w.Check(ctx)
}

// certificates are those of the other providers, as they were seen last.
type certificates struct {
	watcher *certwatch.Watcher
	stop    func()

	mu     sync.Mutex
	seen   []certwatch.Certificate
	failed bool
}

// openCertificates will watch the documents of others, and record each warning.
func openCertificates(others []other, log *audit.Log, logger *slog.Logger) (*certificates, error) {
	c := &certificates{stop: func() {}}
	var err error
	c.watcher, err = certwatch.New(documents(others), certwatch.Options{Warn: func(ctx context.Context, w certwatch.Warning) {
		logger.WarnContext(ctx, w.String())
		e := audit.Event{Type: "certificate.expiring", Outcome: audit.OK, Reason: w.String()}
		if err := log.Append(context.WithoutCancel(ctx), e); err != nil {
			logger.ErrorContext(ctx, "recording a warning", "error", err)
		}
	}})
	if err != nil {
		return nil, fmt.Errorf("-providers: %w", err)
	}
	return c, nil
}

// keep looks at them now and then until stop.
func (c *certificates) keep(ctx context.Context, logger *slog.Logger) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // it ends with the provider
	var running sync.WaitGroup
	c.stop = func() { cancel(); running.Wait() }
	running.Go(func() {
		for {
			again := time.NewTimer(c.look(ctx, logger))
			select {
			case <-ctx.Done():
				again.Stop()
				return
			case <-again.C:
			}
		}
	})
}

// look looks at them and returns when to do so again.
func (c *certificates) look(ctx context.Context, logger *slog.Logger) time.Duration {
	seen, err := c.watcher.Check(ctx)
	if ctx.Err() != nil {
		return watchAgain
	}
	c.mu.Lock()
	c.seen, c.failed = seen, err != nil
	c.mu.Unlock()
	if err != nil {
		logger.WarnContext(ctx, "certificates of other identity providers could not be looked at", "error", err)
		return watchAgain
	}
	return watchEvery
}

// ServeMetrics says what is worth an alarm, in the text format of Prometheus: how many
// days are left of the certificates of other providers, and until the next signing key
// takes over from the one that signs.
// https://prometheus.io/docs/instrumenting/exposition_formats/
func (p *Provider) ServeMetrics(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	states, err := p.issuer.Keyring().List(r.Context())
	if err != nil {
		http.Error(w, "the signing keys cannot be read now", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	var b strings.Builder
	gauge(&b, "lakekey_signing_key_days_left", "Days until the next signing key takes over from the one that signs.")
	if signs, next := Succession(states); signs != nil && next != nil {
		fmt.Fprintf(&b, "lakekey_signing_key_days_left{kid=%s} %d\n", label(signs.ID), int(next.SignsFrom.Sub(now).Hours()/24))
	}
	if c := p.certificates; c != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		gauge(&b, "lakekey_certificate_days_left", "Days left of a certificate that an identity provider publishes; negative once it has expired.")
		for _, k := range c.seen {
			fmt.Fprintf(&b, "lakekey_certificate_days_left{provider=%s,subject=%s,sha256=%s} %d\n", label(k.Source), label(k.Subject), label(k.SHA256), k.DaysLeft(now))
		}
		gauge(&b, "lakekey_certificates_unread", "1 if a document with certificates could not be read when it was looked at last.")
		unread := 0
		if c.failed {
			unread = 1
		}
		fmt.Fprintf(&b, "lakekey_certificates_unread %d\n", unread)
	}
	_, _ = io.WriteString(w, b.String())
}

func gauge(b *strings.Builder, name, help string) {
	fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name)
}

// label quotes a label's value: "backslash … double-quote … line feed" are escaped.
func label(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(strings.ToValidUTF8(s, "?")) + `"`
}
