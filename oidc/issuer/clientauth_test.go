package issuer_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/web"
	"github.com/lakekey/lakekey/oidc/issuer"
	"github.com/lakekey/lakekey/oidc/issuer/issuertest"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// jwks is a JWK Set of the public key, as an operator registers it.
func (k dpopKey) jwks(kid string) json.RawMessage {
	jwk := k.jwk()
	jwk["kid"] = kid
	set, err := json.Marshal(map[string]any{"keys": []any{jwk}})
	if err != nil {
		panic(err)
	}
	return set
}

// statement is a JWT with which a client says who it is.
func (k dpopKey) statement(id, aud string, now time.Time, changes ...change) string {
	header := map[string]any{"alg": "ES256", "kid": "1"}
	claims := map[string]any{"iss": id, "sub": id, "aud": aud, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}
	for _, c := range changes {
		merge(header, c.header)
		merge(claims, c.claims)
	}
	return compact(header, claims, k.sign)
}

// service is a confidential client of a front.
type service struct {
	*front
	key dpopKey
	id  string
}

func newService(t testing.TB, s issuer.Store, more ...issuer.Client) *service {
	t.Helper()
	return newServiceOf(t, s, nil, more...)
}

func newServiceOf(t testing.TB, s issuer.Store, people fido.Store, more ...issuer.Client) *service {
	t.Helper()
	key := newDPoPKey(t)
	f := newFrontOf(t, s, people, append(more, issuer.Client{ID: "service", RedirectURIs: []string{callback}, Device: true, InsecureBearer: true, JWKS: key.jwks("1")})...)
	f.limits = web.Limits{AddressPerMinute: 100_000, AddressBurst: 100_000, AccountPerMinute: 100_000, AccountBurst: 100_000}
	f.Issuer = f.replica(t)
	return &service{f, key, "service"}
}

func (s *service) assertion(changes ...change) string {
	return s.key.statement(s.id, frontURL, s.now(), changes...)
}

// signed adds an assertion to a form.
func (s *service) signed(form url.Values, assertion string) url.Values {
	return set(form, "client_id", "", "client_assertion_type", assertionType, "client_assertion", assertion)
}

// signIn goes all the way, through the browser.
func (s *service) signIn(t testing.TB) answer {
	t.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {s.code(t, "client_id", s.id)}, "redirect_uri": {callback}, "code_verifier": {verifier}}
	a := post(t, s, frontURL+"/token", s.signed(form, s.assertion()))
	require.Equal(t, http.StatusOK, a.status, "%v", a.body)
	return a
}

func (s *service) refresh(t testing.TB, h http.Handler, token string) answer {
	t.Helper()
	return post(t, h, frontURL+"/token", s.signed(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}, s.assertion()))
}

// Whoever has keys signs at every endpoint, and for one request each time.
func TestPrivateKeyJWT(t *testing.T) {
	s := newService(t, nil)
	for path, form := range map[string]url.Values{
		"/par":                  s.ask(verifier, "client_id", "service"),
		"/device_authorization": {"scope": {"openid"}},
		"/revoke":               {"token": {"unknown"}},
		"/authorize-challenge":  {},
		"/token":                {"grant_type": {"refresh_token"}, "refresh_token": {"unknown"}},
	} {
		t.Run(path, func(t *testing.T) {
			form.Set("client_id", s.id)
			post(t, s, frontURL+path, form).refused(t, 400, "invalid_client")
			assertion := s.assertion()
			a := post(t, s, frontURL+path, s.signed(form, assertion))
			require.NotEqual(t, "invalid_client", a.text("error"), "%v", a.body)
			post(t, s, frontURL+path, s.signed(form, assertion)).refused(t, 400, "invalid_client")
			post(t, s, frontURL+path, set(s.signed(form, s.assertion()), "client_id", "wiki")).refused(t, 400, "invalid_client")
			post(t, s, frontURL+path, set(s.signed(form, s.assertion()), "client_assertion_type", "jwt")).refused(t, 400, "invalid_client")
			a = post(t, s, frontURL+path, set(s.signed(form, s.assertion()), "client_id", s.id))
			require.NotEqual(t, "invalid_client", a.text("error"), "%v", a.body)
		})
	}
	t.Run("a client without keys", func(t *testing.T) {
		post(t, s, frontURL+"/revoke", s.signed(url.Values{"token": {"x"}}, s.key.statement("wiki", frontURL, s.now()))).refused(t, 400, "invalid_client")
	})
	t.Run("one that nobody knows", func(t *testing.T) {
		post(t, s, frontURL+"/revoke", s.signed(url.Values{"token": {"x"}}, s.key.statement("stranger", frontURL, s.now()))).refused(t, 400, "invalid_client")
	})
	t.Run("forms", func(t *testing.T) {
		for _, c := range []change{
			{header: map[string]any{"typ": "JWT"}}, {header: map[string]any{"typ": "client-authentication+jwt"}}, {header: map[string]any{"kid": nil}},
			{claims: map[string]any{"iat": nil}}, {claims: map[string]any{"exp": s.now().Add(time.Hour).Unix()}},
			{claims: map[string]any{"nbf": s.now().Unix()}}, {claims: map[string]any{"exp": s.now().Add(-29 * time.Second).Unix()}},
		} {
			a := post(t, s, frontURL+"/revoke", s.signed(url.Values{"token": {"x"}}, s.assertion(c)))
			require.Equal(t, http.StatusOK, a.status, "%v: %v", c, a.body)
		}
	})
}

