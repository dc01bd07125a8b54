package issuer_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/oidc/issuer"
)

var noon = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

func TestProof(t *testing.T) {
	k := newDPoPKey(t)
	jkt, unique, err := issuer.VerifyProof([]string{k.proof(tokenURL, noon)}, tokenURL, noon)
	require.NoError(t, err)
	require.Equal(t, k.jkt(), jkt)
	require.NotZero(t, unique)
	_, _, err = issuer.VerifyProof([]string{ed25519Proof(t, "Ed25519", tokenURL, noon)}, tokenURL, noon)
	require.NoError(t, err)
	_, _, err = issuer.VerifyProof([]string{ed25519Proof(t, "EdDSA", tokenURL, noon)}, tokenURL, noon)
	require.NoError(t, err)

	claims := func(m map[string]any) string { return k.proof(tokenURL, noon, change{claims: m}) }
	header := func(m map[string]any) string { return k.proof(tokenURL, noon, change{header: m}) }
	private := maps.Clone(k.jwk())
	d, err := k.Bytes()
	require.NoError(t, err)
	private["d"] = b64.EncodeToString(d)
	other := newDPoPKey(t)
	good := k.proof(tokenURL, noon)

	for name, proof := range map[string]string{
		"nothing":               "",
		"no JWT":                "proof",
		"five parts":            good + "..",
		"line break":            good[:20] + "\n" + good[20:],
		"padded":                good + "==",
		"spare bits":            spareBits(good),
		"JSON serialisation":    `{"payload":"e30","protected":"e30","signature":""}`,
		"not dpop+jwt":          header(map[string]any{"typ": "JWT"}),
		"no typ":                header(map[string]any{"typ": nil}),
		"an ID token's typ":     header(map[string]any{"typ": "at+jwt"}),
		"no key":                header(map[string]any{"jwk": nil}),
		"no alg":                header(map[string]any{"alg": nil}),
		"EdDSA with an EC key":  header(map[string]any{"alg": "EdDSA"}),
		"key of another kty":    header(map[string]any{"jwk": merged(k.jwk(), "kty", "OKP")}),
		"key of another curve":  header(map[string]any{"jwk": merged(k.jwk(), "crv", "P-384")}),
		"half a key":            header(map[string]any{"jwk": merged(k.jwk(), "y", nil)}),
		"key padded":            header(map[string]any{"jwk": merged(k.jwk(), "x", k.jwk()["x"].(string)+"=")}),
		"certificates":          header(map[string]any{"jwk": merged(k.jwk(), "x5c", []string{"AAAA"})}),
		"empty signature":       good[:strings.LastIndexByte(good, '.')+1],
		"another's key":         header(map[string]any{"jwk": other.jwk()}),
		"private key":           header(map[string]any{"jwk": private}),
		"symmetric key":         header(map[string]any{"jwk": map[string]any{"kty": "oct", "k": "AAAA"}}),
		"point off the curve":   header(map[string]any{"jwk": map[string]any{"kty": "EC", "crv": "P-256", "x": b64.EncodeToString(make([]byte, 32)), "y": b64.EncodeToString(make([]byte, 32))}}),
		"certificates by URL":   header(map[string]any{"jwk": merged(k.jwk(), "x5u", "https://evil.example/cert")}),
		"critical extension":    header(map[string]any{"crit": []string{"exp"}, "exp": 1}),
		"alg none":              none(tokenURL),
		"HS256":                 hs256(k),
		"RS256":                 rs256(t),
		"ES384 by name":         header(map[string]any{"alg": "ES384"}),
		"signature cut":         good[:len(good)-4],
		"another's signature":   good[:strings.LastIndexByte(good, '.')] + "." + b64.EncodeToString(other.sign("x")),
		"claims swapped":        strings.Join([]string{strings.Split(good, ".")[0], strings.Split(claims(nil), ".")[1], strings.Split(good, ".")[2]}, "."),
		"no jti":                claims(map[string]any{"jti": nil}),
		"empty jti":             claims(map[string]any{"jti": ""}),
		"long jti":              claims(map[string]any{"jti": strings.Repeat("j", 257)}),
		"number as jti":         claims(map[string]any{"jti": 7}),
		"no htm":                claims(map[string]any{"htm": nil}),
		"GET":                   claims(map[string]any{"htm": "GET"}),
		"post":                  claims(map[string]any{"htm": "post"}),
		"no htu":                claims(map[string]any{"htu": nil}),
		"other endpoint":        claims(map[string]any{"htu": challengeAt}),
		"other host":            claims(map[string]any{"htu": "https://evil.example/idp/token"}),
		"other scheme":          claims(map[string]any{"htu": "http://issuer.example/idp/token"}),
		"other port":            claims(map[string]any{"htu": "https://issuer.example:8443/idp/token"}),
		"user name":             claims(map[string]any{"htu": "https://issuer.example@evil.example/idp/token"}),
		"trailing slash":        claims(map[string]any{"htu": tokenURL + "/"}),
		"other case in path":    claims(map[string]any{"htu": "https://issuer.example/IDP/token"}),
		"escaped slash":         claims(map[string]any{"htu": "https://issuer.example/idp%2Ftoken"}),
		"doubled slash":         claims(map[string]any{"htu": "https://issuer.example//idp/token"}),
		"no iat":                claims(map[string]any{"iat": nil}),
		"iat in words":          claims(map[string]any{"iat": "now"}),
		"stale":                 k.proof(tokenURL, noon.Add(-2*time.Minute-time.Second)),
		"from the future":       k.proof(tokenURL, noon.Add(2*time.Minute+time.Second)),
		"iat beyond time":       claims(map[string]any{"iat": int64(-1 << 63)}),
		"iat beyond time, late": claims(map[string]any{"iat": int64(1<<63 - 1)}),
		"larger than 4 KiB":     claims(map[string]any{"x": strings.Repeat("x", 4096)}),
		"member twice":          twice(k),
	} {
		t.Run(name, func(t *testing.T) {
			jkt, unique, err := issuer.VerifyProof([]string{proof}, tokenURL, noon)
			require.Error(t, err)
			require.Empty(t, jkt)
			require.Zero(t, unique)
		})
	}
	for name, proof := range map[string]string{
		"query and fragment": claims(map[string]any{"htu": tokenURL + "?a=b#c"}),
		"capitals":           claims(map[string]any{"htu": "HTTPS://ISSUER.example/idp/token"}),
		"default port":       claims(map[string]any{"htu": "https://issuer.example:443/idp/token"}),
		"dots":               claims(map[string]any{"htu": "https://issuer.example/x/.././idp/token"}),
		"needless escapes":   claims(map[string]any{"htu": "https://issuer.example/%69dp/%74oken"}),
		"oldest":             k.proof(tokenURL, noon.Add(-2*time.Minute)),
		"newest":             k.proof(tokenURL, noon.Add(2*time.Minute)),
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := issuer.VerifyProof([]string{proof}, tokenURL, noon)
			require.NoError(t, err)
		})
	}
	for name, headers := range map[string][]string{"none": nil, "two": {good, k.proof(tokenURL, noon)}, "one twice": {good, good}} {
		t.Run(name, func(t *testing.T) {
			_, _, err := issuer.VerifyProof(headers, tokenURL, noon)
			require.Error(t, err)
		})
	}
}

