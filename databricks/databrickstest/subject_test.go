package databrickstest_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/databricks/databrickstest"
)

func TestSubjectTokens(t *testing.T) {
	es, rs, stranger := newES256(t, "es"), newRS256(t, "rs", 2048), newES256(t, "es")
	weak := newRS256(t, "weak", 1024)
	edPublic, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	edJWK := map[string]any{"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": b64(edPublic)}
	jwks, err := json.Marshal(map[string]any{"keys": []any{es.jwk(), rs.jwk(), weak.jwk(), edJWK}})
	require.NoError(t, err)

	rsaDER, err := x509.MarshalPKIXPublicKey(&rs.rsa.PublicKey)
	require.NoError(t, err)
	rsaPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: rsaDER})
	good := es.sign(claims(nil))
	header, payload, signature := cut(good)
	header64 := func(h string) string { return b64([]byte(h)) }
	asJSON := func(c map[string]any) string { b, _ := json.Marshal(c); return string(b) }

	flipped := []byte(signature)
	flipped[10] ^= 4
	der := func() string { // an ES256 signature as X.509 has it is not one of a JWS
		raw, _ := base64.RawURLEncoding.DecodeString(signature)
		r, s := new(big.Int).SetBytes(raw[:32]).Bytes(), new(big.Int).SetBytes(raw[32:]).Bytes()
		body := append(append([]byte{2, byte(len(r))}, r...), append([]byte{2, byte(len(s))}, s...)...)
		return b64(append([]byte{0x30, byte(len(body))}, body...))
	}()

	tests := []struct {
		name, token string
		want        string // in error_description; empty: accepted
	}{
		{"ES256", good, ""},
		{"RS256", rs.sign(claims(nil)), ""},
		{"aud as a list", es.sign(claims(map[string]any{"aud": []string{"other", accountID}})), ""},
		{"no typ", es.signAs(map[string]any{"alg": "ES256", "kid": "es"}, claims(nil)), ""},
		{"access token typ", es.signAs(map[string]any{"alg": "ES256", "kid": "es", "typ": "application/at+jwt"}, claims(nil)), ""},
		{"no kid, one key of the alg", es.signAs(map[string]any{"alg": "ES256"}, claims(nil)), ""},
		{"no iat", es.sign(claims(map[string]any{"iat": nil})), ""},
		{"exp with a fraction", es.sign(claims(map[string]any{"exp": float64(epoch.Unix()) + 60.5})), ""},
		{"clock a little behind", es.sign(claims(map[string]any{"iat": epoch.Unix() + 59, "nbf": epoch.Unix() + 59})), ""},

		{"alg none", header64(`{"alg":"none"}`) + "." + payload + ".", "RS256 or ES256"},
		{"alg None with signature", header64(`{"alg":"None","kid":"es"}`) + "." + payload + "." + signature, "RS256 or ES256"},
		{"no alg", header64(`{"kid":"es"}`) + "." + payload + "." + signature, "RS256 or ES256"},
		{"HS256 with the RSA public key in PEM", hmacToken(rsaPEM, "rs", claims(nil)), "RS256 or ES256"},
		{"HS256 with the RSA public key in DER", hmacToken(rsaDER, "rs", claims(nil)), "RS256 or ES256"},
		{"HS256 with the JWK Set", hmacToken(jwks, "rs", claims(nil)), "RS256 or ES256"},
		{"EdDSA by a key of the set", edDSAToken(ed, "ed", claims(nil)), "RS256 or ES256"},
		{"ES384", header64(`{"alg":"ES384","kid":"es"}`) + "." + payload + "." + signature, "RS256 or ES256"},
		{"PS256", header64(`{"alg":"PS256","kid":"rs"}`) + "." + payload + "." + signature, "RS256 or ES256"},
		{"RS256 under an EC key's kid", rs.signAs(map[string]any{"alg": "RS256", "kid": "es"}, claims(nil)), "no key"},
		{"ES256 under an RSA key's kid", es.signAs(map[string]any{"alg": "ES256", "kid": "rs"}, claims(nil)), "no key"},
		{"RSA of 1024 bits", weak.sign(claims(nil)), "no key"},
		{"another key under our kid", stranger.sign(claims(nil)), "signature"},
		{"unknown kid", es.signAs(map[string]any{"alg": "ES256", "kid": "nobody"}, claims(nil)), "no key"},
		{"kid not a string", es.signAs(map[string]any{"alg": "ES256", "kid": 7}, claims(nil)), "kid"},
		{"kid empty", es.signAs(map[string]any{"alg": "ES256", "kid": ""}, claims(nil)), "kid"},
		{"key in the header", stranger.signAs(map[string]any{"alg": "ES256", "kid": "es", "jwk": stranger.jwk()}, claims(nil)), "signature"},
		{"key behind jku", stranger.signAs(map[string]any{"alg": "ES256", "kid": "es", "jku": "https://attacker.example/jwks"}, claims(nil)), "signature"},
		{"key behind x5u", stranger.signAs(map[string]any{"alg": "ES256", "kid": "es", "x5u": "https://attacker.example/x5c"}, claims(nil)), "signature"},
		{"crit", es.signAs(map[string]any{"alg": "ES256", "kid": "es", "crit": []string{"exp"}, "exp": 1}, claims(nil)), "crit"},
		{"b64 false", es.signAs(map[string]any{"alg": "ES256", "kid": "es", "crit": []string{"b64"}, "b64": false}, claims(nil)), "crit"},
		{"a DPoP proof", es.signAs(map[string]any{"alg": "ES256", "kid": "es", "typ": "dpop+jwt"}, claims(nil)), "typ"},
		{"a logout token", es.signAs(map[string]any{"alg": "ES256", "kid": "es", "typ": "logout+jwt"}, claims(nil)), "typ"},
		{"typ not a string", es.signAs(map[string]any{"alg": "ES256", "kid": "es", "typ": 1}, claims(nil)), "typ"},

		{"payload changed", header + "." + b64([]byte(strings.Replace(decode(payload), ada, "eve@example.com", 1))) + "." + signature, "signature"},
		{"signature changed", header + "." + payload + "." + string(flipped), "signature"},
		{"signature missing", header + "." + payload + ".", "signature"},
		{"signature in DER", header + "." + payload + "." + der, "signature"},
		{"signature padded", good + "==", "base64url"},
		{"signature of zeros", header + "." + payload + "." + b64(make([]byte, 64)), "signature"},
		{"payload in padded base64", header + "." + payload + "=." + signature, "base64url"},
		{"newline in the signature", header + "." + payload + ".\n" + signature, "base64url"},
		{"newline in the claims", header + "." + payload[:8] + "\r\n" + payload[8:] + "." + signature, "base64url"},
		{"two parts", header + "." + payload, "3"},
		{"five parts, as a JWE", good + ".a.b", "3"},
		{"empty parts", "..", "JWT"},
		{"not a JWT", "hello", "3"},
		{"header is a list", b64([]byte(`[]`)) + "." + payload + "." + signature, "JSON object"},
		{"header is null", b64([]byte(`null`)) + "." + payload + "." + signature, "JSON object"},
		{"claims are null", es.raw(`{"alg":"ES256","kid":"es"}`, "null"), "JSON object"},
		{"text after the claims", es.raw(`{"alg":"ES256","kid":"es"}`, asJSON(claims(nil))+"{}"), "JSON object"},
		{"sub twice", es.raw(`{"alg":"ES256","kid":"es"}`, `{"sub":"eve@example.com",`+asJSON(claims(nil))[1:]), "duplicate"},
		{"sub twice in another case", es.raw(`{"alg":"ES256","kid":"es"}`, `{"Sub":"eve@example.com",`+asJSON(claims(nil))[1:]), "duplicate"},
		{"alg twice", es.raw(`{"alg":"none","alg":"ES256","kid":"es"}`, asJSON(claims(nil))), "duplicate"},
		{"nested too deeply", es.raw(`{"alg":"ES256","kid":"es"}`, strings.Repeat(`{"a":`, 100)+"1"+strings.Repeat("}", 100)), "JSON object"},
		{"larger than 32 KiB", es.sign(claims(map[string]any{"pad": strings.Repeat("x", 40<<10)})), "32 KiB"},

		{"iss missing", es.sign(claims(map[string]any{"iss": nil})), "iss"},
		{"iss unknown", es.sign(claims(map[string]any{"iss": "https://other.example.com"})), "no federation policy"},
		{"iss with a slash more", es.sign(claims(map[string]any{"iss": issuerURL + "/"})), "no federation policy"},
		{"iss in capitals", es.sign(claims(map[string]any{"iss": strings.ToUpper(issuerURL)})), "no federation policy"},
		{"iss a list", es.sign(claims(map[string]any{"iss": []string{issuerURL}})), "iss"},
		{"aud missing", es.sign(claims(map[string]any{"aud": nil})), "aud"},
		{"aud another account", es.sign(claims(map[string]any{"aud": "99999999-2222-3333-4444-555555555555"})), "aud"},
		{"aud an empty list", es.sign(claims(map[string]any{"aud": []string{}})), "aud"},
		{"aud a number", es.sign(claims(map[string]any{"aud": 1})), "aud"},
		{"aud a list with a number", es.sign(claims(map[string]any{"aud": []any{accountID, 1}})), "aud"},
		{"aud a prefix", es.sign(claims(map[string]any{"aud": accountID[:20]})), "aud"},
		{"exp missing", es.sign(claims(map[string]any{"exp": nil})), "exp"},
		{"exp now", es.sign(claims(map[string]any{"exp": epoch.Unix()})), "expired"},
		{"exp within a second", es.sign(claims(map[string]any{"exp": float64(epoch.Unix()) + 0.9})), "expired"},
		{"exp past", es.sign(claims(map[string]any{"exp": epoch.Unix() - 1})), "expired"},
		{"exp a string", es.sign(claims(map[string]any{"exp": "1999999999"})), "exp"},
		{"exp negative", es.sign(claims(map[string]any{"exp": -1})), "exp"},
		{"exp beyond all years", es.raw(`{"alg":"ES256","kid":"es"}`, strings.Replace(asJSON(claims(nil)), `"exp":`, `"exp":1e300,"x":`, 1)), "exp"},
		{"nbf future", es.sign(claims(map[string]any{"nbf": epoch.Unix() + 61})), "not valid before"},
		{"nbf a string", es.sign(claims(map[string]any{"nbf": "now"})), "nbf"},
		{"iat future", es.sign(claims(map[string]any{"iat": epoch.Unix() + 61})), "future"},
		{"sub missing", es.sign(claims(map[string]any{"sub": nil})), `"sub"`},
		{"sub empty", es.sign(claims(map[string]any{"sub": ""})), `"sub"`},
		{"sub a number", es.sign(claims(map[string]any{"sub": 7})), `"sub"`},
		{"sub nobody", es.sign(claims(map[string]any{"sub": "eve@example.com"})), "no active user"},
		{"sub in another case", es.sign(claims(map[string]any{"sub": "Ada@example.com"})), "no active user"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, _ := newWorkspace(t, nil)
			trust(t, w, jwks)
			out := exchange(w, tt.token, nil)
			if tt.want == "" {
				require.Equal(t, http.StatusOK, out.status, out.text)
				require.NotEmpty(t, out.body["access_token"])
				return
			}
			require.Equal(t, http.StatusBadRequest, out.status, out.text)
			require.Equal(t, "invalid_request", out.body["error"])
			require.Contains(t, out.body["error_description"], tt.want)
			require.NotContains(t, out.body, "access_token")
		})
	}
}

