package issuer_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/audit"
	fidosqlite "github.com/lakekey/lakekey/fido/sqlite"
	"github.com/lakekey/lakekey/oidc/issuer"
	"github.com/lakekey/lakekey/oidc/issuer/sqlite"
)

// chain is an issuer on real parts: a relying party, SQLite and an audit log in
// files, as a program would put them together.
type chain struct {
	*issuer.Issuer
	rp     *fido.RelyingParty
	stores []interface{ Close() error }
	log    *audit.Log
}

// site is where a chain keeps its files, and which root its keys chain to.
type site struct {
	dir, url string
	root     []fido.Root
}

func (s site) auditPath() string { return filepath.Join(s.dir, "audit.log") }

func (s site) open(ctx context.Context) (*chain, error) {
	signer, _, err := audit.OpenSigner(filepath.Join(s.dir, "audit.key"), "issuer.test/audit")
	if err != nil {
		return nil, err
	}
	log, err := audit.OpenFile(s.auditPath(), signer, audit.Options{})
	if err != nil {
		return nil, err
	}
	keys, err := fidosqlite.Open(ctx, filepath.Join(s.dir, "issuer.db"))
	if err != nil {
		return nil, err
	}
	sessions, err := sqlite.Open(ctx, filepath.Join(s.dir, "issuer.db"))
	if err != nil {
		return nil, err
	}
	rp, err := fido.New(fido.Config{ID: "localhost", Origins: []string{s.url}, Audit: log, Roots: s.root, UserVerification: "preferred"}, keys)
	if err != nil {
		return nil, err
	}
	i, err := issuer.New(ctx, issuer.Config{URL: s.url, Clients: []issuer.Client{{ID: clientID, Audiences: []string{audience}}}, Audit: log}, rp, sessions)
	return &chain{i, rp, []interface{ Close() error }{keys, sessions}, log}, err
}

func (c *chain) close(t testing.TB) {
	t.Helper()
	for _, s := range append(c.stores, c.log) {
		require.NoError(t, s.Close())
	}
}

func (s site) verifier(t testing.TB) note.Verifier {
	t.Helper()
	_, vkey, err := audit.OpenSigner(filepath.Join(s.dir, "audit.key"), "issuer.test/audit")
	require.NoError(t, err)
	v, err := note.NewVerifier(vkey)
	require.NoError(t, err)
	return v
}

// securityKey is a person's key and the program that talks to it.
type securityKey struct {
	*authenticator.Client
	*softkey.Key
}

func newSecurityKey(t testing.TB, o softkey.Options) securityKey {
	t.Helper()
	k, err := softkey.New(o)
	require.NoError(t, err)
	d := authenticator.NewCTAP2(k, authenticator.Descriptor{Product: "softkey"})
	return securityKey{authenticator.NewClient(authenticator.Devices(d), authenticator.Options{}), k}
}

func (k securityKey) enroll(t testing.TB, s site, rp *fido.RelyingParty, user string) []byte {
	t.Helper()
	invite, err := rp.Invite(t.Context(), user, time.Hour)
	require.NoError(t, err)
	ceremony, err := rp.BeginRegistration(t.Context(), fido.RegistrationRequest{Invite: invite})
	require.NoError(t, err)
	response, err := k.Create(t.Context(), s.url, ceremony.Options)
	require.NoError(t, err)
	credential, err := rp.FinishRegistration(t.Context(), ceremony.ID, response)
	require.NoError(t, err)
	return credential.ID
}