func merged(m map[string]any, name string, v any) map[string]any {
	m[name] = v
	return m
}

// spareBits spells the same signature in another way: of its last character,
// four bits belong to no byte.
func spareBits(proof string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := len(proof) - 1
	return proof[:last] + string(alphabet[strings.IndexByte(alphabet, proof[last])+1])
}

func none(target string) string {
	return compact(map[string]any{"typ": "dpop+jwt", "alg": "none"}, map[string]any{"jti": "j", "htm": "POST", "htu": target, "iat": noon.Unix()}, func(string) []byte { return nil })
}

// hs256 signs with the public key as if it were a shared secret.
func hs256(k dpopKey) string {
	header := map[string]any{"typ": "dpop+jwt", "alg": "HS256", "jwk": k.jwk()}
	return compact(header, map[string]any{"jti": "j", "htm": "POST", "htu": tokenURL, "iat": noon.Unix()}, func(input string) []byte {
		point, err := k.PublicKey.Bytes()
		if err != nil {
			panic(err)
		}
		mac := hmac.New(sha256.New, point)
		mac.Write([]byte(input))
		return mac.Sum(nil)
	})
}

func rs256(t *testing.T) string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	header := map[string]any{"typ": "dpop+jwt", "alg": "RS256", "jwk": map[string]any{"kty": "RSA", "e": "AQAB", "n": b64.EncodeToString(key.N.Bytes())}}
	return compact(header, map[string]any{"jti": "j", "htm": "POST", "htu": tokenURL, "iat": noon.Unix()}, func(input string) []byte {
		sum := sha256.Sum256([]byte(input))
		sig, err := rsa.SignPKCS1v15(rand.Reader, key, 5, sum[:])
		require.NoError(t, err)
		return sig
	})
}

