package web_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
	"github.com/lakekey/lakekey/fido"
)

// pinUI types a PIN and has nothing else to say.
type pinUI struct{ pin string }

func (pinUI) Touch(context.Context, authenticator.Prompt) (func(), error)  { return func() {}, nil }
func (pinUI) Verify(context.Context, authenticator.Prompt) (func(), error) { return func() {}, nil }
func (u pinUI) PIN(context.Context, authenticator.PINPrompt) ([]byte, error) {
	return []byte(u.pin), nil
}
func (pinUI) ChooseAccount(context.Context, string, []authenticator.User) (int, error) { return 0, nil }
func (pinUI) Insert(context.Context) error                                             { return authenticator.ErrNoDevice }

func (s *site) post(t *testing.T, path, body string, headers ...string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	require.Equal(t, "no-store", res.Header.Get("Cache-Control"))
	var answer map[string]any
	require.NoError(t, json.NewDecoder(res.Body).Decode(&answer))
	return res.StatusCode, answer
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func quote(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

func TestEnrollment(t *testing.T) {
	s := newSite(t, options{})
	key, err := softkey.New(softkey.Options{PIN: []byte("123456")})
	require.NoError(t, err)
	client := authenticator.NewClient(authenticator.Devices(authenticator.NewCTAP2(key, authenticator.Descriptor{})), authenticator.Options{UI: pinUI{"123456"}})
	invite, err := s.rp.Invite(t.Context(), "ana@example.com", time.Hour)
	require.NoError(t, err)

	status, begun := s.post(t, "/enroll/options", quote(t, map[string]any{"invite": invite.Reveal()}))
	require.Equal(t, 200, status, "%v", begun)
	require.Equal(t, "ana@example.com", begun["user"])
	require.Equal(t, map[string]any{"id": "localhost", "name": "Acme data platform"}, begun["rp"])
	response, err := client.Create(t.Context(), s.url, []byte(quote(t, begun["options"])))
	require.NoError(t, err)
	finish := quote(t, map[string]any{"ceremony": begun["ceremony"], "response": json.RawMessage(response)})
	status, done := s.post(t, "/enroll/credential", finish)
	require.Equal(t, 200, status, "%v", done)
	require.Equal(t, "ana@example.com", done["user"])
	require.Equal(t, "self", done["attestation"])
	require.Len(t, done["aaguid"], 36)
	require.NotEmpty(t, done["credential_id"])
	require.Equal(t, 1, key.Touches())

	status, refused := s.post(t, "/enroll/credential", finish)
	require.Equal(t, 400, status)
	require.Equal(t, "invalid_ceremony", refused["error"])
	status, refused = s.post(t, "/enroll/options", quote(t, map[string]any{"invite": invite.Reveal()}))
	require.Equal(t, 400, status)
	require.Equal(t, "invalid_invite", refused["error"])

	// And the key signs in.
	c, err := s.rp.BeginSignIn(t.Context(), fido.SignInRequest{})
	require.NoError(t, err)
	response, err = client.Get(t.Context(), s.url, c.Options)
	require.NoError(t, err)
	proof, err := s.rp.FinishSignIn(t.Context(), c.ID, fido.PurposeSignIn, response)
	require.NoError(t, err)
	require.Equal(t, "ana@example.com", proof.User.Name)
}

func TestRefusalsSayWhatToDo(t *testing.T) {
	s := newSite(t, options{})
	invite, err := s.rp.Invite(t.Context(), "ana@example.com", time.Hour)
	require.NoError(t, err)
	good := quote(t, map[string]any{"invite": invite.Reveal()})
	_, begun := s.post(t, "/enroll/options", good)
	for name, c := range map[string]struct {
		path, body string
		headers    []string
		status     int
		code       string
	}{
		"unknown invitation":    {"/enroll/options", `{"invite":"guessed"}`, nil, 400, "invalid_invite"},
		"no invitation":         {"/enroll/options", `{}`, nil, 400, "invalid_request"},
		"not JSON":              {"/enroll/options", `invite=x`, nil, 400, "invalid_request"},
		"not an object":         {"/enroll/options", `["x"]`, nil, 400, "invalid_request"},
		"member twice":          {"/enroll/options", `{"invite":"a","invite":"b"}`, nil, 400, "invalid_request"},
		"a form":                {"/enroll/options", good, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "invalid_request"},
		"text":                  {"/enroll/options", good, []string{"Content-Type", "text/plain"}, 415, "invalid_request"},
		"from another site":     {"/enroll/options", good, []string{"Sec-Fetch-Site", "cross-site"}, 403, "cross_origin"},
		"from another origin":   {"/enroll/options", good, []string{"Origin", "https://evil.org"}, 403, "cross_origin"},
		"65 KiB":                {"/enroll/options", `{"invite":"` + strings.Repeat("x", 65<<10) + `"}`, nil, 413, "invalid_request"},
		"unknown ceremony":      {"/enroll/credential", `{"ceremony":"guessed","response":{}}`, nil, 400, "invalid_ceremony"},
		"no response":           {"/enroll/credential", `{"ceremony":"guessed"}`, nil, 400, "invalid_request"},
		"a response of nothing": {"/enroll/credential", quote(t, map[string]any{"ceremony": begun["ceremony"], "response": map[string]any{}}), nil, 400, "verification_failed"},
		"another path":          {"/enroll/else", `{}`, nil, 404, "not_found"},
	} {
		t.Run(name, func(t *testing.T) {
			status, answer := s.post(t, c.path, c.body, c.headers...)
			require.Equal(t, c.status, status, "%v", answer)
			require.Equal(t, c.code, answer["error"])
			require.Greater(t, len(answer["error_description"].(string)), 20)
			require.NotContains(t, quote(t, answer), invite.Reveal())
		})
	}
	status, answer := s.post(t, "/enroll/options", good)
	require.Equal(t, 200, status, "none of that used the invitation up: %v", answer)
}
