package issuer_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator/softkey"
	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/keypolicy"
	"github.com/lakekey/lakekey/oidc/issuer"
)

const localURL = "http://localhost:8443"

func openSite(t testing.TB) (site, *chain) {
	t.Helper()
	s := site{dir: t.TempDir(), url: localURL}
	c, err := s.open(t.Context())
	require.NoError(t, err)
	return s, c
}

func (c *chain) person(t testing.TB) *person {
	t.Helper()
	return &person{p: &provider{Issuer: c.Issuer, time: time.Now()}, key: newDPoPKey(t), verifier: rand.Text() + rand.Text()}
}

// Whoever has no key learns nothing from how an assertion is refused: not which
// names are known, and not which of the offered credentials exist.
func TestRefusalsTellNoNames(t *testing.T) {
	s, c := openSite(t)
	defer c.close(t)
	key := newSecurityKey(t, softkey.Options{})
	key.enroll(t, s, c.rp, "ada@example.com")
	p := c.person(t)

	probe := func(name string, response func(challenge, id string) map[string]any) answer {
		a := post(t, c, s.url+"/authorize-challenge", p.request("login_hint", name))
		require.Equal(t, "insufficient_authorization", a.text("error"), "%v", a.body)
		options := a.body["webauthn"].(map[string]any)
		id := options["allowCredentials"].([]any)[0].(map[string]any)["id"].(string)
		encoded, err := json.Marshal(map[string]any{"id": id, "rawId": id, "type": "public-key", "clientExtensionResults": map[string]any{}, "response": response(options["challenge"].(string), id)})
		require.NoError(t, err)
		return post(t, c, s.url+"/authorize-challenge", url.Values{"client_id": {clientID}, "auth_session": {a.text("auth_session")}, "webauthn_response": {string(encoded)}})
	}
	clientData := func(typ, challenge, origin string) string {
		b, err := json.Marshal(map[string]any{"type": typ, "challenge": challenge, "origin": origin, "crossOrigin": false})
		require.NoError(t, err)
		return b64.EncodeToString(b)
	}
	rpID := sha256.Sum256([]byte("localhost"))
	authData := func(hash []byte, flags byte) string {
		return b64.EncodeToString(append(slices.Clone(hash), flags, 0, 0, 0, 9))
	}

	var first answer
	for check, response := range map[string]func(challenge, id string) map[string]any{
		"response": func(string, string) map[string]any { return map[string]any{} },
		"client data": func(string, string) map[string]any {
			return map[string]any{"clientDataJSON": "AAAA", "authenticatorData": "AAAA", "signature": "AAAA"}
		},
		"type": func(string, string) map[string]any {
			return map[string]any{"clientDataJSON": "e30", "authenticatorData": "AAAA", "signature": "AAAA"}
		},
		"origin": func(challenge, _ string) map[string]any {
			return map[string]any{"clientDataJSON": clientData("webauthn.get", challenge, "https://evil.example"), "authenticatorData": "AAAA", "signature": "AAAA"}
		},
		"user": func(challenge, _ string) map[string]any {
			return map[string]any{"clientDataJSON": clientData("webauthn.get", challenge, s.url), "authenticatorData": authData(rpID[:], 5), "signature": "AAAA", "userHandle": "AAAA"}
		},
		"presence": func(challenge, _ string) map[string]any {
			return map[string]any{"clientDataJSON": clientData("webauthn.get", challenge, s.url), "authenticatorData": authData(rpID[:], 0), "signature": "AAAA"}
		},
		"rpIdHash": func(challenge, _ string) map[string]any {
			return map[string]any{"clientDataJSON": clientData("webauthn.get", challenge, s.url), "authenticatorData": authData(make([]byte, 32), 5), "signature": "AAAA"}
		},
		"signature": func(challenge, _ string) map[string]any {
			return map[string]any{"clientDataJSON": clientData("webauthn.get", challenge, s.url), "authenticatorData": authData(rpID[:], 5), "signature": "AAAA"}
		},
	} {
		known, unknown := probe("ada@example.com", response), probe("nobody@example.com", response)
		known.refused(t, 400, "access_denied")
		require.Equal(t, known.status, unknown.status, check)
		require.Equal(t, known.body, unknown.body, check)
		if first.body == nil {
			first = known
		}
		require.Equal(t, first.body, known.body, "%s: one text, whatever was wrong", check)
	}

	// The log tells its reader what the client is not told.
	log := string(readFile(t, s.auditPath()))
	for _, check := range []string{"verifying credential", "verifying client data", "verifying origin", "verifying signature"} {
		require.Contains(t, log, check)
	}
}