// twice is a proof whose claims have one member twice: two parsers may see two
// different proofs.
func twice(k dpopKey) string {
	claims := json.RawMessage(`{"jti":"a","jti":"b","htm":"POST","htu":"` + tokenURL + `","iat":1793620800}`)
	return compact(map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": k.jwk()}, claims, k.sign)
}

// A proof passes once, at whichever endpoint and replica it comes first.
func TestProofReplay(t *testing.T) {
	p := newProvider(t)
	c := newPerson(t, p)
	token := c.signIn(t).text("refresh_token")
	proof := c.proof()
	require.Equal(t, 200, post(t, p, tokenURL, c.refreshment(token), proof).status)
	post(t, p, tokenURL, c.refreshment(token), proof).refused(t, 400, "invalid_dpop_proof")

	// Still while its iat would pass, although the store is swept meanwhile …
	fresh := c.key.proof(tokenURL, p.now().Add(2*time.Minute))
	require.Equal(t, 200, post(t, p, tokenURL, c.refreshment(token), fresh).status)
	p.pass(4 * time.Minute)
	c.begin(t)
	post(t, p, tokenURL, c.refreshment(token), fresh).refused(t, 400, "invalid_dpop_proof")
	// … and the same jti under another key is another proof.
	jti := change{claims: map[string]any{"jti": "same"}}
	require.Equal(t, 200, post(t, p, tokenURL, c.refreshment(token), c.proof(jti)).status)
	d := newPerson(t, p)
	require.Equal(t, 200, post(t, p, tokenURL, d.redemption(d.code(t)), d.proof(jti)).status)
}

// The host a request came to is not the host that a proof must name.
func TestProofIsForTheConfiguredURL(t *testing.T) {
	p := newProvider(t)
	c := newPerson(t, p)
	const forged = "https://evil.example/idp/token"
	code := c.code(t)
	post(t, p, forged, c.redemption(code), c.key.proof(forged, p.now())).refused(t, 400, "invalid_dpop_proof")
	require.Equal(t, 200, post(t, p, forged, c.redemption(c.code(t)), c.proof()).status)
}

// A proof on the first request binds the rest to its key (FiPA §9.5.1).
func TestProofOnTheChallenge(t *testing.T) {
	p := newProvider(t)
	start := func(c *person, proofs ...string) answer {
		return post(t, p, challengeAt, c.request("dpop_jkt", ""), proofs...)
	}
	finish := func(c *person, a answer, proofs ...string) answer {
		return post(t, p, challengeAt, set(c.redemption(""), "grant_type", "", "auth_session", a.text("auth_session"), "webauthn_response", touch), proofs...)
	}
	at := func(c *person) string { return c.key.proof(challengeAt, p.now()) }

	c := newPerson(t, p)
	a := finish(c, start(c, at(c)), at(c))
	require.Equal(t, 200, a.status, "%v", a.body)
	a = post(t, p, tokenURL, c.redemption(a.text("authorization_code")), c.proof())
	require.Equal(t, 200, a.status, "%v", a.body)

	finish(c, start(c, at(c))).refused(t, 400, "invalid_dpop_proof")
	finish(c, start(c, at(c)), newDPoPKey(t).proof(challengeAt, p.now())).refused(t, 400, "invalid_dpop_proof")
	once := at(c)
	finish(c, start(c, once), once).refused(t, 400, "invalid_dpop_proof")
	start(c, c.proof()).refused(t, 400, "invalid_dpop_proof") // made for the token endpoint
	post(t, p, challengeAt, c.request("dpop_jkt", newDPoPKey(t).jkt()), at(c)).refused(t, 400, "invalid_dpop_proof")
	a = c.begin(t)
	finish(c, a, newDPoPKey(t).proof(challengeAt, p.now())).refused(t, 400, "invalid_dpop_proof")
}

// Whatever VerifyProof accepts, a second reading with the standard library must
// agree on.
func FuzzProof(f *testing.F) {
	k := newDPoPKey(f)
	good := k.proof(tokenURL, noon)
	for _, seed := range []string{good, none(tokenURL), hs256(k), ed25519Proof(f, "EdDSA", tokenURL, noon), ed25519Proof(f, "Ed25519", tokenURL, noon), k.proof(challengeAt, noon), good + ".", "..", `{"payload":""}`,
		k.proof(tokenURL, noon, change{header: map[string]any{"x": map[string]any{"y": 1}}, claims: map[string]any{"ath": "x"}})} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		jkt, unique, err := issuer.VerifyProof([]string{header}, tokenURL, noon)
		if err != nil {
			require.Empty(t, jkt)
			require.Zero(t, unique)
			return
		}
		require.LessOrEqual(t, len(header), 4096)
		head, claims := decode(t, header)
		require.Equal(t, "dpop+jwt", head["typ"])
		require.Equal(t, "POST", claims["htm"])
		require.NotEmpty(t, claims["jti"])
		require.InDelta(t, float64(noon.Unix()), claims["iat"], 120)
		normal, err := issuer.NormalURL(claims["htu"].(string))
		require.NoError(t, err)
		require.Equal(t, tokenURL, normal)
		require.True(t, signedByItsKey(t, header, head))
		// go-jose may be stricter about what nothing here looks at, but what both
		// accept has one key and one thumbprint.
		if jws, err := jose.ParseSignedCompact(header, []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA}); err == nil {
			key := jws.Signatures[0].Protected.JSONWebKey
			_, err = jws.Verify(key)
			require.NoError(t, err)
			sum, err := key.Thumbprint(crypto.SHA256)
			require.NoError(t, err)
			require.Equal(t, b64.EncodeToString(sum), jkt)
		}
	})
}

