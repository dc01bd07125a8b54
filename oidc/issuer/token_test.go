package issuer_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/oidc/issuer"
)

// events returns type and outcome of every record, intents left out.
func (p *provider) events(t testing.TB) (all []string) {
	t.Helper()
	for _, r := range p.records(t) {
		if r["phase"] != "intent" {
			event := r["event"].(map[string]any)
			all = append(all, event["type"].(string)+" "+event["outcome"].(string))
		}
	}
	return all
}

// What is wrong with a redemption costs the code and the session: the right
// redemption afterwards fails too.
func TestWrongRedemption(t *testing.T) {
	for name, tc := range map[string]struct {
		change []string
		proof  func(*person) []string
		wait   time.Duration
		code   string
	}{
		"wrong verifier":    {change: []string{"code_verifier", strings.Repeat("v", 43)}, code: "invalid_grant"},
		"no verifier":       {change: []string{"code_verifier", ""}, code: "invalid_grant"},
		"another client":    {change: []string{"client_id", "second"}, code: "invalid_grant"},
		"foreign audience":  {change: []string{"audience", "another"}, code: "invalid_target"},
		"code too old":      {wait: time.Minute, code: "invalid_grant"},
		"foreign key":       {proof: func(c *person) []string { return []string{newDPoPKey(t).proof(tokenURL, c.p.now())} }, code: "invalid_grant"},
		"no proof":          {proof: func(*person) []string { return nil }, code: "invalid_dpop_proof"},
		"proof of old":      {proof: func(c *person) []string { return []string{c.key.proof(tokenURL, c.p.now().Add(-time.Hour))} }, code: "invalid_dpop_proof"},
		"proof for another": {proof: func(c *person) []string { return []string{c.key.proof(challengeAt, c.p.now())} }, code: "invalid_dpop_proof"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			c := newPerson(t, p)
			code := c.code(t)
			p.pass(tc.wait)
			proofs := []string{c.proof()}
			if tc.proof != nil {
				proofs = tc.proof(c)
			}
			post(t, p, tokenURL, c.redemption(code, tc.change...), proofs...).refused(t, 400, tc.code)
			p.pass(-tc.wait)
			post(t, p, tokenURL, c.redemption(code), c.proof()).refused(t, 400, "invalid_grant")
			require.Equal(t, []string{"session.end ok"}, p.events(t), "ended once, and on the record")
		})
	}
	t.Run("unknown code", func(t *testing.T) {
		p := newProvider(t)
		c := newPerson(t, p)
		post(t, p, tokenURL, c.redemption("guess"), c.proof()).refused(t, 400, "invalid_grant")
		require.Empty(t, p.events(t), "a guess by a stranger must not make the log grow")
	})
	t.Run("not a grant", func(t *testing.T) {
		c := newPerson(t, newProvider(t))
		post(t, c.p, tokenURL, c.redemption("x", "grant_type", "password"), c.proof()).refused(t, 400, "unsupported_grant_type")
		post(t, c.p, tokenURL, c.redemption("x", "grant_type", ""), c.proof()).refused(t, 400, "invalid_request")
		post(t, c.p, tokenURL, c.redemption(""), c.proof()).refused(t, 400, "invalid_request")
		post(t, c.p, tokenURL, c.refreshment(""), c.proof()).refused(t, 400, "invalid_request")
	})
	t.Run("in the last second", func(t *testing.T) {
		p := newProvider(t)
		c := newPerson(t, p)
		code := c.code(t)
		p.pass(time.Minute - time.Second)
		require.Equal(t, 200, post(t, p, tokenURL, c.redemption(code), c.proof()).status)
	})
}

func TestCodeReplayEndsTheSession(t *testing.T) {
	p := newProvider(t)
	c := newPerson(t, p)
	code := c.code(t)
	a := post(t, p, tokenURL, c.redemption(code), c.proof())
	require.Equal(t, 200, a.status)
	require.Equal(t, 200, c.refresh(t, a.text("refresh_token")).status)

	// Hours later, and without any of what belongs to the code.
	p.pass(3 * time.Hour)
	post(t, p, tokenURL, c.redemption(code, "code_verifier", "")).refused(t, 400, "invalid_grant")
	c.refresh(t, a.text("refresh_token")).refused(t, 400, "invalid_grant")
	require.Equal(t, []string{"token.issue ok", "token.refresh ok", "session.end ok", "token.refresh denied"}, p.events(t))
}

