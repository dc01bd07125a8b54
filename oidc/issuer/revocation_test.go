package issuer_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	fidopostgres "github.com/lakekey/lakekey/fido/postgres"
	fidosqlite "github.com/lakekey/lakekey/fido/sqlite"
	"github.com/lakekey/lakekey/internal/postgrestest"
	"github.com/lakekey/lakekey/oidc/issuer"
)

// peoples are ways to open an empty store of people's keys, of the kinds of stores.
func peoples() map[string]func(t *testing.T) fido.Store {
	return map[string]func(t *testing.T) fido.Store{
		"memory": func(*testing.T) fido.Store { return fido.NewMemoryStore() },
		"sqlite": func(t *testing.T) fido.Store {
			s, err := fidosqlite.Open(t.Context(), filepath.Join(t.TempDir(), "fido.db"))
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, s.Close()) })
			return s
		},
		"postgres": func(t *testing.T) fido.Store {
			s, err := fidopostgres.Open(t.Context(), postgrestest.URL(t))
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, s.Close()) })
			return s
		},
	}
}

// TestRevocation: what one replica ends yields no token anywhere any more, without
// anybody's clock having moved: every step asks the stores. The relying parties of
// the replicas share nothing but their store either.
func TestRevocation(t *testing.T) {
	act := fido.Act{By: "admin", Rationale: "she has left"}
	for name, open := range stores() {
		t.Run(name, func(t *testing.T) {
			s := newServiceOf(t, open(t), peoples()[name](t))
			here := s.replica(t)
			rp, err := fido.New(s.party(), s.people)
			require.NoError(t, err)
			s.front.rp = rp
			there := s.replica(t)
			end := func(these issuer.Sessions, n int) func() {
				return func() {
					ended, err := here.EndSessions(t.Context(), these, "why")
					require.NoError(t, err)
					require.Equal(t, n, ended)
				}
			}
			var a, b answer
			var credential []byte
			for _, step := range []struct {
				what string
				does func()
			}{
				{"a session", func() { require.NoError(t, here.EndSession(t.Context(), a.text("session_id"), "why")) }},
				{"a person's sessions", end(issuer.Sessions{UserName: ada}, 1)},
				{"a key's sessions", func() { end(issuer.Sessions{CredentialID: credential}, 1)() }},
				{"a client's sessions", end(issuer.Sessions{ClientID: "service"}, 1)},
				{"a client", func() { // each replica reads the file by itself
					for _, i := range []*issuer.Issuer{here, there} {
						require.NoError(t, i.SetClients(s.clients[:1]))
					}
				}},
				{"a person", func() {
					u, err := rp.UserByName(t.Context(), ada)
					require.NoError(t, err)
					_, err = rp.Block(t.Context(), u.Handle, act)
					require.NoError(t, err)
				}},
				{"a key", func() {
					u, err := rp.UserByName(t.Context(), ada)
					require.NoError(t, err)
					_, err = rp.Unblock(t.Context(), u.Handle, act)
					require.NoError(t, err)
					_, err = rp.Revoke(t.Context(), credential, act)
					require.NoError(t, err)
				}},
			} {
				if step.what != "a key" { // whose person is blocked still
					a = s.signIn(t)
					kept, err := s.store.SessionByID(t.Context(), a.text("session_id"))
					require.NoError(t, err)
					credential = kept.CredentialID
					b = s.refresh(t, there, a.text("refresh_token"))
					require.Equal(t, http.StatusOK, b.status, step.what)
				}
				step.does()
				for _, i := range []*issuer.Issuer{there, here} {
					got := s.refresh(t, i, b.text("refresh_token"))
					require.Equal(t, http.StatusBadRequest, got.status, step.what)
					require.Contains(t, []string{"invalid_grant", "invalid_client"}, got.text("error"), step.what)
				}
				for _, i := range []*issuer.Issuer{here, there} {
					require.NoError(t, i.SetClients(s.clients))
				}
				if step.what == "a client" { // it is back, and its sessions went on
					continue
				}
				got := post(t, there, frontURL+"/introspect", s.signed(url.Values{"token": {b.text("access_token")}}, s.assertion()))
				require.Equal(t, map[string]any{"active": false}, got.body, step.what)
				refusedMe(t, s.me(t, http.MethodGet, "Bearer "+b.text("access_token")), "invalid_token")
			}
			_, err = here.EndSessions(t.Context(), issuer.Sessions{}, "why")
			require.ErrorContains(t, err, "which sessions?")
		})
	}
}

// cutStore is a store that cannot be reached now and then.
type cutStore struct {
	issuer.Store
	down atomic.Bool
}

var errCut = errors.New("no answer")

func (s *cutStore) SessionByRefresh(ctx context.Context, refresh issuer.Hash) (*issuer.Session, error) {
	if s.down.Load() {
		return nil, errCut
	}
	return s.Store.SessionByRefresh(ctx, refresh)
}

func (s *cutStore) SessionByID(ctx context.Context, id string) (*issuer.Session, error) {
	if s.down.Load() {
		return nil, errCut
	}
	return s.Store.SessionByID(ctx, id)
}

func (s *cutStore) EndSessions(ctx context.Context, these issuer.Sessions, reason string, at time.Time) ([]issuer.Session, error) {
	if s.down.Load() {
		return nil, errCut
	}
	return s.Store.EndSessions(ctx, these, reason, at)
}

// A replica that has lost touch does not know what was ended, and so issues nothing.
func TestLostTouch(t *testing.T) {
	store := &cutStore{Store: issuer.NewMemoryStore()}
	s := newServiceOf(t, store, nil)
	a := s.signIn(t)
	store.down.Store(true)
	require.Equal(t, http.StatusServiceUnavailable, s.refresh(t, s, a.text("refresh_token")).status)
	require.Equal(t, http.StatusServiceUnavailable, s.me(t, http.MethodGet, "Bearer "+a.text("access_token")).status)
	got := post(t, s, frontURL+"/introspect", s.signed(url.Values{"token": {a.text("access_token")}}, s.assertion()))
	require.Equal(t, http.StatusServiceUnavailable, got.status)
	store.down.Store(false)
	require.Equal(t, http.StatusOK, s.refresh(t, s, a.text("refresh_token")).status)
}
