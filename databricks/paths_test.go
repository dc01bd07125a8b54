package databricks_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/databricks/databricks-sdk-go/service/serving"
	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/databricks"
)

// authenticator is databricks-sql-go's interface of that name, v1.14.0.
type authenticator interface {
	Authenticate(*http.Request) error
}

var _ authenticator = (*databricks.TokenSource)(nil)

// The SDK asks a serving endpoint's data plane with a token of that endpoint's
// own, for which it trades the session's. (At v0.175.0 it sends the question to
// the workspace, whatever host the endpoint's address names.)
func TestDataPlane(t *testing.T) {
	w := newWorld(t)
	var assertions atomic.Int64
	host := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		answer := func(v any) {
			rw.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(rw).Encode(v)
		}
		switch {
		case r.URL.Path == "/api/2.0/serving-endpoints/bot":
			answer(map[string]any{"name": "bot", "data_plane_info": map[string]any{"query_info": map[string]any{
				"authorization_details": `[{"type":"x"}]`, "endpoint_url": "https://plane.example/query"}}})
		case r.URL.Path == "/oidc/v1/token" && r.Method == http.MethodPost && r.Header.Get("Authorization") != "":
			assertions.Add(1)
			require.NoError(t, r.ParseForm())
			require.Equal(t, r.Header.Get("Authorization"), "Bearer "+r.Form.Get("assertion"))
			answer(map[string]any{"access_token": "plane-token", "token_type": "Bearer", "expires_in": 3600})
		case r.URL.Path == "/query" && r.Header.Get("Authorization") == "Bearer plane-token":
			answer(map[string]any{"id": "answer-1"})
		default:
			w.ServeHTTP(rw, r)
		}
	}))
	defer host.Close()
	c := client(t, w.source(t, func(c *databricks.Config) { c.Host = host.URL }))
	for range 3 {
		got, err := c.ServingEndpointsDataPlane.Query(t.Context(), serving.QueryEndpointInput{Name: "bot"})
		require.NoError(t, err)
		require.Equal(t, "answer-1", got.Id)
	}
	require.EqualValues(t, 1, assertions.Load())
	require.Equal(t, 1, w.exchanges())
}

// A workspace behind a company's own certificate authority.
func TestPrivateCA(t *testing.T) {
	w := newWorld(t)
	host := httptest.NewTLSServer(w)
	defer host.Close()
	_, err := w.source(t, func(c *databricks.Config) { c.Host = host.URL }).Token(t.Context())
	require.ErrorContains(t, err, "certificate")

	s := w.source(t, func(c *databricks.Config) { c.Host, c.Transport = host.URL, host.Client().Transport })
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, host.URL+"/api/2.1/jobs/list", nil)
	require.NoError(t, err)
	require.NoError(t, s.Authenticate(r))
	r.Header.Set("User-Agent", s.UserAgent())
	resp, err := host.Client().Do(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
}