func cut(token string) (header, payload, signature string) {
	parts := strings.Split(token, ".")
	return parts[0], parts[1], parts[2]
}

func decode(part string) string {
	b, _ := base64.RawURLEncoding.DecodeString(part)
	return string(b)
}

func TestSubjectTokenWithoutKidAmongSeveralKeys(t *testing.T) {
	one, two := newES256(t, "one"), newES256(t, "two")
	w, _ := newWorkspace(t, nil)
	trust(t, w, keySet(one, two))
	out := exchange(w, one.signAs(map[string]any{"alg": "ES256"}, claims(nil)), nil)
	require.Contains(t, out.body["error_description"], "several keys")
	require.Equal(t, http.StatusOK, exchange(w, two.sign(claims(nil)), nil).status)
}

func TestDeactivatedAndDeletedUsers(t *testing.T) {
	signer := newES256(t, "k")
	w, _ := newWorkspace(t, nil)
	trust(t, w, keySet(signer))
	id, err := w.AddUser("grace@example.com")
	require.NoError(t, err)
	users := "/api/2.0/accounts/" + accountID + "/scim/v2/Users/"
	subject := signer.sign(claims(map[string]any{"sub": "grace@example.com"}))
	token := mint(t, w, subject, "all-apis")
	require.Equal(t, http.StatusOK, send(w, request("GET", mePath, token, "")).status)

	patch := `{"Operations":[{"op":"replace","path":"active","value":false}]}`
	require.Equal(t, http.StatusNoContent, send(w, request("PATCH", users+id, adminToken, patch)).status)
	require.Contains(t, exchange(w, subject, nil).body["error_description"], "no active user")
	require.Equal(t, http.StatusUnauthorized, send(w, request("GET", mePath, token, "")).status, "tokens die with the user")

	patch = strings.Replace(patch, "false", "true", 1)
	require.Equal(t, http.StatusNoContent, send(w, request("PATCH", users+id, adminToken, patch)).status)
	require.Equal(t, http.StatusOK, send(w, request("GET", mePath, token, "")).status)

	require.Equal(t, http.StatusNoContent, send(w, request("DELETE", users+id, adminToken, "")).status)
	require.Equal(t, http.StatusUnauthorized, send(w, request("GET", mePath, token, "")).status)
	_, err = w.AddUser("grace@example.com")
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, send(w, request("GET", mePath, token, "")).status, "a new user of that name is another one")
}

