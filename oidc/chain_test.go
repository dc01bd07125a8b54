package oidc_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/oidc"
	"github.com/lakekey/lakekey/oidc/assurance"
	"github.com/lakekey/lakekey/oidc/issuer"
)

// chain is lakekey's own issuer and a person with a key that is registered
// there: the other side of the wire, written without this package.
type chain struct {
	*issuer.Issuer
	rp     *fido.RelyingParty
	key    *softkey.Key
	client *authenticator.Client
	log    *audit.Log
}

func newChain(t testing.TB, at string, hardware bool) *chain {
	t.Helper()
	signer, _, _, err := audit.NewSigner("oidc.test/audit")
	require.NoError(t, err)
	log := audit.NewMemory(signer, audit.Options{})
	ca, err := softkey.NewCA("Test CA")
	require.NoError(t, err)
	var roots []fido.Root
	if hardware {
		roots = []fido.Root{{Certificate: ca.Certificate(), Hardware: true}}
	}
	rp, err := fido.New(fido.Config{ID: "localhost", Origins: []string{at}, Audit: log, Roots: roots, UserVerification: "preferred"}, fido.NewMemoryStore())
	require.NoError(t, err)
	i, err := issuer.New(t.Context(), issuer.Config{
		URL: at, Audit: log, Clients: []issuer.Client{{ID: client, Audiences: []string{audience, "https://b.example"}}},
	}, rp, issuer.NewMemoryStore())
	require.NoError(t, err)
	key, err := softkey.New(softkey.Options{CA: ca})
	require.NoError(t, err)
	device := authenticator.NewCTAP2(key, authenticator.Descriptor{Product: "softkey"})
	c := &chain{i, rp, key, authenticator.NewClient(authenticator.Devices(device), authenticator.Options{}), log}

	invite, err := rp.Invite(t.Context(), "ada@example.com", time.Hour)
	require.NoError(t, err)
	ceremony, err := rp.BeginRegistration(t.Context(), fido.RegistrationRequest{Invite: invite})
	require.NoError(t, err)
	response, err := c.client.Create(t.Context(), at, ceremony.Options)
	require.NoError(t, err)
	_, err = rp.FinishRegistration(t.Context(), ceremony.ID, response)
	require.NoError(t, err)
	return c
}

// From a touch to tokens for two audiences at the real issuer, over HTTP.
func TestChain(t *testing.T) {
	for name, c := range map[string]struct {
		hardware bool
		asked    string
		acr      string // empty: refused
	}{
		"a key that vouches for itself":   {false, "", "phr"},
		"the same, asked to be hardware":  {false, "phrh", ""},
		"a key with a root":               {true, "", "phrh"},
		"the same, asked for less":        {true, "phr", "phr"},
		"the same, asked to be hardware ": {true, "phrh", "phrh"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewUnstartedServer(nil)
			at := "http://localhost:" + port(srv.Listener.Addr().String())
			ch := newChain(t, at, c.hardware)
			srv.Config.Handler = ch
			srv.Start()
			defer srv.Close()

			p, err := oidc.Discover(t.Context(), at, oidc.Options{})
			require.NoError(t, err)
			before := ch.key.Touches()
			s, err := oidc.SignIn(t.Context(), p, ch.client, oidc.SignInRequest{
				ClientID: client, Audience: audience, LoginHint: "ada@example.com", Assurance: assurance.EAP(assurance.Level(c.asked)),
			})
			if c.acr == "" {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "ada@example.com", s.Subject())
			for _, aud := range []string{audience, "https://b.example", audience} {
				token, err := s.IDToken(t.Context(), aud)
				require.NoError(t, err)
				require.Equal(t, aud, token.Audience)
				require.Equal(t, c.acr, token.ACR)
				require.NotEmpty(t, token.AMR)
				require.Equal(t, s.ID(), token.Session)
			}
			_, err = s.IDToken(t.Context(), "https://payroll.example")
			var refused *oidc.ExchangeError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, "invalid_target", refused.Code)
			require.Equal(t, 1, ch.key.Touches()-before, "one touch, however many tokens")

			thief, err := oidc.Steal(s)
			require.NoError(t, err)
			_, err = thief.IDToken(t.Context(), audience)
			require.Error(t, err, "the refresh token works without the session's key")

			require.NoError(t, ch.EndSession(t.Context(), s.ID(), "test"))
			_, err = s.IDToken(t.Context(), "https://c.example")
			var login *oidc.LoginRequiredError
			require.ErrorAs(t, err, &login)
		})
	}
}