func signedByItsKey(t *testing.T, jwt string, head map[string]any) bool {
	t.Helper()
	jwk := head["jwk"].(map[string]any)
	require.NotContains(t, jwk, "d")
	at := strings.LastIndexByte(jwt, '.')
	sig, err := b64.DecodeString(jwt[at+1:])
	require.NoError(t, err)
	x, err := b64.DecodeString(jwk["x"].(string))
	require.NoError(t, err)
	switch head["alg"] {
	case "EdDSA", "Ed25519":
		return ed25519.Verify(x, []byte(jwt[:at]), sig)
	case "ES256":
		y, err := b64.DecodeString(jwk["y"].(string))
		require.NoError(t, err)
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
		require.NoError(t, err)
		sum := sha256.Sum256([]byte(jwt[:at]))
		return len(sig) == 64 && ecdsa.Verify(key, sum[:], bigInt(sig[:32]), bigInt(sig[32:]))
	default:
		t.Fatalf("alg %v", head["alg"])
		return false
	}
}

// A normal form is its own normal form, and says the same to a second reader.
func FuzzURL(f *testing.F) {
	for _, seed := range []string{tokenURL, "HTTPS://a.example:443/%7e/./b/../c//d?x#y", "http://127.0.0.1:80", "https://[::1]:1/%2F%2e%2e/", "https://a.example/..", "https://a.example/a/.."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		normal, err := issuer.NormalURL(s)
		if err != nil {
			require.Empty(t, normal)
			return
		}
		again, err := issuer.NormalURL(normal)
		require.NoError(t, err)
		require.Equal(t, normal, again)
		require.True(t, issuer.SameURL(s, normal))
		require.False(t, strings.ContainsAny(normal, "?#"))
		require.NotContains(t, normal+"/", "/../")
	})
}

func FuzzForm(f *testing.F) {
	for _, seed := range []string{"a=1&b=2", "a=1&a=1", "a=&a", "%61=1&a=2", "a=%ff", ";", "&&&", "a=b=c", "=", "a+b=c+d"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		form, err := issuer.ParseForm(body)
		if err != nil {
			require.Nil(t, form)
			return
		}
		// An independent count: split by hand, unescape, nothing twice.
		seen := map[string]string{}
		for pair := range bytes.SplitSeq([]byte(body), []byte("&")) {
			if len(pair) == 0 {
				continue
			}
			name, value, _ := strings.Cut(string(pair), "=")
			name, value = unescape(t, name), unescape(t, value)
			_, again := seen[name]
			require.False(t, again, "%q was accepted twice", name)
			seen[name] = value
		}
		maps.DeleteFunc(seen, func(_, v string) bool { return v == "" })
		require.Equal(t, seen, form)
	})
}

func unescape(t *testing.T, s string) string {
	t.Helper()
	var b strings.Builder
	for n := 0; n < len(s); n++ {
		switch {
		case s[n] == '+':
			b.WriteByte(' ')
		case s[n] == '%':
			require.Less(t, n+2, len(s))
			v, err := hex.DecodeString(s[n+1 : n+3])
			require.NoError(t, err)
			b.WriteByte(v[0])
			n += 2
		default:
			b.WriteByte(s[n])
		}
	}
	return b.String()
}