func TestRefresh(t *testing.T) {
	p := newProvider(t)
	c := newPerson(t, p)
	first := c.signIn(t, "nonce", "n-1")
	_, original := decode(t, first.text("id_token"))
	seen := map[any]bool{original["jti"]: true}
	token := first.text("refresh_token")
	for _, aud := range []string{audience, "other", clientID} {
		p.pass(time.Hour)
		a := c.refresh(t, token, "audience", aud)
		require.Equal(t, 200, a.status, "%v", a.body)
		require.NotEqual(t, token, a.text("refresh_token"))
		token = a.text("refresh_token")
		_, claims := verify(t, a.text("id_token"), get(t, p, baseURL+"/jwks").body)
		require.Equal(t, aud, claims["aud"])
		require.NotContains(t, claims, "nonce", "OpenID Connect Core §12.2")
		require.EqualValues(t, p.now().Unix(), claims["iat"])
		require.False(t, seen[claims["jti"]])
		seen[claims["jti"]] = true
		for _, name := range []string{"iss", "sub", "azp", "auth_time", "acr", "amr", "sid", "session_expiry"} {
			require.Equal(t, original[name], claims[name], name)
		}
	}
	t.Run("default audience", func(t *testing.T) {
		_, claims := decode(t, c.refresh(t, token, "audience", "").text("id_token"))
		require.Equal(t, clientID, claims["aud"])
	})
	t.Run("same scope", func(t *testing.T) {
		require.Equal(t, 200, c.refresh(t, token, "scope", "openid").status)
	})
}

func TestRefreshRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		change  []string
		proof   func(*person) []string
		prepare func(*provider)
		status  int
		code    string
	}{
		"unknown token":     {change: []string{"refresh_token", "guess"}, code: "invalid_grant"},
		"another client":    {change: []string{"client_id", "second"}, code: "invalid_grant"},
		"foreign audience":  {change: []string{"audience", "another"}, code: "invalid_target"},
		"the issuer itself": {change: []string{"audience", baseURL}, code: "invalid_target"},
		"more scope":        {change: []string{"scope", "openid all-apis"}, code: "invalid_scope"},
		"foreign key":       {proof: func(c *person) []string { return []string{newDPoPKey(t).proof(tokenURL, c.p.now())} }, code: "invalid_grant"},
		"no proof":          {proof: func(*person) []string { return nil }, code: "invalid_dpop_proof"},
		"two proofs":        {proof: func(c *person) []string { return []string{c.proof(), c.proof()} }, code: "invalid_dpop_proof"},
		"hard end":          {prepare: func(p *provider) { p.pass(8 * time.Hour) }, code: "invalid_grant"},
		"key removed":       {prepare: func(p *provider) { p.rp.active = fido.ErrNotFound }, code: "invalid_grant"},
		"key quarantined":   {prepare: func(p *provider) { p.rp.active = fido.ErrQuarantined }, code: "invalid_grant"},
		"key revoked":       {prepare: func(p *provider) { p.rp.active = fido.ErrRevoked }, code: "invalid_grant"},
		"key pending":       {prepare: func(p *provider) { p.rp.active = fido.ErrPending }, code: "invalid_grant"},
		"person blocked":    {prepare: func(p *provider) { p.rp.active = fmt.Errorf("asking: %w", fido.ErrBlocked) }, code: "invalid_grant"},
		"policy refuses":    {prepare: func(p *provider) { p.rp.active = fmt.Errorf("asking: %w", &fido.PolicyError{}) }, code: "invalid_grant"},
		"key unreadable":    {prepare: func(p *provider) { p.rp.active = errors.New("disk") }, status: 503, code: "temporarily_unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			c := newPerson(t, p)
			token := c.signIn(t).text("refresh_token")
			if tc.prepare != nil {
				tc.prepare(p)
			}
			proofs := []string{c.proof()}
			if tc.proof != nil {
				proofs = tc.proof(c)
			}
			if tc.status == 0 {
				tc.status = 400
			}
			post(t, p, tokenURL, c.refreshment(token, tc.change...), proofs...).refused(t, tc.status, tc.code)
			want := []string{"token.issue ok", "token.refresh denied"}
			if name == "unknown token" || tc.status == 503 {
				want = want[:1]
			}
			require.Equal(t, want, p.events(t))
			if tc.prepare == nil {
				require.Equal(t, 200, c.refresh(t, token).status, "whoever else tried, the session is its owner's")
			}
		})
	}
}

