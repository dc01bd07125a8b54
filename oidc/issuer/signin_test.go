package issuer_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/keypolicy"
	"github.com/lakekey/lakekey/oidc/issuer"
)

func TestSignIn(t *testing.T) {
	p := newProvider(t)
	c := newPerson(t, p)

	a := c.begin(t, "login_hint", "ada@example.com", "nonce", "n-1")
	a.refused(t, http.StatusForbidden, "insufficient_authorization")
	require.Equal(t, map[string]any{"challenge": "AAAA"}, a.body["webauthn"])
	require.EqualValues(t, 300, a.body["expires_in"])
	require.Equal(t, "ada@example.com", p.rp.begun[0].UserName)
	require.NotEmpty(t, p.rp.begun[0].RemoteAddr)

	touched := p.now().Unix()
	a = c.finish(t, a.text("auth_session"))
	require.Equal(t, http.StatusOK, a.status, "%v", a.body)
	require.Len(t, a.body, 1)

	p.pass(5 * time.Second)
	a = post(t, p, tokenURL, c.redemption(a.text("authorization_code")), c.proof())
	require.Equal(t, http.StatusOK, a.status, "%v", a.body)
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	require.Equal(t, "application/json", a.header.Get("Content-Type"))
	require.Empty(t, a.header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "DPoP", a.text("token_type"))
	require.Equal(t, "openid", a.text("scope"))
	require.EqualValues(t, 15*60, a.body["expires_in"])
	require.EqualValues(t, 8*60*60-5, a.body["session_expires_in"])

	jwks := get(t, p, baseURL+"/jwks").body
	now := p.now().Unix()
	header, claims := verify(t, a.text("id_token"), jwks)
	require.Equal(t, "JWT", header["typ"])
	id := claims["jti"]
	require.Len(t, id, 22)
	require.Equal(t, map[string]any{
		"iss": baseURL, "sub": "ada@example.com", "aud": audience, "azp": clientID,
		"iat": float64(now), "exp": float64(now + 15*60), "auth_time": float64(touched),
		"acr": "phr", "amr": []any{"pop", "user", "mfa"}, "nonce": "n-1",
		"jti": id, "sid": a.text("session_id"), "at_hash": atHash(a.text("access_token")), "session_expiry": float64(touched + 8*60*60),
	}, claims)

	header, claims = verify(t, a.text("access_token"), jwks)
	require.Equal(t, "at+jwt", header["typ"])
	require.Equal(t, map[string]any{
		"iss": baseURL, "sub": "ada@example.com", "aud": baseURL, "client_id": clientID, "scope": "openid",
		"iat": float64(now), "exp": float64(now + 15*60), "auth_time": float64(touched),
		"acr": "phr", "amr": []any{"pop", "user", "mfa"},
		"jti": id.(string) + ".at", "sid": a.text("session_id"), "cnf": map[string]any{"jkt": c.key.jkt()},
	}, claims)

	records := p.records(t)
	require.Len(t, records, 2)
	for n, phase := range []string{"intent", "result"} {
		require.Equal(t, phase, records[n]["phase"])
		event := records[n]["event"].(map[string]any)
		require.Equal(t, []any{"token.issue", "ada@example.com", a.text("session_id"), clientID, audience, id, "phr"},
			[]any{event["type"], event["user"], event["session_id"], event["client_id"], event["audience"], event["token_id"], event["acr"]})
		require.Len(t, event["token_hash"], 64)
	}
}

