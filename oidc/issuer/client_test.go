package issuer_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// This file is a client written without go-jose and without the code under
// test, so that a mistake in either cannot cancel itself out.

var b64 = base64.RawURLEncoding

// dpopKey is an ES256 key of a client.
type dpopKey struct {
	*ecdsa.PrivateKey
}

func newDPoPKey(t testing.TB) dpopKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return dpopKey{k}
}

func (k dpopKey) jwk() map[string]any {
	point, err := k.PublicKey.Bytes()
	if err != nil {
		panic(err)
	}
	return map[string]any{"kty": "EC", "crv": "P-256", "x": b64.EncodeToString(point[1:33]), "y": b64.EncodeToString(point[33:])}
}

// jkt is RFC 7638 by hand: required members only, in lexicographic order.
func (k dpopKey) jkt() string {
	j := k.jwk()
	sum := sha256.Sum256(fmt.Appendf(nil, `{"crv":"P-256","kty":"EC","x":%q,"y":%q}`, j["x"], j["y"]))
	return b64.EncodeToString(sum[:])
}

func (k dpopKey) sign(input string) []byte {
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, k.PrivateKey, sum[:])
	if err != nil {
		panic(err)
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return sig
}

// change alters a proof before it is signed; nil values delete.
type change struct{ header, claims map[string]any }

// proof is a DPoP proof for a POST to target at the given time.
func (k dpopKey) proof(target string, at time.Time, changes ...change) string {
	header := map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": k.jwk()}
	claims := map[string]any{"jti": rand.Text(), "htm": "POST", "htu": target, "iat": at.Unix()}
	for _, c := range changes {
		merge(header, c.header)
		merge(claims, c.claims)
	}
	return compact(header, claims, k.sign)
}

func merge(into, from map[string]any) {
	maps.Copy(into, from)
	maps.DeleteFunc(into, func(_ string, v any) bool { return v == nil })
}

func compact(header, claims any, sign func(string) []byte) string {
	h, err := json.Marshal(header)
	if err != nil {
		panic(err)
	}
	c, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	input := b64.EncodeToString(h) + "." + b64.EncodeToString(c)
	return input + "." + b64.EncodeToString(sign(input))
}

// ed25519Proof is a proof with the other algorithm of the allow-list.
func ed25519Proof(t testing.TB, alg, target string, at time.Time) string {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	jwk := map[string]any{"kty": "OKP", "crv": "Ed25519", "x": b64.EncodeToString(public)}
	return compact(
		map[string]any{"typ": "dpop+jwt", "alg": alg, "jwk": jwk},
		map[string]any{"jti": rand.Text(), "htm": "POST", "htu": target, "iat": at.Unix()},
		func(input string) []byte { return ed25519.Sign(private, []byte(input)) })
}

// answer is a response, decoded.
type answer struct {
	status int
	header http.Header
	body   map[string]any
}

func (a answer) text(name string) string {
	s, _ := a.body[name].(string)
	return s
}

// refused requires an error of RFC 6749 §5.2 that says what to do and cannot be
// cached.
func (a answer) refused(t testing.TB, status int, code string) {
	t.Helper()
	require.Equal(t, code, a.text("error"), "%v", a.body)
	require.Equal(t, status, a.status)
	require.NotEmpty(t, a.text("error_description"))
	require.Empty(t, strings.Trim(a.text("error_description"), describable))
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	require.NotContains(t, a.body, "id_token")
}

// describable are the characters that RFC 6749 §5.2 allows in a description.
var describable = func() string {
	var b strings.Builder
	for c := byte(0x20); c < 0x7f; c++ {
		if c != '"' && c != '\\' {
			b.WriteByte(c)
		}
	}
	return b.String()
}()

func send(t testing.TB, h http.Handler, r *http.Request) answer {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	a := answer{status: w.Code, header: w.Header()}
	if w.Body.Len() > 0 {
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &a.body), w.Body.String())
	}
	return a
}

func post(t testing.TB, h http.Handler, target string, form url.Values, proofs ...string) answer {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, p := range proofs {
		r.Header.Add("DPoP", p)
	}
	return send(t, h, r)
}

func get(t testing.TB, h http.Handler, target string) answer {
	t.Helper()
	return send(t, h, httptest.NewRequest(http.MethodGet, target, nil))
}

// decode takes a JWT apart without verifying it.
func decode(t testing.TB, jwt string) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(jwt, ".")
	require.Len(t, parts, 3)
	for n, into := range []*map[string]any{&header, &claims} {
		raw, err := b64.DecodeString(parts[n])
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(raw, into))
	}
	return header, claims
}

// verify checks a JWT against a key set with the standard library alone.
func verify(t testing.TB, jwt string, jwks map[string]any) (header, claims map[string]any) {
	t.Helper()
	header, claims = decode(t, jwt)
	require.Equal(t, "ES256", header["alg"])
	var key *ecdsa.PublicKey
	for _, k := range jwks["keys"].([]any) {
		k := k.(map[string]any)
		require.NotContains(t, k, "d")
		if k["kid"] != header["kid"] {
			continue
		}
		require.Equal(t, []any{"EC", "P-256", "ES256", "sig"}, []any{k["kty"], k["crv"], k["alg"], k["use"]})
		x, err := b64.DecodeString(k["x"].(string))
		require.NoError(t, err)
		y, err := b64.DecodeString(k["y"].(string))
		require.NoError(t, err)
		key, err = ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
		require.NoError(t, err)
		sum := sha256.Sum256(fmt.Appendf(nil, `{"crv":"P-256","kty":"EC","x":%q,"y":%q}`, k["x"], k["y"]))
		require.Equal(t, b64.EncodeToString(sum[:]), k["kid"], "kid is the RFC 7638 thumbprint")
	}
	require.NotNil(t, key, "no key has the kid of the token")
	at := strings.LastIndexByte(jwt, '.')
	sig, err := b64.DecodeString(jwt[at+1:])
	require.NoError(t, err)
	require.Len(t, sig, 64)
	sum := sha256.Sum256([]byte(jwt[:at]))
	require.True(t, ecdsa.Verify(key, sum[:], bigInt(sig[:32]), bigInt(sig[32:])))
	return header, claims
}

// atHash is OpenID Connect Core §3.1.3.6 for ES256.
func atHash(accessToken string) string {
	sum := sha256.Sum256([]byte(accessToken))
	return b64.EncodeToString(sum[:16])
}
