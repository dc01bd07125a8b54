package issuer_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/internal/secret"
	"github.com/lakekey/lakekey/oidc/issuer"
)

func bigInt(b []byte) *big.Int { return new(big.Int).SetBytes(b) }

const (
	baseURL     = "https://issuer.example/idp"
	tokenURL    = baseURL + "/token"
	challengeAt = baseURL + "/authorize-challenge"
	clientID    = "agent"
	audience    = "11111111-2222-3333-4444-555555555555"
	touch       = `{"touched":true}`
)

// relyingParty hands out the proof that a test wants. The real one is in the
// end-to-end tests.
type relyingParty struct {
	mu         sync.Mutex
	now        func() time.Time
	proof      fido.Proof
	ceremonies map[string]bool
	active     error // what asking for the key answers
	finish     error // what finishing answers
	begun      []fido.SignInRequest
}

func (rp *relyingParty) BeginSignIn(_ context.Context, r fido.SignInRequest) (*fido.Ceremony, error) {
	rp.mu.Lock()
	defer rp.mu.Unlock()
	id := rand.Text() + rand.Text()
	rp.ceremonies[id] = true
	rp.begun = append(rp.begun, r)
	return &fido.Ceremony{ID: secret.New(id), Options: json.RawMessage(`{"challenge":"AAAA"}`), Expires: rp.now().Add(5 * time.Minute)}, nil
}

func (rp *relyingParty) FinishSignIn(_ context.Context, id secret.Value, purpose fido.Purpose, response []byte) (*fido.Proof, error) {
	rp.mu.Lock()
	defer rp.mu.Unlock()
	if !rp.ceremonies[id.Reveal()] || purpose != fido.PurposeSignIn {
		return nil, fido.ErrCeremonyNotFound
	}
	delete(rp.ceremonies, id.Reveal())
	if rp.finish != nil {
		return nil, rp.finish
	}
	if !bytes.Equal(response, []byte(touch)) {
		return nil, &fido.VerificationError{Check: "signature"}
	}
	p := rp.proof
	if p.At.IsZero() {
		p.At = rp.now()
	}
	return &p, nil
}

// watchedStore remembers which session was begun last, which no client can know
// before it has redeemed the code.
type watchedStore struct {
	issuer.Store
	mu   sync.Mutex
	last string
}

func (s *watchedStore) AddSession(ctx context.Context, se issuer.Session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = se.ID
	return s.Store.AddSession(ctx, se)
}

// provider is an issuer under test with a clock of its own.
type provider struct {
	*issuer.Issuer
	rp    *relyingParty
	store *watchedStore
	log   *audit.Log
	vkey  note.Verifier
	mu    sync.Mutex
	time  time.Time
}

func (p *provider) now() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.time
}

func (p *provider) pass(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.time = p.time.Add(d)
}

// inStore lets the provider keep its state in s.
func inStore(s issuer.Store) func(*provider, *issuer.Config) {
	return func(p *provider, _ *issuer.Config) { p.store.Store = s }
}

func newProvider(t testing.TB, changes ...func(*provider, *issuer.Config)) *provider {
	t.Helper()
	p := &provider{store: &watchedStore{Store: issuer.NewMemoryStore()}, time: time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)}
	p.rp = &relyingParty{now: p.now, ceremonies: map[string]bool{}, proof: fido.Proof{
		User:         fido.User{Handle: []byte("handle"), Name: "ada@example.com"},
		CredentialID: []byte("credential"),
		UserPresent:  true,
		UserVerified: true,
	}}
	signer, vkey, _, err := audit.NewSigner("issuer.example/audit")
	require.NoError(t, err)
	p.vkey, err = note.NewVerifier(vkey)
	require.NoError(t, err)
	p.log = audit.NewMemory(signer, audit.Options{Now: p.now})
	cfg := issuer.Config{
		URL:     baseURL,
		Clients: []issuer.Client{{ID: clientID, Audiences: []string{audience, "other"}}, {ID: "second"}, {ID: "any", InsecureAnyAudience: true}},
		Audit:   p.log,
		Now:     p.now,
	}
	for _, c := range changes {
		c(p, &cfg)
	}
	p.Issuer, err = issuer.New(t.Context(), cfg, p.rp, p.store)
	require.NoError(t, err)
	return p
}

