package idptest_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/idptest"
)

// redirectURI is where the answers of this test's clients go; nobody listens there.
const redirectURI = "http://127.0.0.1:39999/callback"

type metadata struct {
	Issuer                              string
	AuthorizationEndpoint               string `json:"authorization_endpoint"`
	TokenEndpoint                       string `json:"token_endpoint"`
	PushedAuthorizationRequestEndpoint  string `json:"pushed_authorization_request_endpoint"`
	DeviceAuthorizationEndpoint         string `json:"device_authorization_endpoint"`
	AuthorizationResponseIssIsSupported bool   `json:"authorization_response_iss_parameter_supported"`
}

// discover reads what a provider says about itself.
func discover(t *testing.T, p *idptest.Provider) (m metadata) {
	t.Helper()
	resp, err := http.Get(strings.TrimSuffix(p.Issuer, "/") + "/.well-known/openid-configuration")
	require.NoError(t, err)
	defer resp.Body.Close()
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&m))
	require.Equal(t, p.Issuer, m.Issuer)
	return m
}

type reply struct {
	Status       int
	Error        string
	AccessToken  string `json:"access_token"`
	IDToken      string `json:"id_token"`
	RefreshToken string `json:"refresh_token"`
	DeviceCode   string `json:"device_code"`
	UserCode     string `json:"user_code"`
	Verification string `json:"verification_uri"`
	RequestURI   string `json:"request_uri"`
}

// post sends a form to a provider.
func post(t *testing.T, address string, client idptest.Client, form url.Values) (r reply) {
	t.Helper()
	form.Set("client_id", client.ID)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if client.Secret != "" {
		req.SetBasicAuth(client.ID, client.Secret)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(body, &r), "%s: %s", resp.Status, body)
	r.Status = resp.StatusCode
	return r
}

// request is an authorization request, and what the code in its answer takes to be redeemed.
func request(t *testing.T, p *idptest.Provider, redirectURI string, more url.Values) (address string, redeem url.Values) {
	t.Helper()
	verifier := rand.Text() + rand.Text()
	challenge := sha256.Sum256([]byte(verifier))
	form := url.Values{
		"client_id": {p.Native.ID}, "response_type": {"code"}, "redirect_uri": {redirectURI}, "scope": {"openid email offline_access"},
		"state": {"the-state"}, "nonce": {"the-nonce"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	}
	for name, values := range more {
		form[name] = values
	}
	return discover(t, p).AuthorizationEndpoint + "?" + form.Encode(),
		url.Values{"grant_type": {"authorization_code"}, "redirect_uri": {redirectURI}, "code_verifier": {verifier}}
}

// ask makes the person sign in, and returns the answer at the redirect URI and what
// the code in it takes to be redeemed.
func ask(t *testing.T, p *idptest.Provider, more url.Values) (answer, redeem url.Values) {
	t.Helper()
	address, redeem := request(t, p, redirectURI, more)
	visitor, err := p.Visit()
	require.NoError(t, err)
	back, err := visitor.SignIn(t.Context(), address, redirectURI)
	require.NoError(t, err)
	answer = back.Query()
	redeem.Set("code", answer.Get("code"))
	return answer, redeem
}

// inbox is where a browser brings answers.
type inbox struct {
	uri     string
	answers chan url.Values
}

func listen(t *testing.T) *inbox {
	t.Helper()
	b := &inbox{answers: make(chan url.Values, 1)}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/callback" {
			b.answers <- r.URL.Query()
		}
	}))
	t.Cleanup(server.Close)
	b.uri = server.URL + "/callback"
	return b
}

// signIn signs the person in and returns the tokens.
func signIn(t *testing.T, p *idptest.Provider, more url.Values) reply {
	t.Helper()
	answer, redeem := ask(t, p, more)
	require.Equal(t, "the-state", answer.Get("state"), "%v", answer)
	require.NotEmpty(t, answer.Get("code"), "%v", answer)
	r := post(t, discover(t, p).TokenEndpoint, p.Native, redeem)
	require.Equal(t, http.StatusOK, r.Status, r.Error)
	return r
}

// claims are those of a token, unverified.
func claims(t *testing.T, token string) (c map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	require.Len(t, parts, 3)
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(payload, &c))
	return c
}
