package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/lakekey/lakekey/databricks/databrickstest"
	"github.com/lakekey/lakekey/examples/internal/provider"
	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/internal/secret"
)

// world is what the chain runs in: a provider and a workspace, each this
// program's own on loopback or one that runs elsewhere.
type world struct {
	issuer, host string
	invite       secret.Value
	workspace    *databrickstest.Workspace // nil: one that runs elsewhere
	log          *audit.Log
	verifier     note.Verifier
	closers      []func() error
	whole        bool // nothing of it runs elsewhere
}

func openWorld(ctx context.Context, s settings) (_ *world, err error) {
	w := &world{issuer: s.issuer, host: s.host, invite: secret.New(s.invite), whole: s.issuer == "" && s.key.Key == ""}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if s.issuer == "" {
		err = w.ownProvider(ctx)
	} else {
		err = w.ownLog()
	}
	if err != nil {
		return nil, err
	}
	if s.host == "" {
		err = w.ownWorkspace(ctx)
	}
	return w, err
}

func (w *world) onClose(f func() error) { w.closers = append(w.closers, f) }

// close takes everything down again, the newest first.
func (w *world) close() error {
	var err error
	for len(w.closers) > 0 {
		last := len(w.closers) - 1
		err = errors.Join(err, w.closers[last]())
		w.closers = w.closers[:last]
	}
	return err
}

// listen serves what makes of its own URL, on a free port of loopback. The name
// is localhost because an address is no RP ID.
func (w *world) listen(ctx context.Context, handler func(url string) (http.Handler, error)) (string, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listening on loopback: %v", err)
	}
	url := fmt.Sprintf("http://localhost:%d", ln.Addr().(*net.TCPAddr).Port)
	h, err := handler(url)
	if err != nil {
		return "", errors.Join(err, ln.Close())
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	w.onClose(srv.Close)
	go func() { _ = srv.Serve(ln) }() // always fails, when it is closed
	return url, nil
}

func (w *world) ownProvider(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "lakekey-quickstart-")
	if err != nil {
		return fmt.Errorf("making a temporary directory: %v", err)
	}
	w.onClose(func() error { return os.RemoveAll(dir) })
	var p *provider.Provider
	url, err := w.listen(ctx, func(url string) (_ http.Handler, err error) {
		p, err = provider.Open(ctx, provider.Config{URL: url, DB: "sqlite:" + filepath.Join(dir, "keys.db"), Audit: filepath.Join(dir, "audit.log")})
		if err != nil {
			return nil, err
		}
		w.onClose(p.Close)
		return p, nil
	})
	if err != nil {
		return err
	}
	w.issuer = url
	w.log = p.Log()
	if w.verifier, err = note.NewVerifier(p.VerifierKey); err != nil {
		return fmt.Errorf("reading the key of the audit log: %v", err)
	}
	w.invite, err = p.Invite(ctx, person)
	return err
}

// ownLog keeps the record of what this program does where the provider keeps its
// own elsewhere.
func (w *world) ownLog() error {
	signer, public, _, err := audit.NewSigner("quickstart/audit")
	if err != nil {
		return err
	}
	if w.verifier, err = note.NewVerifier(public); err != nil {
		return fmt.Errorf("reading the key of the audit log: %v", err)
	}
	w.log = audit.NewMemory(signer, audit.Options{})
	w.onClose(w.log.Close)
	return nil
}

func (w *world) ownWorkspace(ctx context.Context) error {
	url, err := w.listen(ctx, func(url string) (_ http.Handler, err error) {
		w.workspace, err = databrickstest.New(databrickstest.Options{URL: url})
		return w.workspace, err
	})
	if err != nil {
		return err
	}
	w.host = url
	// The admin of an account does this once: trust the provider.
	_, err = w.workspace.AddPolicy(databrickstest.Policy{Issuer: w.issuer})
	return err
}

// admit gives the person an account in the workspace, if it is our own.
func (w *world) admit(user string) error {
	if w.workspace == nil {
		return nil
	}
	_, err := w.workspace.AddUser(user)
	return err
}

// verifyAudit reads the log as an auditor would.
func (w *world) verifyAudit(ctx context.Context) (auditResult, error) {
	checkpoint, err := w.log.Checkpoint(ctx)
	if err != nil {
		return auditResult{}, err
	}
	var records bytes.Buffer
	if _, err := w.log.WriteTo(&records); err != nil {
		return auditResult{}, err
	}
	report, err := audit.Verify(&records, w.verifier, audit.VerifyOptions{Checkpoints: [][]byte{checkpoint}})
	if err != nil {
		return auditResult{}, err
	}
	if report.Open > 0 {
		return auditResult{}, fmt.Errorf("%d records of an intent have no result", report.Open)
	}
	return auditResult{Records: report.Records, Root: report.Root, Verified: true}, nil
}

// farewell says what is left behind.
func (w *world) farewell() string {
	if w.whole {
		return " Nothing is left on this machine."
	}
	return ""
}