// forgeries are statements of which none may be taken for the holder's of k, by
// whatever is wrong with each.
func forgeries(t testing.TB, k dpopKey, id, aud string, now time.Time) map[string]string {
	t.Helper()
	public, err := k.PublicKey.Bytes()
	require.NoError(t, err)
	thief := newDPoPKey(t)
	with := func(by dpopKey, header, claims map[string]any) string {
		return by.statement(id, aud, now, change{header: header, claims: claims})
	}
	claims := func(m map[string]any) string { return with(k, nil, m) }
	good := with(k, nil, nil)
	plain := map[string]any{"iss": id, "sub": id, "aud": aud, "jti": "x", "exp": now.Add(time.Minute).Unix()}
	mac := func(key []byte) func(string) []byte {
		return func(input string) []byte {
			m := hmac.New(sha256.New, key)
			m.Write([]byte(input))
			return m.Sum(nil)
		}
	}
	twice := maps.Clone(plain)
	raw, err := json.Marshal(twice)
	require.NoError(t, err)
	return map[string]string{
		"empty":                       "..",
		"none":                        compact(map[string]any{"alg": "none"}, plain, func(string) []byte { return nil }),
		"None":                        compact(map[string]any{"alg": "None", "kid": "1"}, plain, func(string) []byte { return nil }),
		"HS256 with the public key":   compact(map[string]any{"alg": "HS256", "kid": "1"}, plain, mac(public)),
		"HS256 with the JWKS":         compact(map[string]any{"alg": "HS256", "kid": "1"}, plain, mac(k.jwks("1"))),
		"another key":                 with(thief, nil, nil),
		"another key, no kid":         with(thief, map[string]any{"kid": nil}, nil),
		"embedded jwk":                with(thief, map[string]any{"jwk": thief.jwk()}, nil),
		"embedded jwk, no kid":        with(thief, map[string]any{"jwk": thief.jwk(), "kid": nil}, nil),
		"its own key embedded":        with(k, map[string]any{"jwk": k.jwk()}, nil),
		"jku":                         with(thief, map[string]any{"jku": "https://evil.example.com/jwks"}, nil),
		"x5u":                         with(thief, map[string]any{"x5u": "https://evil.example.com/cert"}, nil),
		"x5c":                         with(thief, map[string]any{"x5c": []string{"AAAA"}}, nil),
		"crit":                        with(k, map[string]any{"crit": []string{"exp"}}, nil),
		"crit of its own":             with(k, map[string]any{"crit": []string{"x"}, "x": 1}, nil),
		"kid of a file":               with(thief, map[string]any{"kid": "../../../dev/null"}, nil),
		"kid of a query":              with(thief, map[string]any{"kid": "1' OR '1'='1"}, nil),
		"unknown kid":                 with(k, map[string]any{"kid": "2"}, nil),
		"kid that is no text":         with(k, map[string]any{"kid": 1}, nil),
		"ES384":                       with(k, map[string]any{"alg": "ES384"}, nil),
		"RS256":                       with(k, map[string]any{"alg": "RS256"}, nil),
		"EdDSA":                       with(k, map[string]any{"alg": "EdDSA"}, nil),
		"a DPoP proof's typ":          with(k, map[string]any{"typ": "dpop+jwt"}, nil),
		"an access token's typ":       with(k, map[string]any{"typ": "at+jwt"}, nil),
		"a logout token's typ":        with(k, map[string]any{"typ": "logout+jwt"}, nil),
		"a security event's typ":      with(k, map[string]any{"typ": "secevent+jwt"}, nil),
		"another issuer":              claims(map[string]any{"iss": "wiki"}),
		"no issuer":                   claims(map[string]any{"iss": nil}),
		"another subject":             claims(map[string]any{"sub": "wiki"}),
		"no subject":                  claims(map[string]any{"sub": nil}),
		"another audience":            claims(map[string]any{"aud": "https://issuer.example.com"}),
		"the token endpoint":          claims(map[string]any{"aud": aud + "/token"}),
		"a slash more":                claims(map[string]any{"aud": aud + "/"}),
		"no audience":                 claims(map[string]any{"aud": nil}),
		"two audiences":               claims(map[string]any{"aud": []string{aud, "https://evil.example.com"}}),
		"a list of audiences":         claims(map[string]any{"aud": []string{aud}}),
		"no jti":                      claims(map[string]any{"jti": nil}),
		"empty jti":                   claims(map[string]any{"jti": ""}),
		"no exp":                      claims(map[string]any{"exp": nil}),
		"expired":                     claims(map[string]any{"exp": now.Add(-30 * time.Second).Unix()}),
		"for hours":                   claims(map[string]any{"exp": now.Add(61 * time.Minute).Unix()}),
		"exp beyond time":             claims(map[string]any{"exp": int64(1) << 62}),
		"exp that is text":            claims(map[string]any{"exp": "9999999999"}),
		"not yet":                     claims(map[string]any{"nbf": now.Add(time.Minute).Unix()}),
		"issued tomorrow":             claims(map[string]any{"iat": now.Add(24 * time.Hour).Unix()}),
		"changed":                     good[:len(good)-6] + "AAAAAA",
		"without its signature":       good[:len(good)-86],
		"spare bits":                  spareBits(good),
		"line break":                  good[:20] + "\n" + good[20:],
		"padded":                      good + "==",
		"a member twice":              raw2(k, `{"alg":"ES256","kid":"1"}`, string(raw[:len(raw)-1])+`,"sub":"wiki"}`),
		"a member in another case":    raw2(k, `{"alg":"ES256","kid":"1"}`, string(raw[:len(raw)-1])+`,"SUB":"wiki"}`),
		"a header twice":              raw2(k, `{"alg":"none","alg":"ES256","kid":"1"}`, string(raw)),
		"JSON serialisation":          `{"payload":"e30","protected":"e30","signature":""}`,
		"larger than anything honest": claims(map[string]any{"x": make([]byte, 8<<10)}),
	}
}

