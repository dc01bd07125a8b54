package issuer_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/oidc/issuer"
	"github.com/lakekey/lakekey/oidc/issuer/issuertest"
)

const (
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	typeAccess    = "urn:ietf:params:oauth:token-type:access_token"
	typeID        = "urn:ietf:params:oauth:token-type:id_token"
	typeJWT       = "urn:ietf:params:oauth:token-type:jwt"
	introspectAt  = baseURL + "/introspect"
)

// agents is a person's program, and agents that it hands tokens to.
type agents struct {
	*person
	keys map[string]dpopKey
	list []issuer.Client
	log  bytes.Buffer
}

// newAgents makes assistant, which may act in the program's sessions, helper, which
// assistant may hand on to, further ones in a row, and stranger, which may not act.
func newAgents(t testing.TB) *agents {
	t.Helper()
	g := &agents{keys: map[string]dpopKey{}}
	row := []string{"assistant", "helper", "third", "fourth"}
	own := issuer.Client{ID: clientID, Audiences: []string{"warehouse", "lake", "stranger", "plain", "unbound"}}
	own.Audiences = append(own.Audiences, row...)
	for n, id := range append(row, "stranger", "unbound") {
		g.keys[id] = newDPoPKey(t)
		c := issuer.Client{ID: id, JWKS: g.keys[id].jwks("1"), Audiences: []string{"warehouse", "elsewhere", "plain"}, Scopes: []string{"sql", "files"}, InsecureBearer: true}
		if n+1 < len(row) {
			c.Audiences = append(c.Audiences, row[n+1:]...)
		}
		if id != "stranger" {
			c.MayActFor = []string{clientID}
		}
		if id == "unbound" {
			c.InsecureBearer = false
		}
		g.list = append(g.list, c)
	}
	g.list = append(g.list, own, issuer.Client{ID: "plain"}, issuer.Client{ID: "second", Audiences: []string{"assistant"}})
	p := newProvider(t, func(_ *provider, cfg *issuer.Config) {
		cfg.Clients = g.list
		cfg.Logger = slog.New(slog.NewTextHandler(&g.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	g.person = newPerson(t, p)
	return g
}

func (g *agents) sign(id string, changes ...change) string {
	return g.keys[id].statement(id, baseURL, g.p.now(), changes...)
}

func actorHeader(header map[string]any) change {
	return change{header: map[string]any{"typ": "actor+jwt"}, claims: header}
}

// exchange is a request of an agent's for a token for the warehouse.
func (g *agents) exchange(t testing.TB, id, subject string, pairs ...string) answer {
	t.Helper()
	return post(t, g.p, tokenURL, g.exchangeForm(id, subject, pairs...))
}

func (g *agents) exchangeForm(id, subject string, pairs ...string) url.Values {
	return set(url.Values{
		"grant_type": {grantExchange}, "client_assertion_type": {assertionType}, "client_assertion": {g.sign(id)},
		"subject_token": {subject}, "subject_token_type": {typeJWT}, "actor_token": {g.sign(id, actorHeader(nil))}, "actor_token_type": {typeJWT},
		"audience": {"warehouse"},
	}, pairs...)
}

// hand signs in and returns a token that the person's program asked for, for an agent.
func (g *agents) hand(t testing.TB, id string) (token, refresh string) {
	t.Helper()
	a := g.signIn(t, "audience", id)
	return a.text("id_token"), a.text("refresh_token")
}

func (g *agents) introspect(t testing.TB, id, token string) answer {
	t.Helper()
	a := post(t, g.p, introspectAt, url.Values{"token": {token}, "client_assertion_type": {assertionType}, "client_assertion": {g.sign(id)}})
	require.Equal(t, http.StatusOK, a.status, "%v", a.body)
	return a
}

// An agent gets a token that says for whom it acts, and that it is the agent that
// does: for one place, for what was asked, for no longer than what it was handed.
func TestExchange(t *testing.T) {
	g := newAgents(t)
	subject, _ := g.hand(t, "assistant")
	_, handed := decode(t, subject)
	g.p.pass(5 * time.Minute)
	a := g.exchange(t, "assistant", subject, "scope", "sql", "subject_token_type", typeID)
	require.Equal(t, http.StatusOK, a.status, "%v", a.body)
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	require.Equal(t, []any{typeAccess, "Bearer", "sql", 600.0}, []any{a.body["issued_token_type"], a.body["token_type"], a.body["scope"], a.body["expires_in"]})
	require.NotContains(t, a.body, "refresh_token")
	require.NotContains(t, a.body, "id_token")
	header, claims := verify(t, a.text("access_token"), get(t, g.p, baseURL+"/jwks").body)
	require.Equal(t, "at+jwt", header["typ"])
	require.NotEmpty(t, claims["jti"])
	jti := claims["jti"]
	delete(claims, "jti")
	require.Equal(t, map[string]any{
		"iss": baseURL, "sub": "ada@example.com", "aud": "warehouse", "client_id": "assistant", "scope": "sql",
		"iat": float64(g.p.now().Unix()), "exp": handed["exp"], "auth_time": handed["auth_time"], "acr": "phr", "amr": handed["amr"],
		"sid": handed["sid"], "act": map[string]any{"sub": "assistant"},
	}, claims)
	require.Equal(t, []string{"token.issue ok", "token.exchange ok"}, g.p.events(t))
	records := g.p.records(t)
	for _, r := range records[len(records)-2:] {
		event := r["event"].(map[string]any)
		require.Equal(t, []any{"token.exchange", "ada@example.com", clientID, "assistant", "warehouse", "sql", jti, handed["sid"]},
			[]any{event["type"], event["user"], event["client_id"], event["actor"], event["audience"], event["scope"], event["token_id"], event["session_id"]})
	}

	t.Run("as a JWT, without a scope", func(t *testing.T) {
		a := g.exchange(t, "assistant", subject, "requested_token_type", typeJWT)
		require.Equal(t, http.StatusOK, a.status, "%v", a.body)
		require.Equal(t, typeJWT, a.body["issued_token_type"])
		require.NotContains(t, a.body, "scope")
	})
	t.Run("bound to a key", func(t *testing.T) {
		k := newDPoPKey(t)
		form := g.exchangeForm("assistant", subject)
		a := post(t, g.p, tokenURL, form, k.proof(tokenURL, g.p.now()))
		require.Equal(t, http.StatusOK, a.status, "%v", a.body)
		require.Equal(t, "DPoP", a.body["token_type"])
		_, claims := decode(t, a.text("access_token"))
		require.Equal(t, map[string]any{"jkt": k.jkt()}, claims["cnf"])
	})
	t.Run("no bearer token for those who may not have one", func(t *testing.T) {
		subject, _ := g.hand(t, "unbound")
		g.exchange(t, "unbound", subject).refused(t, 400, "invalid_dpop_proof")
		a := post(t, g.p, tokenURL, g.exchangeForm("unbound", subject), newDPoPKey(t).proof(tokenURL, g.p.now()))
		require.Equal(t, http.StatusOK, a.status, "%v", a.body)
	})
}

// An agent hands on less than it has, three times at most, and every hand shows.
func TestExchangeChain(t *testing.T) {
	g := newAgents(t)
	token, _ := g.hand(t, "assistant")
	row := []string{"assistant", "helper", "third", "fourth"}
	scopes := []string{"files sql", "sql", "", ""}
	want := map[string]any(nil)
	for n, id := range row[:3] {
		a := g.exchange(t, id, token, "audience", row[n+1], "scope", scopes[n])
		require.Equal(t, http.StatusOK, a.status, "%s: %v", id, a.body)
		_, claims := decode(t, a.text("access_token"))
		act := map[string]any{"sub": id}
		if want != nil {
			act["act"] = want
		}
		want = act
		require.Equal(t, want, claims["act"])
		require.Equal(t, "ada@example.com", claims["sub"])
		require.NotContains(t, claims, "cnf")
		if n == 1 {
			g.exchange(t, "third", a.text("access_token"), "scope", "files").refused(t, 400, "invalid_scope")
			g.exchange(t, "third", a.text("access_token"), "audience", "lake").refused(t, 400, "invalid_target")
			g.exchange(t, "assistant", a.text("access_token")).refused(t, 400, "invalid_request")
		}
		token = a.text("access_token")
	}
	g.exchange(t, "fourth", token).refused(t, 400, "invalid_request")

	// What one on the way may no longer do, nobody after it may.
	first, _ := g.hand(t, "assistant")
	second := g.exchange(t, "assistant", first, "audience", "helper").text("access_token")
	require.Equal(t, http.StatusOK, g.exchange(t, "helper", second).status)
	require.Equal(t, true, g.introspect(t, "helper", second).body["active"])
	for n := range g.list {
		if g.list[n].ID == "assistant" {
			g.list[n].MayActFor = nil
		}
	}
	require.NoError(t, g.p.SetClients(g.list))
	g.exchange(t, "helper", second).refused(t, 400, "invalid_target")
	require.Equal(t, map[string]any{"active": false}, g.introspect(t, "helper", second).body)
}

func TestExchangeRefused(t *testing.T) {
	g := newAgents(t)
	subject, refresh := g.hand(t, "assistant")
	theirs, _ := g.hand(t, "helper")
	session := g.signIn(t, "audience", clientID)
	begun := g.begin(t, "client_id", "second", "audience", "assistant")
	code := g.finish(t, begun.text("auth_session"), "client_id", "second").text("authorization_code")
	foreign := post(t, g.p, tokenURL, g.redemption(code, "client_id", "second"), g.proof())
	require.Equal(t, http.StatusOK, foreign.status, "%v", foreign.body)
	used := g.sign("assistant", actorHeader(nil))
	require.Equal(t, http.StatusOK, g.exchange(t, "assistant", subject, "actor_token", used).status)
	assertion := g.sign("assistant")

	for name, tc := range map[string]struct {
		agent   string
		subject string
		change  []string
		code    string
	}{
		"no subject token":               {subject: "", code: "invalid_request"},
		"no subject token type":          {change: []string{"subject_token_type", ""}, code: "invalid_request"},
		"another subject token type":     {change: []string{"subject_token_type", "urn:ietf:params:oauth:token-type:saml2"}, code: "invalid_request"},
		"an ID token as an access token": {change: []string{"subject_token_type", typeAccess}, code: "invalid_request"},
		"a refresh token":                {subject: refresh, code: "invalid_request"},
		"an access token":                {subject: session.text("access_token"), code: "invalid_request"},
		"an ID token for another agent":  {subject: theirs, code: "invalid_request"},
		"an ID token for the program":    {subject: session.text("id_token"), code: "invalid_request"},
		"no audience":                    {change: []string{"audience", ""}, code: "invalid_request"},
		"a resource":                     {change: []string{"resource", "https://warehouse.example.com"}, code: "invalid_target"},
		"an audience of nobody's":        {change: []string{"audience", "anything"}, code: "invalid_target"},
		"one that the program has not":   {change: []string{"audience", "elsewhere"}, code: "invalid_target"},
		"one that the agent has not":     {change: []string{"audience", "lake"}, code: "invalid_target"},
		"the agent itself":               {change: []string{"audience", "assistant"}, code: "invalid_target"},
		"the issuer":                     {change: []string{"audience", baseURL}, code: "invalid_target"},
		"an agent without keys":          {change: []string{"audience", "plain"}, code: "invalid_target"},
		"a scope that is not registered": {change: []string{"scope", "sql all-apis"}, code: "invalid_scope"},
		"an ID token":                    {change: []string{"requested_token_type", typeID}, code: "invalid_request"},
		"a refresh token, please":        {change: []string{"requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token"}, code: "invalid_request"},
		"no actor token":                 {change: []string{"actor_token", ""}, code: "invalid_request"},
		"no actor token type":            {change: []string{"actor_token_type", ""}, code: "invalid_request"},
		"an actor's access token":        {change: []string{"actor_token_type", typeAccess}, code: "invalid_request"},
		"an actor token that was used":   {change: []string{"actor_token", used}, code: "invalid_request"},
		"an assertion as an actor token": {change: []string{"actor_token", g.sign("assistant")}, code: "invalid_request"},
		"the assertion of this request":  {change: []string{"client_assertion", assertion, "actor_token", assertion}, code: "invalid_request"},
		"an actor token as an assertion": {change: []string{"client_assertion", g.sign("assistant", actorHeader(nil))}, code: "invalid_client"},
		"the actor token of another":     {change: []string{"actor_token", g.sign("helper", actorHeader(nil))}, code: "invalid_request"},
		"the subject token as the actor": {change: []string{"actor_token", subject}, code: "invalid_request"},
		"no assertion":                   {change: []string{"client_assertion", "", "client_assertion_type", "", "client_id", "assistant"}, code: "invalid_client"},
		"a client that may not act":      {agent: "stranger", code: "unauthorized_client"},
		"a session of another program's": {subject: foreign.text("id_token"), code: "unauthorized_client"},
	} {
		t.Run(name, func(t *testing.T) {
			agent, token := tc.agent, tc.subject
			if agent == "" {
				agent = "assistant"
			}
			if token == "" && name != "no subject token" {
				token = subject
			}
			a := g.exchange(t, agent, token, tc.change...)
			a.refused(t, 400, tc.code)
			require.NotContains(t, a.body, "access_token")
		})
	}
	g.p.rp.active = fido.ErrRevoked
	g.exchange(t, "assistant", subject).refused(t, 400, "invalid_grant")
	g.p.rp.active = nil
	require.Equal(t, http.StatusOK, g.exchange(t, "assistant", subject).status)
	g.p.pass(15 * time.Minute)
	g.exchange(t, "assistant", subject).refused(t, 400, "invalid_request")
	g.p.pass(-15 * time.Minute)
	require.Equal(t, http.StatusOK, g.revoke(t, refresh).status)
	g.exchange(t, "assistant", subject).refused(t, 400, "invalid_grant")
}

// Of forged subject and actor tokens, none is taken.
func TestForgedExchanges(t *testing.T) {
	g := newAgents(t)
	subject, _ := g.hand(t, "assistant")
	for name, token := range forgeries(t, g.keys["assistant"], "assistant", baseURL, g.p.now()) {
		g.exchange(t, "assistant", subject, "actor_token", token).refused(t, 400, "invalid_request")
		g.exchange(t, "assistant", token).refused(t, 400, "invalid_request")
		require.NotEmpty(t, name)
	}
	header, claims := decode(t, subject)
	thief := newDPoPKey(t)
	for name, c := range map[string]change{
		"another key":       {},
		"its key embedded":  {header: map[string]any{"jwk": thief.jwk()}},
		"without a kid":     {header: map[string]any{"kid": nil}},
		"its own kid":       {header: map[string]any{"kid": thief.jkt()}},
		"a kid of a file":   {header: map[string]any{"kid": "../../dev/null"}},
		"jku":               {header: map[string]any{"jku": "https://evil.example.com/jwks"}},
		"x5u":               {header: map[string]any{"x5u": "https://evil.example.com/cert"}},
		"crit":              {header: map[string]any{"crit": []string{"exp"}}},
		"for somebody else": {claims: map[string]any{"sub": "grace@example.com"}},
		"none":              {header: map[string]any{"alg": "none"}},
		"HS256":             {header: map[string]any{"alg": "HS256"}},
		"RS256":             {header: map[string]any{"alg": "RS256"}},
	} {
		t.Run(name, func(t *testing.T) {
			h, b := map[string]any{}, map[string]any{}
			merge(h, header)
			merge(b, claims)
			merge(h, c.header)
			merge(b, c.claims)
			g.exchange(t, "assistant", compact(h, b, thief.sign)).refused(t, 400, "invalid_request")
		})
	}
	require.Equal(t, http.StatusOK, g.exchange(t, "assistant", subject).status)
}

// A delegated token is none of the session's own: it is no ID token, and this issuer's
// own resources are not its audience.
func TestDelegatedTokensAreNotTheSessions(t *testing.T) {
	g := newAgents(t)
	subject, _ := g.hand(t, "assistant")
	token := g.exchange(t, "assistant", subject, "requested_token_type", typeJWT).text("access_token")
	_, _, err := g.p.OwnToken(token, "JWT")
	require.Error(t, err)
	who, _, err := g.p.OwnToken(token, "at+jwt")
	require.NoError(t, err)
	require.Equal(t, "ada@example.com", who)
	g.exchange(t, "assistant", token).refused(t, 400, "invalid_request")
	g.refresh(t, token).refused(t, 400, "invalid_grant")
	require.Equal(t, http.StatusOK, post(t, g.p, revokeAt, url.Values{"client_id": {clientID}, "token": {token}}).status, "RFC 7009 §2.2")
	require.Equal(t, true, g.introspect(t, "assistant", token).body["active"], "which has revoked nothing")
}

// Without a durable record no agent acts.
func TestNoRecordNoDelegation(t *testing.T) {
	g := newAgents(t)
	subject, _ := g.hand(t, "assistant")
	g.p.SetFailPoint(func(at string) {
		if at == "exchange checked" {
			require.NoError(t, g.p.log.Close())
		}
	})
	a := g.exchange(t, "assistant", subject)
	a.refused(t, http.StatusServiceUnavailable, "temporarily_unavailable")
	require.NotContains(t, a.body, "access_token")
}

// One actor token sent 64 times at once is good once.
func TestParallelReplaysOfAnActorToken(t *testing.T) {
	g := newAgents(t)
	subject, _ := g.hand(t, "assistant")
	for round := range short(40) {
		token := g.sign("assistant", actorHeader(nil))
		forms := make([]url.Values, 64)
		for n := range forms {
			forms[n] = g.exchangeForm("assistant", subject, "actor_token", token)
		}
		won := issuertest.Race(t, len(forms), func(n int) error {
			if post(t, g.p, tokenURL, forms[n]).status != http.StatusOK {
				return issuer.ErrTaken
			}
			return nil
		})
		require.Equal(t, 1, won, "round %d", round)
	}
}