// A working day at the real issuer: tokens are renewed without a touch until the
// hard end, and not a request is made after it.
func TestChainUntilTheHardEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := newChain(t, local, true)
		var requests atomic.Int64
		p, err := oidc.Discover(t.Context(), local, oidc.Options{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			requests.Add(1)
			return inProcess{ch}.RoundTrip(r)
		})})
		require.NoError(t, err)
		s, err := oidc.SignIn(t.Context(), p, ch.client, oidc.SignInRequest{ClientID: client, Audience: audience})
		require.NoError(t, err)
		touches := ch.key.Touches()
		for time.Now().Before(s.Expires()) {
			token, err := s.IDToken(t.Context(), audience)
			require.NoError(t, err)
			require.True(t, token.Expires.After(time.Now()))
			time.Sleep(time.Minute)
		}
		synctest.Wait()
		before := requests.Load()
		_, err = s.IDToken(t.Context(), audience)
		var login *oidc.LoginRequiredError
		require.ErrorAs(t, err, &login)
		require.Equal(t, before, requests.Load())
		require.Equal(t, touches, ch.key.Touches())
	})
}

// Close ends the session where it lives, not only in this process.
func TestChainClose(t *testing.T) {
	ch := newChain(t, local, true)
	p, err := oidc.Discover(t.Context(), local, oidc.Options{Transport: inProcess{ch}})
	require.NoError(t, err)
	s, err := oidc.SignIn(t.Context(), p, ch.client, oidc.SignInRequest{ClientID: client, Audience: audience})
	require.NoError(t, err)
	twin, err := oidc.Twin(s)
	require.NoError(t, err)
	_, err = twin.IDToken(t.Context(), audience)
	require.NoError(t, err, "the twin is as good as the session, while it lives")

	require.NoError(t, s.Close(t.Context()))
	_, err = twin.IDToken(t.Context(), "https://b.example")
	var login *oidc.LoginRequiredError
	require.ErrorAs(t, err, &login)
	require.Contains(t, login.Reason, "session has ended")

	var b strings.Builder
	_, err = ch.log.WriteTo(&b)
	require.NoError(t, err)
	ended := 0
	for line := range strings.Lines(b.String()) {
		if strings.Contains(line, `"type":"session.end"`) && strings.Contains(line, `"outcome":"ok"`) && strings.Contains(line, s.ID()) {
			ended++
		}
	}
	require.Equal(t, 1, ended, b.String())
}

// A key that was never registered, and a caller that leaves.
func TestChainRefuses(t *testing.T) {
	ch := newChain(t, local, false)
	p, err := oidc.Discover(t.Context(), local, oidc.Options{Transport: inProcess{ch}})
	require.NoError(t, err)
	stranger, err := softkey.New(softkey.Options{})
	require.NoError(t, err)
	device := authenticator.NewCTAP2(stranger, authenticator.Descriptor{Product: "softkey"})
	_, err = oidc.SignIn(t.Context(), p, authenticator.NewClient(authenticator.Devices(device), authenticator.Options{}), oidc.SignInRequest{ClientID: client, Audience: audience})
	require.Error(t, err)

	_, err = oidc.SignIn(t.Context(), p, noKey{t}, oidc.SignInRequest{ClientID: "nobody", Audience: audience})
	var refused *oidc.ExchangeError
	require.ErrorAs(t, err, &refused)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = oidc.SignIn(ctx, p, noKey{t}, oidc.SignInRequest{ClientID: client, Audience: audience})
	require.ErrorIs(t, err, context.Canceled)
}

func port(address string) string { return address[strings.LastIndex(address, ":")+1:] }
