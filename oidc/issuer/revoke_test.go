package issuer_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
)

const revokeAt = baseURL + "/revoke"

func (c *person) revocation(token string, pairs ...string) url.Values {
	return set(url.Values{"token": {token}, "token_type_hint": {"refresh_token"}, "client_id": {clientID}}, pairs...)
}

func (c *person) revoke(t testing.TB, token string, pairs ...string) answer {
	t.Helper()
	return post(t, c.p, revokeAt, c.revocation(token, pairs...), c.key.proof(revokeAt, c.p.now()))
}

func TestRevoke(t *testing.T) {
	for name, tc := range map[string]struct {
		change  []string
		prepare func(*provider)
	}{
		"with a hint":       {},
		"without a hint":    {change: []string{"token_type_hint", ""}},
		"with a wrong hint": {change: []string{"token_type_hint", "access_token"}},
		"by a removed key":  {prepare: func(p *provider) { p.rp.active = fido.ErrNotFound }},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			c := newPerson(t, p)
			first, other := c.signIn(t), c.signIn(t)
			if tc.prepare != nil {
				tc.prepare(p)
			}
			token := first.text("refresh_token")
			a := c.revoke(t, token, tc.change...)
			require.Equal(t, 200, a.status, "%v", a.body)
			require.Equal(t, "no-store", a.header.Get("Cache-Control"))
			require.Empty(t, a.body)
			require.Equal(t, 200, c.revoke(t, token).status, "ending it twice is no error")

			p.rp.active = nil
			c.refresh(t, token).refused(t, 400, "invalid_grant")
			require.Equal(t, 200, c.refresh(t, other.text("refresh_token")).status, "another session goes on")
			require.Equal(t, []string{"token.issue ok", "token.issue ok", "session.end ok", "token.refresh denied", "token.refresh ok"}, p.events(t))
			end := p.records(t)[4]["event"].(map[string]any)
			require.Equal(t, []any{"session.end", first.text("session_id")}, []any{end["type"], end["session_id"]})
		})
	}
}

func TestRevokeRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		change   []string
		proofs   func(*person) []string
		code     string
		recorded bool
	}{
		"no token":          {change: []string{"token", ""}, code: "invalid_request"},
		"unknown client":    {change: []string{"client_id", "stranger"}, code: "invalid_client"},
		"another client":    {change: []string{"client_id", "second"}, code: "invalid_grant", recorded: true},
		"foreign key":       {proofs: func(c *person) []string { return []string{newDPoPKey(t).proof(revokeAt, c.p.now())} }, code: "invalid_grant", recorded: true},
		"no proof":          {proofs: func(*person) []string { return nil }, code: "invalid_dpop_proof", recorded: true},
		"proof of a token":  {proofs: func(c *person) []string { return []string{c.proof()} }, code: "invalid_dpop_proof", recorded: true},
		"proof of old":      {proofs: func(c *person) []string { return []string{c.key.proof(revokeAt, c.p.now().Add(-time.Hour))} }, code: "invalid_dpop_proof", recorded: true},
		"an access token":   {change: []string{"token", "unknown", "token_type_hint", "access_token"}, code: "unsupported_token_type"},
		"a client's secret": {change: []string{"client_secret", "x"}, code: "invalid_client"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			c := newPerson(t, p)
			token := c.signIn(t).text("refresh_token")
			proofs := []string{c.key.proof(revokeAt, p.now())}
			if tc.proofs != nil {
				proofs = tc.proofs(c)
			}
			post(t, p, revokeAt, c.revocation(token, tc.change...), proofs...).refused(t, 400, tc.code)
			want := []string{"token.issue ok"}
			if tc.recorded {
				want = append(want, "session.end denied")
			}
			require.Equal(t, want, p.events(t))
			require.Equal(t, 200, c.refresh(t, token).status, "the session is its owner's")
		})
	}
	t.Run("unknown token", func(t *testing.T) {
		p := newProvider(t)
		c := newPerson(t, p)
		require.Equal(t, 200, post(t, p, revokeAt, c.revocation("guess")).status, "RFC 7009 §2.2")
		require.Empty(t, p.events(t), "a guess by a stranger must not make the log grow")
	})
	t.Run("log closed", func(t *testing.T) {
		p := newProvider(t)
		c := newPerson(t, p)
		token := c.signIn(t).text("refresh_token")
		require.NoError(t, p.log.Close())
		c.revoke(t, token).refused(t, 503, "temporarily_unavailable")
		c.refresh(t, token).refused(t, 400, "invalid_grant") // over all the same
	})
}