// raw2 signs texts as they are.
func raw2(k dpopKey, header, claims string) string {
	input := b64.EncodeToString([]byte(header)) + "." + b64.EncodeToString([]byte(claims))
	return input + "." + b64.EncodeToString(k.sign(input))
}

func TestForgedClientAssertions(t *testing.T) {
	s := newService(t, nil)
	a := s.signIn(t)
	table := forgeries(t, s.key, s.id, frontURL, s.now())
	table["an ID token"] = a.text("id_token")
	table["an access token"] = a.text("access_token")
	table["a DPoP proof"] = s.key.proof(frontURL+"/revoke", s.now())
	for name, assertion := range table {
		t.Run(name, func(t *testing.T) {
			post(t, s, frontURL+"/revoke", s.signed(url.Values{"token": {"x"}}, assertion)).refused(t, 400, "invalid_client")
			post(t, s, frontURL+"/revoke", set(s.signed(url.Values{"token": {"x"}}, assertion), "client_id", s.id)).refused(t, 400, "invalid_client")
		})
	}
	require.Equal(t, http.StatusOK, post(t, s, frontURL+"/revoke", s.signed(url.Values{"token": {"x"}}, s.assertion())).status)
}

// Sixty-four uses of one assertion at once, through two replicas: one counts.
func TestParallelReplaysOfAnAssertion(t *testing.T) {
	for name, open := range stores() {
		t.Run(name, func(t *testing.T) {
			s := newService(t, open(t))
			replica := s.replica(t)
			for round := range short(40) {
				form := s.signed(url.Values{"token": {"x"}}, s.assertion())
				won := issuertest.Race(t, 64, func(n int) error {
					if post(t, []http.Handler{s, replica}[n%2], frontURL+"/revoke", form).status != http.StatusOK {
						return issuer.ErrTaken
					}
					return nil
				})
				require.Equal(t, 1, won, "round %d", round)
			}
		})
	}
}

// Twenty refreshes at once with a token that nothing binds but the client's
// signature: one changes it, and because the others came the family is over.
func TestParallelRefreshesOfABearer(t *testing.T) {
	for name, open := range stores() {
		t.Run(name, func(t *testing.T) {
			store := &watchedRefresh{Store: open(t)}
			s := newService(t, store)
			replica := s.replica(t)
			for round := range short(40) {
				token := s.signIn(t).text("refresh_token")
				a := s.refresh(t, s, token)
				require.Equal(t, http.StatusOK, a.status, "%v", a.body)
				token = a.text("refresh_token")
				got := make([]string, 20)
				won := issuertest.Race(t, len(got), func(n int) error {
					a := s.refresh(t, []http.Handler{s, replica}[n%2], token)
					if got[n] = a.text("refresh_token"); a.status != http.StatusOK {
						return issuer.ErrTaken
					}
					return nil
				})
				require.LessOrEqual(t, won, 1)
				require.Equal(t, 2*(round+1), store.replaced)
				for _, next := range append(got, token) {
					if next != "" {
						s.refresh(t, s, next).refused(t, 400, "invalid_grant")
					}
				}
			}
		})
	}
}

