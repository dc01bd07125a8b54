package databrickstest_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/databricks/databrickstest"
	"github.com/lakekey/lakekey/internal/secret"
)

const (
	accountID  = "11111111-2222-3333-4444-555555555555"
	adminToken = "the-admin-token-of-the-tests"
	issuerURL  = "https://idp.example.com"
	ada        = "ada@example.com"
)

// epoch is when the tests' injected clocks start.
var epoch = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// clock is a clock that only moves when told.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// signer signs the way an identity provider does, with nothing but the standard
// library: the handler under test must not be checked with its own JWT code.
type signer struct {
	kid string
	ec  *ecdsa.PrivateKey
	rsa *rsa.PrivateKey
}

func newES256(t testing.TB, kid string) signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return signer{kid: kid, ec: key}
}

func newRS256(t testing.TB, kid string, bits int) signer {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	require.NoError(t, err)
	return signer{kid: kid, rsa: key}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// jwk is the public key as a JSON Web Key.
func (s signer) jwk() map[string]any {
	if s.rsa != nil {
		return map[string]any{"kty": "RSA", "kid": s.kid, "use": "sig", "alg": "RS256",
			"n": b64(s.rsa.N.Bytes()), "e": b64(big.NewInt(int64(s.rsa.E)).Bytes())}
	}
	point, _ := s.ec.PublicKey.Bytes()
	return map[string]any{"kty": "EC", "crv": "P-256", "kid": s.kid, "use": "sig", "alg": "ES256",
		"x": b64(point[1:33]), "y": b64(point[33:65])}
}

func keySet(signers ...signer) []byte {
	keys := []any{}
	for _, s := range signers {
		keys = append(keys, s.jwk())
	}
	text, _ := json.Marshal(map[string]any{"keys": keys})
	return text
}

func (s signer) alg() string {
	if s.rsa != nil {
		return "RS256"
	}
	return "ES256"
}

func (s signer) signature(input string) []byte {
	digest := sha256.Sum256([]byte(input))
	if s.rsa != nil {
		sig, _ := rsa.SignPKCS1v15(rand.Reader, s.rsa, crypto.SHA256, digest[:])
		return sig
	}
	r, v, _ := ecdsa.Sign(rand.Reader, s.ec, digest[:])
	return append(r.FillBytes(make([]byte, 32)), v.FillBytes(make([]byte, 32))...)
}

// raw signs exactly this header and payload.
func (s signer) raw(header, payload string) string {
	input := b64([]byte(header)) + "." + b64([]byte(payload))
	return input + "." + b64(s.signature(input))
}

// sign signs the claims under the usual header.
func (s signer) sign(claims map[string]any) string {
	return s.signAs(map[string]any{"alg": s.alg(), "kid": s.kid, "typ": "JWT"}, claims)
}

func (s signer) signAs(header, claims map[string]any) string {
	h, _ := json.Marshal(header)
	p, _ := json.Marshal(claims)
	return s.raw(string(h), string(p))
}

// hmacToken signs with HS256 and the given key.
func hmacToken(key []byte, kid string, claims map[string]any) string {
	p, _ := json.Marshal(claims)
	input := b64([]byte(`{"alg":"HS256","kid":"`+kid+`"}`)) + "." + b64(p)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(input))
	return input + "." + b64(mac.Sum(nil))
}

func edDSAToken(key ed25519.PrivateKey, kid string, claims map[string]any) string {
	p, _ := json.Marshal(claims)
	input := b64([]byte(`{"alg":"EdDSA","kid":"`+kid+`"}`)) + "." + b64(p)
	return input + "." + b64(ed25519.Sign(key, []byte(input)))
}

// claims are good ones for ada, changed as told; a nil value leaves a claim out.
func claims(change map[string]any) map[string]any {
	c := map[string]any{
		"iss": issuerURL, "aud": accountID, "sub": ada,
		"iat": epoch.Unix(), "exp": epoch.Add(15 * time.Minute).Unix(),
	}
	maps.Copy(c, change)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

// newWorkspace is an account that knows ada and nobody else.
func newWorkspace(t testing.TB, change func(*databrickstest.Options)) (*databrickstest.Workspace, *clock) {
	t.Helper()
	clk := &clock{now: epoch}
	o := databrickstest.Options{AccountID: accountID, AdminToken: secret.New(adminToken), Now: clk.Now}
	if change != nil {
		change(&o)
	}
	w, err := databrickstest.New(o)
	require.NoError(t, err)
	_, err = w.AddUser(ada)
	require.NoError(t, err)
	return w, clk
}

func trust(t testing.TB, w *databrickstest.Workspace, jwks []byte) {
	t.Helper()
	_, err := w.AddPolicy(databrickstest.Policy{Issuer: issuerURL, JWKS: jwks})
	require.NoError(t, err)
}

// reply is a response, read.
type reply struct {
	status int
	header http.Header
	body   map[string]any
	text   string
}

func send(w http.Handler, r *http.Request) reply {
	recorder := httptest.NewRecorder()
	w.ServeHTTP(recorder, r)
	out := reply{status: recorder.Code, header: recorder.Header(), text: recorder.Body.String()}
	_ = json.Unmarshal(recorder.Body.Bytes(), &out.body)
	return out
}

// request is a request with a JSON body, if any, and a bearer token, if any.
func request(method, target, token, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

const workspaceTokenPath = "/oidc/v1/token"

func exchangeForm(subjectToken string, change map[string]string) url.Values {
	form := url.Values{
		"grant_type":         {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"subject_token_type": {"urn:ietf:params:oauth:token-type:jwt"},
		"subject_token":      {subjectToken},
		"scope":              {"clusters"},
	}
	for name, value := range change {
		form.Set(name, value)
	}
	return form
}

func post(w http.Handler, path string, form url.Values) reply {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return send(w, r)
}

func exchange(w http.Handler, subjectToken string, change map[string]string) reply {
	return post(w, workspaceTokenPath, exchangeForm(subjectToken, change))
}

// mint exchanges and requires that it works.
func mint(t testing.TB, w http.Handler, subjectToken, scope string) string {
	t.Helper()
	out := exchange(w, subjectToken, map[string]string{"scope": scope})
	require.Equal(t, http.StatusOK, out.status, out.text)
	return out.body["access_token"].(string)
}

const mePath = "/api/2.0/preview/scim/v2/Me"
