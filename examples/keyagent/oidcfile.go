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
	last := ""
	for {
		last = a.writeFile(ctx, last)
		select {
		case <-ctx.Done():
			return
		case <-a.changed:
		case <-ticker.C:
		}
	}
}

// writeFile writes what is newer than last, and removes what is over.
func (a *agent) writeFile(ctx context.Context, last string) string {
	session := a.signedIn()
	if session == nil {
		a.removeFile()
		return ""
	}
	asking, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	id, err := session.IDToken(asking, a.settings.audience)
	if err != nil {
		if !time.Now().Round(0).Before(session.Expires()) {
			a.removeFile()
			return ""
		}
		return last // the one in the file is good for a while
	}
	if token := id.Value.Reveal(); token != last {
		if err := replaceFile(a.settings.oidcFile, []byte(token)); err != nil {
			a.log.Warn("the ID token is not in its file", "error", err)
			return last
		}
		return token
	}
	return last
}

func (a *agent) removeFile() {
	if a.settings.oidcFile == "" {
		return
	}
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