// records returns the audit log, which must verify, as one object a record, but for
// what it says of signing keys.
func (p *provider) records(t testing.TB) []map[string]any {
	t.Helper()
	return slices.DeleteFunc(p.everyRecord(t), ofKey)
}

func ofKey(record map[string]any) bool {
	return strings.HasPrefix(record["event"].(map[string]any)["type"].(string), "issuer.key.")
}

func (p *provider) everyRecord(t testing.TB) []map[string]any {
	t.Helper()
	checkpoint, err := p.log.Checkpoint(t.Context())
	require.NoError(t, err)
	var b bytes.Buffer
	_, err = p.log.WriteTo(&b)
	require.NoError(t, err)
	_, err = audit.Verify(bytes.NewReader(b.Bytes()), p.vkey, audit.VerifyOptions{Checkpoints: [][]byte{checkpoint}})
	require.NoError(t, err)
	return lines(t, b.Bytes())
}

func lines(t testing.TB, log []byte) (all []map[string]any) {
	t.Helper()
	for line := range bytes.Lines(log) {
		var r map[string]any
		require.NoError(t, json.Unmarshal(line, &r))
		all = append(all, r)
	}
	return all
}

// person is one client with its DPoP key on one sign-in.
type person struct {
	p        *provider
	key      dpopKey
	verifier string
}

func newPerson(t testing.TB, p *provider) *person {
	t.Helper()
	return &person{p: p, key: newDPoPKey(t), verifier: rand.Text() + rand.Text()}
}

func (c *person) proof(changes ...change) string { return c.key.proof(tokenURL, c.p.now(), changes...) }

// set changes parameters of a form; an empty value removes one.
func set(form url.Values, pairs ...string) url.Values {
	for n := 0; n < len(pairs); n += 2 {
		if form.Set(pairs[n], pairs[n+1]); pairs[n+1] == "" {
			form.Del(pairs[n])
		}
	}
	return form
}

func (c *person) request(pairs ...string) url.Values {
	sum := sha256.Sum256([]byte(c.verifier))
	return set(url.Values{
		"client_id":             {clientID},
		"response_type":         {"code"},
		"scope":                 {"openid"},
		"audience":              {audience},
		"code_challenge":        {b64.EncodeToString(sum[:])},
		"code_challenge_method": {"S256"},
		"dpop_jkt":              {c.key.jkt()},
	}, pairs...)
}

func (c *person) begin(t testing.TB, pairs ...string) answer {
	t.Helper()
	return post(t, c.p, challengeAt, c.request(pairs...))
}

func (c *person) finish(t testing.TB, session string, pairs ...string) answer {
	t.Helper()
	return post(t, c.p, challengeAt, set(url.Values{"client_id": {clientID}, "auth_session": {session}, "webauthn_response": {touch}}, pairs...))
}

// code goes as far as the authorization code.
func (c *person) code(t testing.TB, pairs ...string) string {
	t.Helper()
	a := c.begin(t, pairs...)
	require.Equal(t, "insufficient_authorization", a.text("error"), "%v", a.body)
	a = c.finish(t, a.text("auth_session"))
	require.Equal(t, 200, a.status, "%v", a.body)
	require.NotEmpty(t, a.text("authorization_code"))
	return a.text("authorization_code")
}

func (c *person) redemption(code string, pairs ...string) url.Values {
	return set(url.Values{"grant_type": {"authorization_code"}, "client_id": {clientID}, "code": {code}, "code_verifier": {c.verifier}}, pairs...)
}

func (c *person) refreshment(token string, pairs ...string) url.Values {
	return set(url.Values{"grant_type": {"refresh_token"}, "client_id": {clientID}, "refresh_token": {token}, "audience": {audience}}, pairs...)
}

// signIn goes all the way.
func (c *person) signIn(t testing.TB, pairs ...string) answer {
	t.Helper()
	a := post(t, c.p, tokenURL, c.redemption(c.code(t, pairs...)), c.proof())
	require.Equal(t, 200, a.status, "%v", a.body)
	return a
}

func (c *person) refresh(t testing.TB, token string, pairs ...string) answer {
	t.Helper()
	return post(t, c.p, tokenURL, c.refreshment(token, pairs...), c.proof())
}

func (rp *relyingParty) Active(context.Context, []byte, bool) error {
	rp.mu.Lock()
	defer rp.mu.Unlock()
	return rp.active
}
