package caep_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/internal/secret"
	"github.com/lakekey/lakekey/oidc/caep"
	"github.com/lakekey/lakekey/oidc/issuer"
)

// TestSessionsEnd: what a transmitter says of a person ends that person's sessions at
// an issuer, and nobody else's.
func TestSessionsEnd(t *testing.T) {
	x := newTransmitter(t)
	signer, _, _, err := audit.NewSigner("idp.example.com/audit")
	require.NoError(t, err)
	log := audit.NewMemory(signer, audit.Options{})
	t.Cleanup(func() { require.NoError(t, log.Close()) })
	store := issuer.NewMemoryStore()
	idp, err := issuer.New(t.Context(), issuer.Config{URL: "https://idp.example.com", Clients: []issuer.Client{{ID: "wiki"}}, Audit: log}, struct{ issuer.RelyingParty }{}, store)
	require.NoError(t, err)
	t.Cleanup(idp.Close)
	for _, name := range []string{"ada@example.com", "grace@example.com"} {
		require.NoError(t, store.AddSession(t.Context(), issuer.Session{ID: name, UserName: name, ClientID: "wiki", Code: issuer.HashOf(secret.New(name)), Expires: x.now().Add(time.Hour)}))
	}
	r, err := caep.NewReceiver(caep.Transmitter{Issuer: okta, Audience: here, KeysURL: x.server.URL}, func(ctx context.Context, e caep.Event) error {
		if e.Subject.Email == "" {
			return nil // whom it means is not known here
		}
		_, err := idp.EndSessions(ctx, issuer.Sessions{UserName: e.Subject.Email}, "the identity provider says "+string(e.Kind))
		return err
	}, caep.Options{Now: x.now})
	require.NoError(t, err)
	h := &heard{Receiver: r}
	code, _ := h.push(x.token(nil, nil, nil))
	require.Equal(t, http.StatusAccepted, code)
	ada, err := store.SessionByID(t.Context(), "ada@example.com")
	require.NoError(t, err)
	require.False(t, ada.Ended.IsZero())
	require.Contains(t, ada.EndReason, "session-revoked")
	grace, err := store.SessionByID(t.Context(), "grace@example.com")
	require.NoError(t, err)
	require.True(t, grace.Ended.IsZero())
}