func TestDiscovery(t *testing.T) {
	p := newProvider(t)
	oidc := get(t, p, baseURL+"/.well-known/openid-configuration")
	require.Equal(t, http.StatusOK, oidc.status)
	require.Equal(t, map[string]any{
		"issuer": baseURL, "jwks_uri": baseURL + "/jwks", "token_endpoint": tokenURL, "authorization_challenge_endpoint": challengeAt, "revocation_endpoint": revokeAt,
		"scopes_supported": []any{"openid"}, "response_types_supported": []any{"code"},
		"grant_types_supported": []any{"authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_types_supported": []any{"public"},
		"id_token_signing_alg_values_supported": []any{"ES256"}, "acr_values_supported": []any{"phrh", "phr"},
		"claims_supported":             []any{"iss", "sub", "aud", "azp", "exp", "iat", "auth_time", "acr", "amr", "nonce", "at_hash", "jti", "sid", "session_expiry"},
		"backchannel_logout_supported": true, "backchannel_logout_session_supported": true,
		"claims_parameter_supported": false, "request_parameter_supported": false, "request_uri_parameter_supported": false,
		"introspection_endpoint": baseURL + "/introspect", "introspection_endpoint_auth_methods_supported": []any{"private_key_jwt"}, "introspection_endpoint_auth_signing_alg_values_supported": []any{"ES256", "PS256", "EdDSA", "Ed25519"},
		"revocation_endpoint_auth_methods_supported": []any{"none", "private_key_jwt"}, "revocation_endpoint_auth_signing_alg_values_supported": []any{"ES256", "PS256", "EdDSA", "Ed25519"},
		"token_endpoint_auth_methods_supported": []any{"none", "private_key_jwt"}, "token_endpoint_auth_signing_alg_values_supported": []any{"ES256", "PS256", "EdDSA", "Ed25519"},
		"code_challenge_methods_supported":  []any{"S256"},
		"dpop_signing_alg_values_supported": []any{"ES256", "EdDSA", "Ed25519"},
	}, oidc.body)
	// RFC 8414 §3.1: the path of the issuer comes after the well-known part.
	oauth := get(t, p, "https://issuer.example/.well-known/oauth-authorization-server/idp")
	require.Equal(t, oidc.body, oauth.body)

	t.Run("no header has a say", func(t *testing.T) {
		r := httptest.NewRequest(http.MethodGet, "https://evil.example/idp/.well-known/openid-configuration", nil)
		r.Header.Set("X-Forwarded-Host", "evil.example")
		r.Header.Set("X-Forwarded-Proto", "http")
		r.Header.Set("Forwarded", "host=evil.example")
		require.Equal(t, oidc.body, send(t, p, r).body)
	})
	t.Run("HEAD", func(t *testing.T) {
		require.Equal(t, http.StatusOK, send(t, p, httptest.NewRequest(http.MethodHead, baseURL+"/jwks", nil)).status)
	})
	t.Run("elsewhere", func(t *testing.T) {
		for _, target := range []string{baseURL, baseURL + "/", baseURL + "/jwks/", baseURL + "//jwks", "https://issuer.example/jwks", baseURL + "/x/../jwks"} {
			get(t, p, target).refused(t, http.StatusNotFound, "invalid_request")
		}
	})
	t.Run("methods", func(t *testing.T) {
		a := send(t, p, httptest.NewRequest(http.MethodPost, baseURL+"/jwks", nil))
		a.refused(t, http.StatusMethodNotAllowed, "invalid_request")
		require.Equal(t, "GET", a.header.Get("Allow"))
		for _, method := range []string{http.MethodGet, http.MethodOptions, http.MethodPut, http.MethodHead} {
			r := httptest.NewRequest(method, tokenURL, nil)
			r.Header.Set("Origin", "https://evil.example")
			r.Header.Set("Access-Control-Request-Method", "POST")
			a := send(t, p, r)
			require.Equal(t, http.StatusMethodNotAllowed, a.status)
			require.Empty(t, a.header.Get("Access-Control-Allow-Origin"))
		}
	})
}

// Every request that is refused before the touch, and what it is told.
func TestBegin(t *testing.T) {
	for name, tc := range map[string]struct {
		change []string
		status int
		code   string
	}{
		"no client":               {[]string{"client_id", ""}, 400, "invalid_request"},
		"unknown client":          {[]string{"client_id", "stranger"}, 400, "invalid_client"},
		"client with a secret":    {[]string{"client_secret", "s3cret"}, 400, "invalid_client"},
		"no response type":        {[]string{"response_type", ""}, 400, "invalid_request"},
		"implicit":                {[]string{"response_type", "id_token"}, 400, "unsupported_response_type"},
		"no scope":                {[]string{"scope", ""}, 400, "invalid_scope"},
		"not OpenID":              {[]string{"scope", "openids profile"}, 400, "invalid_scope"},
		"foreign audience":        {[]string{"audience", "another"}, 400, "invalid_target"},
		"another's audience":      {[]string{"client_id", "second"}, 400, "invalid_target"},
		"audience with a space":   {[]string{"client_id", "any", "audience", "a b"}, 400, "invalid_target"},
		"no challenge":            {[]string{"code_challenge", ""}, 400, "invalid_request"},
		"short challenge":         {[]string{"code_challenge", "AAAA"}, 400, "invalid_request"},
		"padded challenge":        {[]string{"code_challenge", strings.Repeat("A", 43) + "="}, 400, "invalid_request"},
		"challenge with a tail":   {[]string{"code_challenge", strings.Repeat("A", 42) + "B"}, 400, "invalid_request"},
		"plain PKCE":              {[]string{"code_challenge_method", "plain"}, 400, "invalid_request"},
		"PKCE without a method":   {[]string{"code_challenge_method", ""}, 400, "invalid_request"},
		"no key":                  {[]string{"dpop_jkt", ""}, 400, "invalid_request"},
		"no thumbprint":           {[]string{"dpop_jkt", "thumb"}, 400, "invalid_request"},
		"unprovable acr":          {[]string{"acr_values", "urn:mace:incommon:iap:silver PHR"}, 400, "unmet_authentication_requirements"},
		"negative max_age":        {[]string{"max_age", "-1"}, 400, "invalid_request"},
		"max_age in words":        {[]string{"max_age", "soon"}, 400, "invalid_request"},
		"essential claims":        {[]string{"claims", `{"id_token":{"acr":{"essential":true}}}`}, 400, "invalid_request"},
		"request object":          {[]string{"request", "e30"}, 400, "request_not_supported"},
		"request by reference":    {[]string{"request_uri", "https://evil.example"}, 400, "request_uri_not_supported"},
		"no touch":                {[]string{"prompt", "none"}, 400, "login_required"},
		"long nonce":              {[]string{"nonce", strings.Repeat("n", 513)}, 400, "invalid_request"},
		"long hint":               {[]string{"login_hint", strings.Repeat("n", 513)}, 400, "invalid_request"},
		"quotes in a parameter":   {[]string{`na"me\`, "\xff"}, 400, "invalid_request"},
		"more than is reasonable": {[]string{"acr_values", strings.Repeat("phr ", 17)}, 400, "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			newPerson(t, p).begin(t, tc.change...).refused(t, tc.status, tc.code)
			require.Empty(t, p.rp.begun, "nobody is asked for a touch that cannot help")
		})
	}
	for name, change := range map[string][]string{
		"own audience":   {"audience", ""},
		"any audience":   {"client_id", "any", "audience", "https://anything.example"},
		"max_age":        {"max_age", "0"},
		"prompt":         {"prompt", "login"},
		"further scopes": {"scope", "profile openid offline_access"},
		"one known acr":  {"acr_values", "unknown phr"},
	} {
		t.Run(name, func(t *testing.T) {
			newPerson(t, newProvider(t)).begin(t, change...).refused(t, http.StatusForbidden, "insufficient_authorization")
		})
	}
}

func TestBody(t *testing.T) {
	p := newProvider(t)
	form := newPerson(t, p).request().Encode()
	for name, tc := range map[string]struct {
		contentType, body string
		status            int
	}{
		"JSON":              {"application/json", `{}`, 415},
		"no content type":   {"", form, 415},
		"two content types": {"application/x-www-form-urlencoded, text/plain", form, 415},
		"too large":         {"application/x-www-form-urlencoded", form + "&x=" + strings.Repeat("x", 64<<10), 413},
		"twice":             {"application/x-www-form-urlencoded", form + "&client_id=" + clientID, 400},
		"twice, once empty": {"application/x-www-form-urlencoded", form + "&client_id=", 400},
		"twice, escaped":    {"application/x-www-form-urlencoded", form + "&%63lient_id=" + clientID, 400},
		"bad escape":        {"application/x-www-form-urlencoded", form + "&x=%zz", 400},
		"semicolon":         {"application/x-www-form-urlencoded", form + "&a=1;b=2", 400},
		"many":              {"application/x-www-form-urlencoded", form + strings.Repeat("&x%d=1", 1) + manyParameters(), 400},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, challengeAt, strings.NewReader(tc.body))
			r.Header.Set("Content-Type", tc.contentType)
			send(t, p, r).refused(t, tc.status, "invalid_request")
			require.Empty(t, p.rp.begun)
		})
	}
	t.Run("in the URL", func(t *testing.T) {
		r := httptest.NewRequest(http.MethodPost, challengeAt+"?"+form, nil)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		send(t, p, r).refused(t, 400, "invalid_request")
	})
	t.Run("charset", func(t *testing.T) {
		r := httptest.NewRequest(http.MethodPost, challengeAt, strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
		send(t, p, r).refused(t, 403, "insufficient_authorization")
	})
	t.Run("Authorization", func(t *testing.T) {
		r := httptest.NewRequest(http.MethodPost, tokenURL, strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth(clientID, "secret")
		a := send(t, p, r)
		a.refused(t, http.StatusUnauthorized, "invalid_client")
		require.NotEmpty(t, a.header.Get("WWW-Authenticate"))
	})
}

func manyParameters() string {
	var b strings.Builder
	for n := range 64 {
		b.WriteString("&p" + strings.Repeat("p", n) + "=1")
	}
	return b.String()
}

// Whatever goes wrong with the second request, the auth_session is gone.
func TestFinishBurnsTheSession(t *testing.T) {
	for name, tc := range map[string]struct {
		change []string
		wait   time.Duration
		code   string
	}{
		"garbage":        {[]string{"webauthn_response", "garbage"}, 0, "access_denied"},
		"nothing":        {[]string{"webauthn_response", ""}, 0, "invalid_request"},
		"another client": {[]string{"client_id", "second"}, 0, "invalid_session"},
		"expired":        {nil, 5 * time.Minute, "invalid_session"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			c := newPerson(t, p)
			session := c.begin(t).text("auth_session")
			p.pass(tc.wait)
			c.finish(t, session, tc.change...).refused(t, 400, tc.code)
			p.pass(-tc.wait)
			c.finish(t, session).refused(t, 400, "invalid_session")
		})
	}
	t.Run("success too", func(t *testing.T) {
		p := newProvider(t)
		c := newPerson(t, p)
		session := c.begin(t).text("auth_session")
		require.Equal(t, 200, c.finish(t, session).status)
		c.finish(t, session).refused(t, 400, "invalid_session")
	})
	t.Run("unknown", func(t *testing.T) {
		newPerson(t, newProvider(t)).finish(t, "guess").refused(t, 400, "invalid_session")
	})
	t.Run("to the second", func(t *testing.T) {
		p := newProvider(t)
		c := newPerson(t, p)
		session := c.begin(t).text("auth_session")
		p.pass(5*time.Minute - time.Second)
		require.Equal(t, 200, c.finish(t, session).status)
	})
}

// acr and amr are what the proof is worth, whatever was asked for.
func TestAssurance(t *testing.T) {
	rooted := func(p *fido.Proof) { p.Evidence.Verdict, p.Evidence.Hardware = keypolicy.Rooted, true }
	for name, tc := range map[string]struct {
		proof func(*fido.Proof)
		asked string
		acr   string // "" if refused
		amr   []any
	}{
		"unattested":                  {func(*fido.Proof) {}, "", "phr", []any{"pop", "user", "mfa"}},
		"unattested, phr asked":       {func(*fido.Proof) {}, "phr", "phr", []any{"pop", "user", "mfa"}},
		"unattested, phrh asked":      {func(*fido.Proof) {}, "phrh", "", nil},
		"unattested, either":          {func(*fido.Proof) {}, "phrh phr", "phr", []any{"pop", "user", "mfa"}},
		"hardware":                    {rooted, "", "phrh", []any{"hwk", "user", "mfa"}},
		"hardware, phrh asked":        {rooted, "phrh", "phrh", []any{"hwk", "user", "mfa"}},
		"hardware, phr asked":         {rooted, "phr", "phr", []any{"hwk", "user", "mfa"}},
		"hardware, preference":        {rooted, "x phr phrh", "phr", []any{"hwk", "user", "mfa"}},
		"hardware claimed, self":      {func(p *fido.Proof) { p.Evidence.Verdict, p.Evidence.Hardware = keypolicy.Self, true }, "phrh", "", nil},
		"hardware claimed, none":      {func(p *fido.Proof) { p.Evidence.Hardware = true }, "", "phr", []any{"pop", "user", "mfa"}},
		"rooted, not hardware":        {func(p *fido.Proof) { p.Evidence.Verdict = keypolicy.Rooted }, "phrh", "", nil},
		"hardware that can be copied": {func(p *fido.Proof) { rooted(p); p.BackupEligible = true }, "", "phr", []any{"pop", "user", "mfa"}},
		"without verification":        {func(p *fido.Proof) { p.UserVerified = false }, "", "phr", []any{"pop", "user"}},
		"without a touch":             {func(p *fido.Proof) { p.UserPresent = false }, "", "", nil},
		"a touch before the request":  {func(p *fido.Proof) { p.At = time.Unix(1, 0) }, "", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			tc.proof(&p.rp.proof)
			c := newPerson(t, p)
			if tc.acr == "" {
				c.finish(t, c.begin(t, "acr_values", tc.asked).text("auth_session")).refused(t, 400, "unmet_authentication_requirements")
				records := p.records(t)
				require.Len(t, records, 1)
				event := records[0]["event"].(map[string]any)
				require.Equal(t, []any{"authorize", "denied", "ada@example.com"}, []any{event["type"], event["outcome"], event["user"]})
				return
			}
			_, claims := decode(t, c.signIn(t, "acr_values", tc.asked).text("id_token"))
			require.Equal(t, tc.acr, claims["acr"])
			require.Equal(t, tc.amr, claims["amr"])
		})
	}
}

func TestRefusedByTheRelyingParty(t *testing.T) {
	for name, tc := range map[string]struct {
		err    error
		status int
		code   string
	}{
		"ceremony gone":      {fido.ErrCeremonyNotFound, 400, "invalid_session"},
		"quarantined":        {&fido.VerificationError{Check: "sign counter"}, 400, "access_denied"},
		"quarantined before": {fido.ErrQuarantined, 400, "access_denied"},
		"algorithm":          {&fido.UnsupportedAlgorithmError{Algorithm: -48}, 400, "access_denied"},
		"store broken":       {http.ErrServerClosed, 503, "temporarily_unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			c := newPerson(t, p)
			session := c.begin(t).text("auth_session")
			p.rp.finish = tc.err
			a := c.finish(t, session)
			a.refused(t, tc.status, tc.code)
			require.NotContains(t, a.text("error_description"), "Server closed", "faults of ours are for the log")
		})
	}
}

func TestNewRefuses(t *testing.T) {
	p := newProvider(t)
	good := func() issuer.Config {
		return issuer.Config{URL: "http://localhost:8080", Clients: []issuer.Client{{ID: "c"}}, Audit: p.log}
	}
	for name, tc := range map[string]struct {
		change func(*issuer.Config)
		want   string
	}{
		"plain http":       {func(c *issuer.Config) { c.URL = "http://issuer.example" }, "https"},
		"no URL":           {func(c *issuer.Config) { c.URL = "" }, "URL"},
		"slash":            {func(c *issuer.Config) { c.URL += "/" }, `write it "http://localhost:8080"`},
		"query":            {func(c *issuer.Config) { c.URL += "?x" }, "write it"},
		"fragment":         {func(c *issuer.Config) { c.URL += "#" }, "write it"},
		"password":         {func(c *issuer.Config) { c.URL = "https://a:hunter2@b.example" }, "password"},
		"capitals":         {func(c *issuer.Config) { c.URL = "https://Issuer.example" }, `write it "https://issuer.example"`},
		"default port":     {func(c *issuer.Config) { c.URL = "https://issuer.example:443" }, "write it"},
		"dots":             {func(c *issuer.Config) { c.URL = "https://issuer.example/a/../b" }, `write it "https://issuer.example/b"`},
		"no clients":       {func(c *issuer.Config) { c.Clients = nil }, "Clients"},
		"nameless client":  {func(c *issuer.Config) { c.Clients[0].ID = "" }, "client ID"},
		"client twice":     {func(c *issuer.Config) { c.Clients = append(c.Clients, c.Clients[0]) }, "twice"},
		"audience":         {func(c *issuer.Config) { c.Clients[0].Audiences = []string{"a b"} }, "audience"},
		"own audience":     {func(c *issuer.Config) { c.Clients[0].Audiences = []string{c.URL} }, "issuer itself"},
		"no audit":         {func(c *issuer.Config) { c.Audit = nil }, "Audit"},
		"endless session":  {func(c *issuer.Config) { c.SessionLifetime = 12*time.Hour + 1 }, "SessionLifetime"},
		"negative session": {func(c *issuer.Config) { c.SessionLifetime = -1 }, "SessionLifetime"},
		"long token":       {func(c *issuer.Config) { c.TokenLifetime = time.Hour + 1 }, "TokenLifetime"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good()
			tc.change(&cfg)
			_, err := issuer.New(t.Context(), cfg, p.rp, p.store)
			require.ErrorContains(t, err, tc.want)
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
	_, err := issuer.New(t.Context(), good(), nil, p.store)
	require.ErrorContains(t, err, "relying party")
	_, err = issuer.New(t.Context(), good(), p.rp, nil)
	require.ErrorContains(t, err, "store")
	_, err = issuer.New(t.Context(), good(), p.rp, p.store)
	require.NoError(t, err)
}
