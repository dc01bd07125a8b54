package databricks_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lakekey/lakekey/databricks"
	"github.com/lakekey/lakekey/databricks/databrickstest"
	"github.com/lakekey/lakekey/internal/secret"
	"github.com/lakekey/lakekey/oidc"
	"github.com/stretchr/testify/require"
)

const (
	testIssuer = "https://idp.example"
	testUser   = "ada@example.com"
)

// world is a strict workspace that trusts the issuer behind the session.
type world struct {
	*databrickstest.Workspace
	url     string
	session *session
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{session: newSession(t)}
	workspace, err := databrickstest.New(databrickstest.Options{Now: func() time.Time { return w.session.now() }})
	require.NoError(t, err)
	w.Workspace = workspace
	_, err = w.AddUser(testUser)
	require.NoError(t, err)
	_, err = w.AddPolicy(databrickstest.Policy{Issuer: testIssuer, JWKS: w.session.jwks()})
	require.NoError(t, err)
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

// source is a token source for the world's workspace with the access that most
// tests need.
func (w *world) source(t testing.TB, edit ...func(*databricks.Config)) *databricks.TokenSource {
	t.Helper()
	c := databricks.Config{Host: w.url, Scopes: []string{"clusters", "jobs"}, Now: w.session.now}
	for _, e := range edit {
		e(&c)
	}
	s, err := databricks.NewTokenSource(w.session, c)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

// count tells how many requests of that method and path arrived.
func (w *world) count(method, path string) int {
	n := 0
	for _, r := range w.Requests() {
		if r.Method == method && r.Path == path {
			n++
		}
	}
	return n
}

func (w *world) exchanges() int { return w.count(http.MethodPost, "/oidc/v1/token") }

// session signs ID tokens as an issuer would, without go-jose and without the
// code under test.
type session struct {
	key   *ecdsa.PrivateKey
	calls atomic.Int64

	mu       sync.Mutex
	shift    time.Duration // of the clock
	lifetime time.Duration
	end      time.Time
	fail     error
	delay    time.Duration
	last     *oidc.IDToken
}

func newSession(t testing.TB) *session {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return &session{key: key, lifetime: 15 * time.Minute, end: time.Now().Add(8 * time.Hour)}
}

func (s *session) set(f func(*session)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

// advance moves the clock of everybody.
func (s *session) advance(d time.Duration) { s.set(func(s *session) { s.shift += d }) }

func (s *session) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.shift)
}

func (s *session) ID() string { return "Sz1-session.with+odd/chars" }

func (s *session) Expires() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end
}

func (s *session) IDToken(ctx context.Context, audience string) (*oidc.IDToken, error) {
	s.calls.Add(1)
	now := s.now()
	s.mu.Lock()
	delay, fail, end := s.delay, s.fail, s.end
	expires := now.Add(s.lifetime)
	s.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if fail != nil {
		return nil, fail
	}
	if !now.Before(end) {
		return nil, &oidc.LoginRequiredError{Reason: "the session ended", Command: "keyagent -key usb"}
	}
	if expires.After(end) {
		expires = end
	}
	id := &oidc.IDToken{
		Value: secret.New(s.sign(map[string]any{
			"iss": testIssuer, "sub": testUser, "aud": audience, "iat": now.Unix(), "exp": expires.Unix(), "auth_time": now.Unix(), "jti": rand.Text(),
		})),
		Audience: audience, Subject: testUser, ACR: "phrh", AMR: []string{"hwk", "user"}, Expires: expires,
	}
	s.set(func(s *session) { s.last = id })
	return id, nil
}

var b64 = base64.RawURLEncoding

func (s *session) sign(claims map[string]any) string {
	header, _ := json.Marshal(map[string]string{"alg": "ES256", "typ": "JWT", "kid": "k1"})
	payload, _ := json.Marshal(claims)
	signed := b64.EncodeToString(header) + "." + b64.EncodeToString(payload)
	digest := sha256.Sum256([]byte(signed))
	r, v, err := ecdsa.Sign(rand.Reader, s.key, digest[:])
	if err != nil {
		return err.Error()
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	v.FillBytes(sig[32:])
	return signed + "." + b64.EncodeToString(sig)
}

func (s *session) jwks() []byte {
	point, _ := s.key.PublicKey.Bytes()
	set, _ := json.Marshal(map[string]any{"keys": []any{map[string]string{
		"kty": "EC", "crv": "P-256", "kid": "k1", "alg": "ES256", "use": "sig",
		"x": b64.EncodeToString(point[1:33]), "y": b64.EncodeToString(point[33:]),
	}}})
	return set
}

// secrets are what must not show up anywhere.
func requireNoSecret(t testing.TB, text string, secrets ...secret.Value) {
	t.Helper()
	require.NotContains(t, text, "eyJ")
	for _, s := range secrets {
		require.False(t, strings.Contains(text, s.Reveal()))
	}
}