// The keys that can be registered sign, and what looks like one cannot be.
func TestClientKeys(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	small, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // to be refused
	require.NoError(t, err)
	ec := newDPoPKey(t)
	set := func(k any) json.RawMessage {
		b, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: k, KeyID: "1"}}})
		require.NoError(t, err)
		return b
	}
	s := newService(t, nil)
	s.change(t, s.id, func(c *issuer.Client) { c.JWKS = set(private.Public()) })
	pss := func(alg string, salt int) string {
		now := s.now()
		return compact(map[string]any{"alg": alg, "kid": "1"}, map[string]any{"iss": s.id, "sub": s.id, "aud": frontURL, "jti": rand.Text(), "exp": now.Add(time.Minute).Unix()}, func(input string) []byte {
			sum := sha256.Sum256([]byte(input))
			sig, err := rsa.SignPSS(rand.Reader, private, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: salt})
			require.NoError(t, err)
			return sig
		})
	}
	use := func(assertion string) answer {
		return post(t, s, frontURL+"/revoke", s.signed(url.Values{"token": {"x"}}, assertion))
	}
	require.Equal(t, http.StatusOK, use(pss("PS256", rsa.PSSSaltLengthEqualsHash)).status)
	use(pss("PS256", 0)).refused(t, 400, "invalid_client")
	use(pss("RS256", rsa.PSSSaltLengthEqualsHash)).refused(t, 400, "invalid_client")
	use(pss("ES256", rsa.PSSSaltLengthEqualsHash)).refused(t, 400, "invalid_client")

	jwk := func(more map[string]any) json.RawMessage {
		k := ec.jwk()
		merge(k, more)
		b, err := json.Marshal(map[string]any{"keys": []any{k}})
		require.NoError(t, err)
		return b
	}
	for text, jwks := range map[string]json.RawMessage{
		"not a JWK Set":          json.RawMessage(`[]`),
		"it has 0 keys":          json.RawMessage(`{"keys":[]}`),
		"a private or secret":    set(ec.PrivateKey),
		"1024 bits":              set(small.Public()),
		"its kty is":             json.RawMessage(`{"keys":[{"kty":"x"}]}`),
		"must be for signatures": jwk(map[string]any{"use": "enc"}),
		"its alg is":             jwk(map[string]any{"alg": "RS256"}),
		"not a P-256":            jwk(map[string]any{"crv": "P-384"}),
		"a kid of its own":       json.RawMessage(`{"keys":[` + string(jwk(nil)[9:len(jwk(nil))-2]) + `,` + string(jwk(nil)[9:len(jwk(nil))-2]) + `]}`),
	} {
		err := s.SetClients([]issuer.Client{{ID: s.id, JWKS: jwks}})
		require.ErrorContains(t, err, text)
		require.ErrorContains(t, err, `client "service"`)
		require.Equal(t, http.StatusOK, use(pss("PS256", rsa.PSSSaltLengthEqualsHash)).status, "nothing has changed")
	}
}

func FuzzStatement(f *testing.F) {
	k := newDPoPKey(f)
	for _, s := range forgeries(f, k, "service", frontURL, noon) {
		f.Add(s)
	}
	f.Add(k.statement("service", frontURL, noon))
	f.Fuzz(func(t *testing.T, text string) {
		id, jti, err := issuer.VerifyStatement(text, issuer.Client{ID: "service", JWKS: k.jwks("1")}, frontURL, noon)
		if err != nil {
			require.Empty(t, id+jti)
			return
		}
		require.Equal(t, "service", id)
		require.NotEmpty(t, jti)
		signed, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.ES256})
		require.NoError(t, err)
		_, err = signed.Verify(k.Public())
		require.NoError(t, err)
	})
}

func FuzzClientKeys(f *testing.F) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(f, err)
	for _, key := range []any{newDPoPKey(f).Public(), private.Public(), private} {
		set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key, KeyID: "1", Use: "sig"}}})
		require.NoError(f, err)
		f.Add(set)
	}
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","alg":"EdDSA"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AAAA"}]}`))
	f.Fuzz(func(t *testing.T, set []byte) {
		n, err := issuer.ClientKeys(set)
		if err != nil {
			require.Zero(t, n)
			return
		}
		var plain struct{ Keys []map[string]any }
		require.NoError(t, json.Unmarshal(set, &plain))
		require.Len(t, plain.Keys, n)
		require.Positive(t, n)
		for _, k := range plain.Keys {
			for _, private := range []string{"d", "p", "q", "k"} {
				require.NotContains(t, k, private)
			}
		}
	})
}
