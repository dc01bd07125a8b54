package oidctest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/oidc/oidctest"
)

// Where a client could be sloppy, the provider is not: each of these is sent by
// hand and refused.
func TestProviderIsStrict(t *testing.T) {
	idp, err := oidctest.New(oidctest.Options{})
	require.NoError(t, err)
	srv := httptest.NewServer(idp)
	defer srv.Close()
	good := url.Values{
		"client_id": {"c"}, "scope": {"openid"}, "audience": {"a"}, "code_challenge": {"x"}, "code_challenge_method": {"S256"}, "dpop_jkt": {"j"},
	}
	status, answer := post(t, srv.URL+oidctest.ChallengePath, good)
	require.Equal(t, 403, status)
	require.Equal(t, "insufficient_authorization", answer["error"])

	for field, value := range map[string]string{"client_id": "", "audience": "", "code_challenge": "", "code_challenge_method": "plain", "dpop_jkt": "", "scope": "openid offline_access"} {
		bad := url.Values{}
		for k, v := range good {
			bad[k] = v
		}
		bad.Set(field, value)
		status, answer := post(t, srv.URL+oidctest.ChallengePath, bad)
		require.Equal(t, 400, status, field)
		require.Equal(t, "invalid_request", answer["error"], field)
	}
	twice := url.Values{"client_id": {"c", "d"}}
	status, _ = post(t, srv.URL+oidctest.ChallengePath, twice)
	require.Equal(t, 400, status)

	// A challenge is good for one answer, for its origin, right or wrong.
	key := &oidctest.Key{}
	options, err := json.Marshal(answer["webauthn"])
	require.NoError(t, err)
	wrong, err := key.Get(context.Background(), "https://evil.example", options)
	require.NoError(t, err)
	form := url.Values{"client_id": {"c"}, "auth_session": {answer["auth_session"].(string)}, "webauthn_response": {string(wrong)}}
	status, answer = post(t, srv.URL+oidctest.ChallengePath, form)
	require.Equal(t, 403, status)
	require.Equal(t, "access_denied", answer["error"])
	right, err := key.Get(context.Background(), srv.URL, options)
	require.NoError(t, err)
	form.Set("webauthn_response", string(right))
	_, answer = post(t, srv.URL+oidctest.ChallengePath, form)
	require.Equal(t, "invalid_session", answer["error"])

	// No token without a proof.
	_, answer = post(t, srv.URL+oidctest.TokenPath, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}})
	require.Equal(t, "invalid_dpop_proof", answer["error"])

	resp, err := http.Get(srv.URL + oidctest.TokenPath)
	require.NoError(t, err)
	_ = resp.Body.Close()
	require.Equal(t, 404, resp.StatusCode)
	require.Equal(t, 2, idp.Requests(oidctest.TokenPath))
}

func TestKeyRefuses(t *testing.T) {
	k := &oidctest.Key{}
	_, err := k.Get(t.Context(), "https://a.example", []byte(`{}`))
	require.Error(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = k.Get(ctx, "https://a.example", []byte(`{"challenge":"AA"}`))
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 2, k.Touches())
}

func post(t *testing.T, to string, form url.Values) (int, map[string]any) {
	t.Helper()
	resp, err := http.PostForm(to, form)
	require.NoError(t, err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
	var out map[string]any
	require.NoError(t, json.NewDecoder(bytes.NewReader(raw)).Decode(&out))
	return resp.StatusCode, out
}