// Tokens never outlive their session.
func TestHardEnd(t *testing.T) {
	p := newProvider(t, func(_ *provider, c *issuer.Config) { c.SessionLifetime, c.TokenLifetime = time.Hour, 20*time.Minute })
	c := newPerson(t, p)
	a := c.signIn(t)
	end := p.now().Add(time.Hour).Unix()
	p.pass(50 * time.Minute)
	b := c.refresh(t, a.text("refresh_token"))
	require.EqualValues(t, 10*60, b.body["expires_in"])
	require.EqualValues(t, 10*60, b.body["session_expires_in"])
	for _, token := range []string{"id_token", "access_token"} {
		_, claims := decode(t, b.text(token))
		require.EqualValues(t, end, claims["exp"])
	}
	p.pass(10*time.Minute - time.Second)
	a = c.refresh(t, b.text("refresh_token"))
	require.Equal(t, 200, a.status)
	p.pass(time.Second)
	c.refresh(t, a.text("refresh_token")).refused(t, 400, "invalid_grant")
}

func TestEndSession(t *testing.T) {
	p := newProvider(t)
	c := newPerson(t, p)
	a := c.signIn(t)
	require.ErrorIs(t, p.EndSession(t.Context(), "unknown", "test"), issuer.ErrNotFound)
	require.NoError(t, p.EndSession(t.Context(), a.text("session_id"), "the laptop was stolen"))
	require.NoError(t, p.EndSession(t.Context(), a.text("session_id"), "again"))
	c.refresh(t, a.text("refresh_token")).refused(t, 400, "invalid_grant")
	require.Equal(t, []string{"token.issue ok", "session.end ok", "token.refresh denied"}, p.events(t))

	t.Run("before its code was redeemed", func(t *testing.T) {
		c := newPerson(t, p)
		code := c.code(t)
		require.NoError(t, p.EndSession(t.Context(), p.store.last, "changed their mind"))
		post(t, p, tokenURL, c.redemption(code), c.proof()).refused(t, 400, "invalid_grant")
	})
}

// Without a durable record there is no token: neither when the intent nor when
// the result cannot be written.
func TestNoRecordNoToken(t *testing.T) {
	for _, point := range []string{"code checked", "intent recorded", "tokens signed"} {
		t.Run(point, func(t *testing.T) {
			p := newProvider(t)
			c := newPerson(t, p)
			code := c.code(t)
			p.SetFailPoint(func(at string) {
				if at == point {
					require.NoError(t, p.log.Close())
				}
			})
			post(t, p, tokenURL, c.redemption(code), c.proof()).refused(t, http.StatusServiceUnavailable, "temporarily_unavailable")
		})
	}
	t.Run("refresh", func(t *testing.T) {
		p := newProvider(t)
		c := newPerson(t, p)
		token := c.signIn(t).text("refresh_token")
		require.NoError(t, p.log.Close())
		c.refresh(t, token).refused(t, http.StatusServiceUnavailable, "temporarily_unavailable")
	})
}

// Replicas that share a store are one issuer: they sign with one key, and any
// of them serves any step.
func TestReplicas(t *testing.T) {
	p := newProvider(t)
	c := newPerson(t, p)
	replica, err := issuer.New(t.Context(), issuer.Config{URL: baseURL, Clients: []issuer.Client{{ID: clientID, Audiences: []string{audience}}}, Audit: p.log, Now: p.now}, p.rp, p.store)
	require.NoError(t, err)
	a := post(t, replica, tokenURL, c.redemption(c.code(t)), c.proof())
	require.Equal(t, 200, a.status)
	verify(t, a.text("id_token"), get(t, p, baseURL+"/jwks").body)
	require.Equal(t, get(t, p, baseURL+"/jwks").body, get(t, replica, baseURL+"/jwks").body)
}

// What has expired is forgotten, without a process of its own.
func TestSweep(t *testing.T) {
	p := newProvider(t)
	c := newPerson(t, p)
	session := c.begin(t).text("auth_session")
	code := c.code(t)
	p.pass(24 * time.Hour)
	c.begin(t)
	p.pass(-24 * time.Hour)
	c.finish(t, session).refused(t, 400, "invalid_session")
	post(t, p, tokenURL, c.redemption(code), c.proof()).refused(t, 400, "invalid_grant")
	require.Empty(t, p.events(t))
}
