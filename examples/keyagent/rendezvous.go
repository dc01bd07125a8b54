package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// rendezvous is where the agents of one user are found: a directory that is the
// user's alone, with a socket for each.
type rendezvous struct{ dir string }

const socketSuffix = ".sock"

// newRendezvous makes sure of the directory.
func newRendezvous() (rendezvous, error) {
	dir := filepath.Join(os.TempDir(), "lakekey-"+strconv.Itoa(os.Geteuid()))
	if run := os.Getenv("XDG_RUNTIME_DIR"); run != "" {
		dir = filepath.Join(run, "lakekey")
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return rendezvous{}, fmt.Errorf("a place to be found at: %v", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return rendezvous{}, fmt.Errorf("a place to be found at: %v", err)
	}
	// In a directory that others write to, the agent that is found may be theirs.
	if !info.IsDir() || !private(info) {
		return rendezvous{}, fmt.Errorf("%s is not a directory that is yours alone: remove it, or set XDG_RUNTIME_DIR to one that is", dir)
	}
	return rendezvous{dir: dir}, nil
}

// name is that of the agent for these settings: two that would sign in the same
// way for the same access are one.
func (s *settings) name() string {
	h := sha256.New()
	hosts := slices.Clone(s.hosts)
	slices.Sort(hosts)
	words := append([]string{s.issuer, s.client, s.audience, s.identity, s.keep, s.oidcFile}, hosts...)
	scopes := strings.Fields(s.scopes)
	slices.Sort(scopes)
	words = append(append(words, scopes...), s.key.Words()...)
	if _, port, err := net.SplitHostPort(s.listen); err == nil && port != "0" {
		words = append(words, port)
	}
	if kind, _, file := strings.Cut(s.key.Key, ":"); file { // relative to here
		here, _ := os.Getwd()
		words = append(words, kind, here)
	}
	for _, word := range words {
		fmt.Fprintf(h, "%d:%s", len(word), word)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// claim waits until no other start of the same agent is under way, and returns
// the running one, or a function that ends the claim.
func (r rendezvous) claim(ctx context.Context, name string, waiting func()) (found *peer, release func(), err error) {
	path := filepath.Join(r.dir, name+".lock")
	for first := true; ; first = false {
		release, err := tryLock(path)
		if err != nil {
			return nil, nil, fmt.Errorf("a place to be found at: %v", err)
		}
		if release != nil {
			if found = r.dial(ctx, name); found != nil {
				release()
				return found, nil, nil
			}
			return nil, release, nil
		}
		if first {
			waiting()
		}
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// listen opens the socket of the agent, which holds the claim.
func (r rendezvous) listen(ctx context.Context, name string) (net.Listener, error) {
	path := filepath.Join(r.dir, name+socketSuffix)
	// Whoever holds the claim has just found that nobody answers there.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("a place to be found at: %v", err)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("a place to be found at: %v", err)
	}
	return l, nil
}

// agents are those that answer.
func (r rendezvous) agents(ctx context.Context) ([]*peer, error) {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return nil, fmt.Errorf("looking for agents: %v", err)
	}
	var found []*peer
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), socketSuffix); ok {
			if p := r.dial(ctx, name); p != nil {
				found = append(found, p)
			}
		}
	}
	return found, nil
}
