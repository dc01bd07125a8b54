package provider_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/examples/internal/provider"
)

// A clients file counts when the program starts and when it changes; one that is
// wrong keeps it from starting, and later changes nothing.
func TestClientsFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clients.json")
	write := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }
	cfg := provider.Config{URL: "http://localhost:8080", DB: "memory:", Clients: file}
	var log bytes.Buffer
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))

	_, err := provider.Open(t.Context(), cfg)
	require.ErrorContains(t, err, "-clients: ")
	write(`{"clients":[{"client_id":"wiki","client_secret":"hunter2"}]}`)
	_, err = provider.Open(t.Context(), cfg)
	require.ErrorContains(t, err, file)
	require.ErrorContains(t, err, `clients[0] ("wiki"): unknown member "client_secret"`)
	write(`{"clients":[{"client_id":"lakekey"}]}`)
	_, err = provider.Open(t.Context(), cfg)
	require.ErrorContains(t, err, `client "lakekey" is listed twice`)

	example, err := os.ReadFile("../../idp/clients.json")
	require.NoError(t, err)
	write(string(example))
	p, err := provider.Open(t.Context(), cfg)
	require.NoError(t, err)
	p.StopLooking()
	require.Equal(t, []bool{true, true, true, false}, know(p, "lakekey", "wiki", "television", "new"))

	write(`{"clients":[{"client_id":"new","redirect_uris":["javascript:"]}]}`)
	p.Look(t.Context())
	p.Look(t.Context())
	require.Equal(t, []bool{true, true, true, false}, know(p, "lakekey", "wiki", "television", "new"))
	require.Equal(t, 1, bytes.Count(log.Bytes(), []byte("level=ERROR")), log.String())
	require.Contains(t, log.String(), "redirect URI")

	write(`{"clients":[{"client_id":"new"}]}`)
	p.Look(t.Context())
	require.Equal(t, []bool{true, false, false, true}, know(p, "lakekey", "wiki", "television", "new"))
	require.NoError(t, os.Remove(file))
	p.Look(t.Context())
	require.Equal(t, []bool{true, false, false, true}, know(p, "lakekey", "wiki", "television", "new"))
	require.NoError(t, p.Close())
}

// know says which clients are registered.
func know(p http.Handler, ids ...string) (known []bool) {
	for _, id := range ids {
		r := httptest.NewRequest(http.MethodPost, "http://localhost:8080/revoke", strings.NewReader(url.Values{"client_id": {id}, "token": {"x"}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		known = append(known, !strings.Contains(w.Body.String(), "is not registered"))
	}
	return known
}
