package issuer_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/oidc/issuer"
)

// A resource learns what a token for it is good for at this moment, and nothing
// about any other.
func TestIntrospection(t *testing.T) {
	s := newService(t, nil, issuer.Client{ID: "other", JWKS: newDPoPKey(t).jwks("1")})
	a := s.signIn(t)
	ask := func(token string, pairs ...string) answer {
		return post(t, s, frontURL+"/introspect", set(s.signed(url.Values{"token": {token}}, s.assertion()), pairs...))
	}
	_, id := decode(t, a.text("id_token"))
	_, access := decode(t, a.text("access_token"))
	common := map[string]any{
		"active": true, "client_id": "service", "username": ada, "sub": ada, "iss": frontURL,
		"sid": id["sid"], "auth_time": id["auth_time"], "acr": "phr", "amr": id["amr"],
	}
	want := func(more map[string]any) map[string]any {
		all := map[string]any{}
		merge(all, common)
		merge(all, more)
		return all
	}
	for token, expected := range map[string]map[string]any{
		"access_token":  want(map[string]any{"token_type": "Bearer", "scope": "openid", "aud": frontURL, "jti": access["jti"], "iat": access["iat"], "exp": access["exp"]}),
		"id_token":      want(map[string]any{"aud": "service", "jti": id["jti"], "iat": id["iat"], "exp": id["exp"]}),
		"refresh_token": want(map[string]any{"scope": "openid", "exp": id["session_expiry"]}),
	} {
		for _, hint := range []string{"", token, "nonsense"} {
			got := ask(a.text(token), "token_type_hint", hint)
			require.Equal(t, http.StatusOK, got.status)
			require.Equal(t, "no-store", got.header.Get("Cache-Control"))
			require.Equal(t, expected, got.body, token)
		}
	}

	dead := func(why string, tokens ...string) {
		t.Helper()
		for _, token := range tokens {
			got := ask(token)
			require.Equal(t, http.StatusOK, got.status)
			require.Equal(t, map[string]any{"active": false}, got.body, why)
		}
	}
	all := []string{a.text("access_token"), a.text("id_token"), a.text("refresh_token")}
	dead("nonsense", "x", a.text("id_token")+"x", frontURL)
	wiki := s.redeem(t, s.front.code(t))
	dead("another client's", wiki.text("access_token"), wiki.text("id_token"))
	for name, token := range forgeries(t, s.key, "service", frontURL, s.now()) {
		dead(name, token)
	}

	require.NoError(t, s.Issuer.SetClients(append([]issuer.Client{{ID: "service", JWKS: s.key.jwks("1")}}, s.clients[:1]...)))
	require.Equal(t, true, ask(all[0]).body["active"])
	require.NoError(t, s.Issuer.SetClients(s.clients))

	fresh := s.refresh(t, s, all[2]).text("refresh_token")
	dead("a refresh token that was replaced", all[2])
	require.Equal(t, true, ask(fresh).body["active"])
	s.pass(15 * time.Minute)
	dead("expired", all[0], all[1])
	require.Equal(t, true, ask(fresh).body["active"])
	require.Equal(t, http.StatusOK, post(t, s, frontURL+"/revoke", s.signed(url.Values{"token": {fresh}}, s.assertion())).status)
	dead("revoked", append(all, fresh)...)
}

func TestIntrospectionOfADeadKey(t *testing.T) {
	g := newAgents(t)
	subject, _ := g.hand(t, "assistant")
	token := g.exchange(t, "assistant", subject, "scope", "sql").text("access_token")
	body := g.introspect(t, "assistant", token).body
	require.Equal(t, []any{true, "sql", "warehouse", map[string]any{"sub": "assistant"}}, []any{body["active"], body["scope"], body["aud"], body["act"]})
	require.Equal(t, true, g.introspect(t, "assistant", subject).body["active"])
	require.Equal(t, map[string]any{"active": false}, g.introspect(t, "helper", token).body)
	g.p.rp.active = fido.ErrRevoked
	require.Equal(t, map[string]any{"active": false}, g.introspect(t, "assistant", token).body)
	g.p.rp.active = nil
	require.Equal(t, true, g.introspect(t, "assistant", token).body["active"])
}

func TestIntrospectionRefused(t *testing.T) {
	s := newService(t, nil)
	post(t, s, frontURL+"/introspect", url.Values{"client_id": {"wiki"}, "token": {"x"}}).refused(t, 400, "invalid_client")
	post(t, s, frontURL+"/introspect", url.Values{"client_id": {"service"}, "token": {"x"}}).refused(t, 400, "invalid_client")
	post(t, s, frontURL+"/introspect", s.signed(url.Values{}, s.assertion())).refused(t, 400, "invalid_request")
}
