package provider_test

import (
	"context"
	"encoding/base64"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
	"github.com/lakekey/lakekey/examples/internal/provider"
	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/internal/postgrestest"
	"github.com/lakekey/lakekey/internal/secret"
	"github.com/lakekey/lakekey/oidc"
)

// A key that is revoked at one replica ends, there and then, the session that another
// one began with it, and the program is told.
func TestRevokedKeyEndsSessions(t *testing.T) {
	for name, db := range map[string]func() string{
		"sqlite":   func() string { return "sqlite:" + filepath.Join(t.TempDir(), "keys.db") },
		"postgres": func() string { return postgrestest.URL(t) },
	} {
		t.Run(name, func(t *testing.T) {
			told := make(chan string, 1)
			program := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { told <- r.PostFormValue("logout_token") }))
			t.Cleanup(program.Close)
			clients := filepath.Join(t.TempDir(), "clients.json")
			require.NoError(t, os.WriteFile(clients, []byte(`{"clients":[{"client_id":"program","backchannel_logout_uri":"`+program.URL+`"}]}`), 0o600))

			ln, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			cfg := provider.Config{URL: "http://localhost:" + strings.TrimPrefix(ln.Addr().String(), "127.0.0.1:"), DB: db(), Clients: clients}
			replica := func() *provider.Provider {
				p, err := provider.Open(t.Context(), cfg)
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, p.Close()) })
				return p
			}
			here, there := replica(), replica()
			server := &httptest.Server{Listener: ln, Config: &http.Server{Handler: there}}
			server.Start()
			t.Cleanup(server.Close)

			soft, err := softkey.New(softkey.Options{Verify: func(context.Context) error { return nil }, Fingers: []string{"thumb"}})
			require.NoError(t, err)
			key := authenticator.NewClient(authenticator.Devices(authenticator.NewCTAP2(soft, authenticator.Descriptor{Product: "softkey"})), authenticator.Options{})
			link, err := here.Invite(t.Context(), "ada@example.com")
			require.NoError(t, err)
			_, invite, _ := strings.Cut(link.Reveal(), "#")
			ceremony, err := here.Party().BeginRegistration(t.Context(), fido.RegistrationRequest{Invite: secret.New(invite)})
			require.NoError(t, err)
			response, err := key.Create(t.Context(), cfg.URL, ceremony.Options)
			require.NoError(t, err)
			credential, err := here.Party().FinishRegistration(t.Context(), ceremony.ID, response)
			require.NoError(t, err)

			found, err := oidc.Discover(t.Context(), cfg.URL, oidc.Options{})
			require.NoError(t, err)
			session, err := oidc.SignIn(t.Context(), found, key, oidc.SignInRequest{ClientID: "program", Audience: "program"})
			require.NoError(t, err)
			_, err = here.Party().Revoke(t.Context(), credential.ID, fido.Act{By: "admin"})
			require.NoError(t, err)
			payload, err := base64.RawURLEncoding.DecodeString(strings.Split(<-told, ".")[1])
			require.NoError(t, err)
			require.Contains(t, string(payload), session.ID())
		})
	}
}
