package examples_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/examples/internal/keys"
	"github.com/lakekey/lakekey/oidc"
)

// neighbour is another identity provider: it publishes a key with a certificate that
// will expire, and tells of people whose sessions it has revoked.
type neighbour struct {
	*httptest.Server
	key *ecdsa.PrivateKey
}

func newNeighbour(t *testing.T, life time.Duration) *neighbour {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "neighbour"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	require.NoError(t, err)
	point, err := key.PublicKey.Bytes()
	require.NoError(t, err)
	raw := base64.RawURLEncoding
	set, err := json.Marshal(map[string]any{"keys": []any{map[string]any{
		"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "1", "x": raw.EncodeToString(point[1:33]), "y": raw.EncodeToString(point[33:]),
		"x5c": []string{base64.StdEncoding.EncodeToString(der)},
	}}})
	require.NoError(t, err)
	n := &neighbour{httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(set) })), key}
	t.Cleanup(n.Close)
	return n
}

// revoked is the word that a person's session was revoked.
func (n *neighbour) revoked(t *testing.T, audience, email string) string {
	t.Helper()
	part := func(v any) string {
		b, err := json.Marshal(v)
		require.NoError(t, err)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	input := part(map[string]any{"alg": "ES256", "kid": "1", "typ": "secevent+jwt"}) + "." + part(map[string]any{
		"iss": "https://neighbour.example", "aud": audience, "jti": rand.Text(), "iat": time.Now().Unix(),
		"sub_id": map[string]any{"format": "email", "email": email},
		"events": map[string]any{"https://schemas.openid.net/secevent/caep/event-type/session-revoked": map[string]any{}},
	})
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, n.key, sum[:])
	require.NoError(t, err)
	return input + "." + base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// TestProviders: what another identity provider revokes ends here, and its certificate
// is warned of in the log, as a metric and by the doctor.
func TestProviders(t *testing.T) {
	n := newNeighbour(t, 6*24*time.Hour+time.Hour)
	w := &world{server: t.TempDir(), client: t.TempDir()}
	authorization := "Bearer " + rand.Text()
	sum := sha256.Sum256([]byte(authorization))
	const audience = "https://idp.example.com/events/neighbour"
	file := `{"providers":[{"name":"neighbour","issuer":"https://neighbour.example","jwks_uri":"` + n.URL + `","events":{"audience":"` + audience + `","authorization_sha256":"` + hex.EncodeToString(sum[:]) + `"}}]}`
	require.NoError(t, os.WriteFile(filepath.Join(w.server, "providers.json"), []byte(file), 0o600))
	w.idp = start(t, w.server, "idp", "-listen", "127.0.0.1:0", "-db", "sqlite:keys.db", "-audit", "audit.log", "-providers", "providers.json", "-metrics", "127.0.0.1:0")
	w.issuer = w.idp.line(t)
	w.enroll(t)

	key, err := keys.Spec{Key: w.key}.Use(t.Context())
	require.NoError(t, err)
	defer key.Close()
	found, err := oidc.Discover(t.Context(), w.issuer, oidc.Options{})
	require.NoError(t, err)
	session, err := oidc.SignIn(t.Context(), found, key, oidc.SignInRequest{ClientID: "lakekey", Audience: "lakekey"})
	require.NoError(t, err)
	push := func(token, authorization string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.issuer+"/events/neighbour", strings.NewReader(token))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/secevent+jwt")
		r.Header.Set("Authorization", authorization)
		resp, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	require.Equal(t, http.StatusAccepted, push(n.revoked(t, audience, "grace@example.com"), authorization), "whom nobody knows here")
	require.Equal(t, http.StatusUnauthorized, push(n.revoked(t, audience, ada), "Bearer guess"))
	require.Equal(t, http.StatusBadRequest, push(n.revoked(t, w.issuer, ada), authorization))
	_, err = session.IDToken(t.Context(), "other")
	require.NoError(t, err)
	require.Equal(t, http.StatusAccepted, push(n.revoked(t, audience, strings.ToUpper(ada)), authorization))
	_, err = session.IDToken(t.Context(), "another")
	var login *oidc.LoginRequiredError
	require.ErrorAs(t, err, &login)

	// The first look at certificates is on its way while the program serves.
	at := ""
	for where := regexp.MustCompile(`idp: metrics are at (\S+)\n`); at == ""; time.Sleep(time.Millisecond) {
		require.NoError(t, t.Context().Err())
		if m := where.FindStringSubmatch(w.idp.errs.String()); m != nil {
			at = m[1]
		}
	}
	var metrics string
	for gone := regexp.MustCompile(`lakekey_certificate_days_left\{provider="neighbour",subject="CN=neighbour",sha256="[0-9a-f]{64}"\} 6\n`); !gone.MatchString(metrics); time.Sleep(time.Millisecond) {
		resp, err := http.Get(at)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		metrics = string(body)
	}
	require.Contains(t, metrics, "\nlakekey_certificates_unread 0\n")
	require.Regexp(t, `\nlakekey_signing_key_days_left\{kid="[^"]{43}"\} (89|90)\n`, metrics)
	resp, err := http.Get(w.issuer + "/metrics")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusNotFound, resp.StatusCode, "that is not for the public")

	out, said, code := call(t, w.server, "idp", "doctor", "-providers", "providers.json", "-db", "sqlite:keys.db")
	require.Zero(t, code, said)
	require.Regexp(t, `neighbour +certificate [0-9a-f]{16} CN=neighbour +6 +2`, out)
	require.Regexp(t, `this provider +signing key \S{16}, then \S{16} +(89|90) +2`, out)
	require.Contains(t, said, "expires in 6 days")
	require.Contains(t, said, "no successor is published")
	w.idp.interrupt(t)
	log, err := os.ReadFile(filepath.Join(w.server, "audit.log"))
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(log), `"type":"certificate.expiring"`))
	require.Contains(t, string(log), "neighbour says that a session of its person was revoked there")

	n.Close()
	_, said, code = call(t, w.server, "idp", "doctor", "-providers", "providers.json")
	require.Equal(t, 1, code)
	require.Contains(t, said, "neighbour")
	for want, args := range map[string][]string{
		"what should be looked at?": nil,
		"no arguments are taken":    {"-db", "x", "more"},
		"no such file":              {"-providers", "nothing.json"},
	} {
		_, said, code := call(t, w.server, "idp", append([]string{"doctor"}, args...)...)
		require.NotZero(t, code)
		require.Contains(t, said, want)
	}
}
