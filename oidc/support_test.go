package oidc_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/oidc"
	"github.com/lakekey/lakekey/oidc/oidctest"
)

const (
	client   = "notebook"
	audience = "https://workspace.example"
	local    = "http://localhost:8080"
)

// inProcess serves requests by a handler without a network, so that a test can
// run in a synctest bubble. It heeds the request's context as a network does.
type inProcess struct{ http.Handler }

func (h inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	done := make(chan struct{})
	go func() {
		defer close(done)
		in := req.Clone(req.Context())
		in.Host = req.URL.Host
		if in.Body == nil {
			in.Body = http.NoBody
		}
		h.ServeHTTP(rec, in)
	}()
	select {
	case <-done:
		resp := rec.Result()
		resp.Request = req
		return resp, nil
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
}

// fixture is an issuer without a network and a client of it.
type fixture struct {
	idp      *oidctest.Provider
	provider *oidc.Provider
	key      *oidctest.Key
}

func newFixture(t testing.TB, o oidctest.Options) *fixture {
	t.Helper()
	idp, err := oidctest.New(o)
	require.NoError(t, err)
	p, err := oidc.Discover(t.Context(), local, oidc.Options{Transport: inProcess{idp}, Now: o.Now})
	require.NoError(t, err)
	return &fixture{idp: idp, provider: p, key: &oidctest.Key{}}
}

func (f *fixture) signIn(ctx context.Context) (*oidc.Session, error) {
	return oidc.SignIn(ctx, f.provider, f.key, oidc.SignInRequest{ClientID: client, Audience: audience, LoginCommand: "keyagent"})
}

func (f *fixture) session(t testing.TB) *oidc.Session {
	t.Helper()
	s, err := f.signIn(t.Context())
	require.NoError(t, err)
	return s
}

// tokens returns how often the token endpoint was asked.
func (f *fixture) tokens() int { return f.idp.Requests(oidctest.TokenPath) }

// noKey fails the test when it is woken.
type noKey struct{ t testing.TB }

func (k noKey) Get(context.Context, string, []byte) ([]byte, error) {
	k.t.Error("a key was woken")
	return nil, context.Canceled
}

// fixedClock is a clock that stands until it is moved.
type fixedClock struct{ at time.Time }

func (c *fixedClock) now() time.Time { return c.at }

// counted keeps the length of the longest body read.
type counted struct {
	io.ReadCloser
	n    int64
	most *atomic.Int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	c.n += int64(n)
	c.most.Store(max(c.most.Load(), c.n))
	return n, err
}