func TestServicePrincipalFederation(t *testing.T) {
	signer := newES256(t, "k")
	w, _ := newWorkspace(t, nil)
	trust(t, w, keySet(signer))
	id, applicationID, err := w.AddServicePrincipal("trainer")
	require.NoError(t, err)
	_, err = w.AddPolicy(databrickstest.Policy{
		ServicePrincipalID: id, Issuer: issuerURL, JWKS: keySet(signer),
		Audiences: []string{"workspace-a"}, SubjectClaim: "role", Subject: "role:trainer",
	})
	require.NoError(t, err)
	good := map[string]any{"aud": "workspace-a", "role": "role:trainer", "sub": "anything"}
	client := map[string]string{"client_id": applicationID}

	out := exchange(w, signer.sign(claims(good)), client)
	require.Equal(t, http.StatusOK, out.status, out.text)
	me := send(w, request("GET", mePath, out.body["access_token"].(string), ""))
	require.Equal(t, applicationID, me.body["userName"])

	require.Contains(t, exchange(w, signer.sign(claims(map[string]any{"aud": "workspace-a", "role": "role:admin"})), client).text, "not the policy's")
	require.Contains(t, exchange(w, signer.sign(claims(map[string]any{"role": "role:trainer"})), client).text, "aud")
	require.Contains(t, exchange(w, signer.sign(claims(good)), nil).text, "aud", "without client_id the account's policy counts")
	unknown := exchange(w, signer.sign(claims(good)), map[string]string{"client_id": "00000000-2222-3333-4444-555555555555"})
	require.Equal(t, http.StatusUnauthorized, unknown.status)
	require.Equal(t, "invalid_client", unknown.body["error"])
	require.Equal(t, http.StatusUnauthorized, exchange(w, signer.sign(claims(nil)), map[string]string{"client_id": ada}).status, "a user is no client")
	require.Equal(t, http.StatusUnauthorized, exchange(w, signer.sign(claims(good)), map[string]string{"client_id": id}).status, "the numeric id is no client_id")

	// Account-wide federation reaches a service principal by its application id.
	out = exchange(w, signer.sign(claims(map[string]any{"sub": applicationID})), nil)
	require.Equal(t, http.StatusOK, out.status, out.text)

	path := "/api/2.0/accounts/" + accountID + "/scim/v2/ServicePrincipals/" + id
	require.Equal(t, http.StatusNoContent, send(w, request("PATCH", path, adminToken, `{"Operations":[{"op":"replace","value":{"active":false}}]}`)).status)
	require.Contains(t, exchange(w, signer.sign(claims(good)), client).text, "no active user")
}

