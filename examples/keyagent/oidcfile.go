package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// writeEvery is how often the agent looks whether there is a newer ID token.
const writeEvery = 15 * time.Second

// keepFile keeps an ID token in the file for as long as there is a session: for
// tools that exchange by themselves, Java's above all. It is the one thing of the
// agent's on a disk, because the person asked for it, and goes with the agent.
func (a *agent) keepFile(ctx context.Context) {
	ticker := time.NewTicker(writeEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.changed:
		case <-ticker.C:
		}
		if err := a.writeFile(ctx); err != nil && ctx.Err() == nil {
			a.log.Warn("the ID token is not in its file", "error", err)
		}
	}
}

// writeFile writes a token that is newer than the one in the file, and removes
// one that is over.
func (a *agent) writeFile(ctx context.Context) error {
	a.filing.Lock()
	defer a.filing.Unlock()
	session := a.signedIn()
	if session == nil || !time.Now().Round(0).Before(session.Expires()) {
		a.emptied()
		return nil
	}
	asking, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	id, err := session.IDToken(asking, a.settings.audience)
	if err != nil {
		if a.filed != "" {
			return nil // the one in the file is good for a while
		}
		return fmt.Errorf("-oidc-file %s: %w", a.settings.oidcFile, err)
	}
	token := id.Value.Reveal()
	if token == a.filed {
		return nil
	}
	if err := replaceFile(a.settings.oidcFile, []byte(token)); err != nil {
		return err
	}
	a.filed = token
	return nil
}

func (a *agent) removeFile() {
	if a.settings.oidcFile == "" {
		return
	}
	a.filing.Lock() // who writes at this moment is done first
	defer a.filing.Unlock()
	a.emptied()
}

// emptied removes the file; the caller holds filing.
func (a *agent) emptied() {
	a.filed = ""
	if err := os.Remove(a.settings.oidcFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.log.Warn("the ID token is still in its file", "error", err)
	}
}

// replaceFile writes a file that only this user can read, in one step: a tool
// reads the old content or the new, and no newline, which some of them would send
// along.
func replaceFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".keyagent-*") // 0600
	if err != nil {
		return fmt.Errorf("-oidc-file %s: %v", path, err)
	}
	defer os.Remove(f.Name()) // nothing is there, once it is renamed
	_, err = f.Write(content)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("-oidc-file %s: %v", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("-oidc-file %s: %v", path, err)
	}
	return nil
}