// Who has shown the key's signature may be told what is wrong with the key.
func TestRefusalsAfterTheSignature(t *testing.T) {
	p := newProvider(t)
	c := newPerson(t, p)
	say := func(err error) string {
		session := c.begin(t).text("auth_session")
		p.rp.finish = err
		a := c.finish(t, session)
		a.refused(t, 400, "access_denied")
		return a.text("error_description")
	}
	before := say(&fido.VerificationError{Check: "credential"})
	require.Equal(t, before, say(&fido.VerificationError{Check: "sign count"}))
	require.Equal(t, before, say(&fido.UnsupportedAlgorithmError{Algorithm: -48}), "found out before the signature")
	require.Contains(t, before, "start again")
	require.Contains(t, say(fido.ErrQuarantined), "quarantined")
	require.Contains(t, say(fido.ErrPending), "approval")
	require.Contains(t, say(fido.ErrRevoked), "revoked")
	require.Contains(t, say(fido.ErrBlocked), "blocked")
	policy := say(&fido.PolicyError{Decision: keypolicy.Decision{Rule: "staff", Reasons: []keypolicy.Reason{{Rule: "staff", Field: "hardware", Want: "true", Found: "no attestation"}}}})
	require.Contains(t, policy, "hardware: wants true, found no attestation")
	require.NotContains(t, policy, `"`)
	require.Contains(t, say(&fido.VerificationError{Check: "sign count", Signed: true}), "sign count")
}

// A reader of the log joins its records by equality.
func TestOneCredentialOneName(t *testing.T) {
	s, c := openSite(t)
	key := newSecurityKey(t, softkey.Options{})
	credential := key.enroll(t, s, c.rp, "ada@example.com")
	p := c.person(t)
	a := p.touch(t, s.url, key)
	require.Equal(t, 200, a.status, "%v", a.body)
	token := s.url + "/token"
	a = post(t, c, token, p.redemption(a.text("authorization_code")), p.key.proof(token, time.Now()))
	require.Equal(t, 200, a.status, "%v", a.body)
	require.Equal(t, 200, post(t, c, token, p.refreshment(a.text("refresh_token")), p.key.proof(token, time.Now())).status)
	c.close(t)

	named := map[string]bool{}
	for line := range bytes.Lines(readFile(t, s.auditPath())) {
		var r struct {
			Event struct {
				Type string `json:"type"`
				Hash string `json:"credential_hash"`
			} `json:"event"`
		}
		require.NoError(t, json.Unmarshal(line, &r))
		if r.Event.Hash != "" {
			require.Equal(t, audit.HashID(credential), r.Event.Hash, r.Event.Type)
			named[r.Event.Type] = true
		}
	}
	for _, typ := range []string{"credential.registered", "ceremony.finished", "token.issue", "token.refresh"} {
		require.True(t, named[typ], "%s names no credential: %v", typ, named)
	}
}

// An ID token for the issuer itself would pass where its access tokens do.
func TestNoIDTokenForTheIssuer(t *testing.T) {
	p := newProvider(t)
	c := newPerson(t, p)
	for _, own := range []string{baseURL, baseURL + "/", "HTTPS://issuer.example:443/idp"} {
		c.begin(t, "client_id", "any", "audience", own).refused(t, 400, "invalid_target")
	}
	a := c.begin(t, "client_id", "any", "audience", baseURL+"/elsewhere")
	require.Equal(t, "insufficient_authorization", a.text("error"))
	a = c.finish(t, a.text("auth_session"), "client_id", "any")
	a = post(t, p, tokenURL, c.redemption(a.text("authorization_code"), "client_id", "any"), c.proof())
	require.Equal(t, 200, a.status, "%v", a.body)
	c.refresh(t, a.text("refresh_token"), "client_id", "any", "audience", baseURL).refused(t, 400, "invalid_target")

	cfg := issuer.Config{URL: baseURL, Clients: []issuer.Client{{ID: baseURL}}, Audit: p.log}
	_, err := issuer.New(t.Context(), cfg, p.rp, p.store)
	require.ErrorContains(t, err, "issuer itself", "a client's own ID is an audience, too")
}