// Of several policies for one issuer, any may accept; the refusal that got
// furthest is told.
func TestSeveralPoliciesForOneIssuer(t *testing.T) {
	old, current := newES256(t, "old"), newES256(t, "new")
	w, _ := newWorkspace(t, nil)
	for _, p := range []databrickstest.Policy{
		{Issuer: issuerURL, JWKS: keySet(old), Audiences: []string{"a"}},
		{Issuer: issuerURL, JWKS: keySet(current), Audiences: []string{"b"}, SubjectClaim: "email"},
	} {
		_, err := w.AddPolicy(p)
		require.NoError(t, err)
	}
	require.Equal(t, http.StatusOK, exchange(w, old.sign(claims(map[string]any{"aud": "a"})), nil).status)
	require.Equal(t, http.StatusOK, exchange(w, current.sign(claims(map[string]any{"aud": "b", "sub": "opaque", "email": ada})), nil).status)
	require.Contains(t, exchange(w, current.sign(claims(map[string]any{"aud": "a", "email": ada})), nil).text, "aud")
	require.Contains(t, exchange(w, current.sign(claims(map[string]any{"aud": "b"})), nil).text, "email")
}

// An access token lives as long as the subject token, and never more than an hour.
func TestLifetimeComesFromTheSubjectToken(t *testing.T) {
	signer := newES256(t, "k")
	for _, tt := range []struct {
		subject, want time.Duration
	}{
		{5 * time.Minute, 5 * time.Minute},
		{time.Hour, time.Hour},
		{30 * 24 * time.Hour, time.Hour},
		{2 * time.Second, 2 * time.Second},
	} {
		w, clk := newWorkspace(t, nil)
		trust(t, w, keySet(signer))
		out := exchange(w, signer.sign(claims(map[string]any{"exp": epoch.Add(tt.subject).Unix()})), nil)
		require.EqualValues(t, tt.want.Seconds(), out.body["expires_in"])
		token := out.body["access_token"].(string)
		clk.advance(tt.want - time.Nanosecond)
		require.Equal(t, http.StatusOK, send(w, request("GET", mePath, token, "")).status)
		clk.advance(time.Nanosecond)
		late := send(w, request("GET", mePath, token, ""))
		require.Equal(t, http.StatusUnauthorized, late.status)
		require.Equal(t, "UNAUTHENTICATED", late.body["error_code"])
		require.Contains(t, late.body["message"], "expired")
		require.Contains(t, late.header.Get("WWW-Authenticate"), `error="invalid_token"`)
	}
}
