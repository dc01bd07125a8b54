package bench

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/oidc"
	"github.com/lakekey/lakekey/oidc/issuer"
)

// countedTrips counts what goes over the wire.
type countedTrips struct {
	http.RoundTripper
	n atomic.Int64
}

func (c *countedTrips) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return c.RoundTripper.RoundTrip(r)
}

// touched is a key that remembers what had gone over the wire when it was touched.
type touched struct {
	oidc.Key
	trips *countedTrips
	at    int64
}

func (k *touched) Get(ctx context.Context, origin string, options []byte) ([]byte, error) {
	response, err := k.Key.Get(ctx, origin, options)
	k.at = k.trips.n.Load()
	return response, err
}

// BenchmarkFirstToken: from nothing to the first Databricks token, with a key on this
// machine: discovery, two requests for the code, the tokens, the keys that verify
// them, and the exchange. After the touch there are at most four round trips. The
// workspace answers at once; its work is not lakekey's.
func BenchmarkFirstToken(b *testing.B) {
	signer, _, _, err := audit.NewSigner("bench.example.com/audit")
	require.NoError(b, err)
	log := audit.NewMemory(signer, audit.Options{})
	idp := httptest.NewUnstartedServer(nil)
	_, port, err := net.SplitHostPort(idp.Listener.Addr().String())
	require.NoError(b, err)
	at := "http://localhost:" + port
	rp, err := fido.New(fido.Config{ID: "localhost", Origins: []string{at}, Audit: log, UserVerification: "preferred"}, fido.NewMemoryStore())
	require.NoError(b, err)
	idp.Config.Handler, err = issuer.New(b.Context(), issuer.Config{URL: at, Clients: []issuer.Client{{ID: "bench", Audiences: []string{"workspace"}}}, Audit: log}, rp, issuer.NewMemoryStore())
	require.NoError(b, err)
	idp.Start()
	b.Cleanup(idp.Close)
	workspace := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"access_token":"dapi","token_type":"Bearer","expires_in":3600}`))
	}))
	b.Cleanup(workspace.Close)

	soft, err := softkey.New(softkey.Options{})
	require.NoError(b, err)
	client := authenticator.NewClient(authenticator.Devices(authenticator.NewCTAP2(soft, authenticator.Descriptor{Product: "softkey"})), authenticator.Options{})
	invite, err := rp.Invite(b.Context(), "ada@example.com", time.Hour)
	require.NoError(b, err)
	ceremony, err := rp.BeginRegistration(b.Context(), fido.RegistrationRequest{Invite: invite})
	require.NoError(b, err)
	response, err := client.Create(b.Context(), at, ceremony.Options)
	require.NoError(b, err)
	_, err = rp.FinishRegistration(b.Context(), ceremony.ID, response)
	require.NoError(b, err)

	trips := &countedTrips{RoundTripper: http.DefaultTransport}
	key := &touched{Key: client, trips: trips}
	exchanger, err := oidc.NewExchanger(workspace.URL+"/oidc/v1/token", oidc.ExchangerOptions{Transport: trips})
	require.NoError(b, err)
	var all, after int64
	b.ResetTimer()
	for b.Loop() {
		before := trips.n.Load()
		p, err := oidc.Discover(b.Context(), at, oidc.Options{Transport: trips})
		require.NoError(b, err)
		s, err := oidc.SignIn(b.Context(), p, key, oidc.SignInRequest{ClientID: "bench", Audience: "workspace", LoginHint: "ada@example.com"})
		require.NoError(b, err)
		id, err := s.IDToken(b.Context(), "workspace")
		require.NoError(b, err)
		_, err = exchanger.Exchange(b.Context(), oidc.ExchangeRequest{SubjectToken: id.Value, Scopes: []string{"sql"}})
		require.NoError(b, err)
		all, after = trips.n.Load()-before, trips.n.Load()-key.at
		require.LessOrEqual(b, after, int64(4))
	}
	b.ReportMetric(float64(all), "round-trips")
	b.ReportMetric(float64(after), "round-trips-after-touch")
}
