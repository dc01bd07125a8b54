package fido_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/internal/postgrestest"
	"github.com/lakekey/lakekey/internal/secret"
)

const ana, ben = "ana@example.com", "ben@example.com"

func config() fido.Config {
	return fido.Config{ID: "example.com", Name: "Example", Origins: []string{"https://login.example.com"}, InsecureNoAudit: true, MaxCredentials: 1000}
}

func party(t testing.TB, cfg fido.Config, store fido.Store) *fido.RelyingParty {
	t.Helper()
	rp, err := fido.New(cfg, store)
	require.NoError(t, err)
	return rp
}

// stores are the stores that every promise of a relying party is kept on.
func stores(t *testing.T) map[string]fido.Store {
	all := map[string]fido.Store{}
	for _, kind := range []string{"memory", "sqlite", "postgres"} {
		all[kind] = newStore(t, kind)
	}
	return all
}

func newStore(t *testing.T, kind string) fido.Store {
	t.Helper()
	switch kind {
	case "sqlite":
		return openShared(t, filepath.Join(t.TempDir(), "keys.db"))
	case "postgres":
		return openShared(t, postgrestest.URL(t))
	}
	return fido.NewMemoryStore()
}

func beginRegistration(t testing.TB, rp *fido.RelyingParty, name string) (secret.Value, *fido.Ceremony) {
	t.Helper()
	invite, err := rp.Invite(t.Context(), name, time.Hour)
	require.NoError(t, err)
	c, err := rp.BeginRegistration(t.Context(), fido.RegistrationRequest{Invite: invite, RemoteAddr: "192.0.2.7"})
	require.NoError(t, err)
	return invite, c
}

// enrol registers a forged key for the person called name.
func enrol(t testing.TB, rp *fido.RelyingParty, name string, f *forge, change ...func(*draft)) *fido.Credential {
	t.Helper()
	_, c := beginRegistration(t, rp, name)
	credential, err := rp.FinishRegistration(t.Context(), c.ID, f.register(t, c.Options, change...))
	require.NoError(t, err)
	return credential
}

func beginSignIn(t testing.TB, rp *fido.RelyingParty, name string) *fido.Ceremony {
	t.Helper()
	c, err := rp.BeginSignIn(t.Context(), fido.SignInRequest{UserName: name, RemoteAddr: "192.0.2.7"})
	require.NoError(t, err)
	return c
}

func signIn(t testing.TB, rp *fido.RelyingParty, name string, f *forge, change ...func(*draft)) (*fido.Proof, error) {
	t.Helper()
	c := beginSignIn(t, rp, name)
	return rp.FinishSignIn(t.Context(), c.ID, fido.PurposeSignIn, f.assert(t, c.Options, change...))
}

// failsCheck asserts that err names the check.
func failsCheck(t *testing.T, err error, check string) {
	t.Helper()
	var failed *fido.VerificationError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, check, failed.Check, "%v", err)
	require.NotEmpty(t, failed.Spec)
}
