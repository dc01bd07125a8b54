package provider_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/examples/internal/provider"
	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/keypolicy"
	"github.com/lakekey/lakekey/fido/mds"
	"github.com/lakekey/lakekey/oidc/issuer"
)

// none is metadata that cannot be had.
type none struct{}

func (none) Current(context.Context) (*mds.Blob, error) { return nil, errors.New("mds: out of reach") }

func TestReviewSaysWhichKeysAreRefused(t *testing.T) {
	store := fido.NewMemoryStore()
	owner, err := store.EnsureUser(t.Context(), "ana@example.com", fido.User{Handle: []byte("handle"), Name: "ana@example.com"})
	require.NoError(t, err)
	require.NoError(t, store.AddCredential(t.Context(), fido.Credential{ID: []byte("id"), UserHandle: owner.Handle, Name: "blue key", State: fido.StateActive}, fido.Addition{}))
	policy, err := keypolicy.New(nil, keypolicy.Rule{Name: "hardware only", Profile: keypolicy.AttestedHardware()})
	require.NoError(t, err)
	cfg := fido.Config{ID: "localhost", Origins: []string{"http://localhost:1"}, InsecureNoAudit: true, Policy: policy}
	rp, err := fido.New(cfg, store)
	require.NoError(t, err)
	signer, _, _, err := audit.NewSigner("localhost/audit")
	require.NoError(t, err)
	sessions := issuer.NewMemoryStore()
	idp, err := issuer.New(t.Context(), issuer.Config{URL: "http://localhost:1", Clients: []issuer.Client{{ID: "wiki"}}, Audit: audit.NewMemory(signer, audit.Options{})}, rp, sessions)
	require.NoError(t, err)
	require.NoError(t, sessions.AddSession(t.Context(), issuer.Session{ID: "hers", ClientID: "wiki", CredentialID: []byte("id"), Expires: time.Now().Add(time.Hour)}))
	require.NoError(t, sessions.AddSession(t.Context(), issuer.Session{ID: "his", ClientID: "wiki", CredentialID: []byte("other"), Code: issuer.Hash{1}, Expires: time.Now().Add(time.Hour)}))
	var said bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&said, nil))
	provider.Review(rp, idp, false, logger)(t.Context())
	require.Contains(t, said.String(), "a registered key is refused now")
	require.Contains(t, said.String(), "blue key")
	require.Contains(t, said.String(), "hardware only")
	c, err := store.Credential(t.Context(), []byte("id"))
	require.NoError(t, err)
	require.Equal(t, fido.StateActive, c.State, "it is for an administrator to take it out of use")
	se, err := sessions.SessionByID(t.Context(), "hers")
	require.NoError(t, err)
	require.Contains(t, se.EndReason, "hardware only")
	se, err = sessions.SessionByID(t.Context(), "his")
	require.NoError(t, err)
	require.True(t, se.Ended.IsZero())

	provider.Review(rp, idp, true, logger)(t.Context())
	c, err = store.Credential(t.Context(), []byte("id"))
	require.NoError(t, err)
	require.Equal(t, fido.StateQuarantined, c.State, "or for the provider, if it is told to")

	cfg.Metadata = none{}
	rp, err = fido.New(cfg, store)
	require.NoError(t, err)
	said.Reset()
	provider.Review(rp, idp, false, logger)(t.Context())
	require.Contains(t, said.String(), "out of reach")
	require.NotContains(t, said.String(), "refused")
}