// TestChain: a key with an attestation that chains to a pinned root, through
// the real relying party, to an ID token that says so.
func TestChain(t *testing.T) {
	ca, err := softkey.NewCA("Test CA")
	require.NoError(t, err)
	s := site{t.TempDir(), "http://localhost:8443", []fido.Root{{Certificate: ca.Certificate(), Hardware: true}}}
	c, err := s.open(t.Context())
	require.NoError(t, err)
	key := newSecurityKey(t, softkey.Options{CA: ca})
	credential := key.enroll(t, s, c.rp, "ada@example.com")

	p := &person{p: &provider{Issuer: c.Issuer, time: time.Now()}, key: newDPoPKey(t), verifier: "a-verifier-of-at-least-forty-three-characters"}
	touches := key.Touches()
	a := p.touch(t, s.url, key, "acr_values", "phrh", "login_hint", "ada@example.com")
	require.Equal(t, http.StatusOK, a.status, "%v", a.body)
	require.Equal(t, touches+1, key.Touches())

	token := s.url + "/token"
	a = post(t, c, token, p.redemption(a.text("authorization_code")), p.key.proof(token, time.Now()))
	require.Equal(t, http.StatusOK, a.status, "%v", a.body)
	_, claims := verify(t, a.text("id_token"), get(t, c, s.url+"/jwks").body)
	require.Equal(t, []any{"ada@example.com", audience, "phrh"}, []any{claims["sub"], claims["aud"], claims["acr"]})
	require.Equal(t, "hwk", claims["amr"].([]any)[0])

	refresh := p.refreshment(a.text("refresh_token"))
	require.Equal(t, http.StatusOK, post(t, c, token, refresh, p.key.proof(token, time.Now())).status)
	require.Equal(t, touches+1, key.Touches(), "a refresh takes no touch")

	// Whatever happens to the key or its owner, the very next request is told, and
	// so is whoever has just touched the key.
	eve := fido.Act{By: "eve@example.com", Rationale: "because"}
	held, err := c.rp.Credential(t.Context(), credential)
	require.NoError(t, err)
	for _, step := range []struct {
		do, undo func() error
		says     string // what the refusal tells
	}{
		{
			func() error { _, err := c.rp.Quarantine(t.Context(), credential, eve); return err },
			func() error { _, err := c.rp.Release(t.Context(), credential, eve); return err }, "quarantined",
		},
		{
			func() error { _, err := c.rp.Block(t.Context(), held.UserHandle, eve); return err },
			func() error { _, err := c.rp.Unblock(t.Context(), held.UserHandle, eve); return err }, "ask an administrator",
		},
		{func() error { _, err := c.rp.ReportLost(t.Context(), credential, eve); return err }, nil, "was revoked"},
	} {
		// Somebody is between the touch and the redemption of the code.
		code := p.touch(t, s.url, key).text("authorization_code")
		require.NotEmpty(t, code)
		require.NoError(t, step.do())
		refreshed := post(t, c, token, refresh, p.key.proof(token, time.Now()))
		refreshed.refused(t, 400, "invalid_grant")
		redeemed := post(t, c, token, p.redemption(code), p.key.proof(token, time.Now()))
		redeemed.refused(t, 400, "invalid_grant")
		touched := p.touch(t, s.url, key)
		touched.refused(t, 400, "access_denied")
		for _, refusal := range []answer{refreshed, redeemed, touched} {
			require.Contains(t, refusal.text("error_description"), step.says)
		}
		if step.undo != nil {
			require.NoError(t, step.undo())
			require.Equal(t, http.StatusOK, post(t, c, token, refresh, p.key.proof(token, time.Now())).status)
		}
	}

	c.close(t)
	report, err := audit.VerifyFile(s.auditPath(), s.verifier(t), audit.VerifyOptions{})
	require.NoError(t, err)
	require.Zero(t, report.Open)
}

// touch goes as far as the answer to the challenge.
func (c *person) touch(t testing.TB, url string, key securityKey, pairs ...string) answer {
	t.Helper()
	a := post(t, c.p, url+"/authorize-challenge", c.request(pairs...))
	require.Equal(t, "insufficient_authorization", a.text("error"), "%v", a.body)
	return post(t, c.p, url+"/authorize-challenge", c.answer(t, url, key, a))
}

func (c *person) answer(t testing.TB, url string, key securityKey, a answer) map[string][]string {
	t.Helper()
	options, err := json.Marshal(a.body["webauthn"])
	require.NoError(t, err)
	response, err := key.Get(t.Context(), url, options)
	require.NoError(t, err)
	return map[string][]string{"client_id": {clientID}, "auth_session": {a.text("auth_session")}, "webauthn_response": {string(response)}}
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return b
}
