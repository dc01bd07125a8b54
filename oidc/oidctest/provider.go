package oidctest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The provider's endpoints, for [Provider.Requests].
const (
	DiscoveryPath  = "/.well-known/openid-configuration"
	KeysPath       = "/jwks"
	ChallengePath  = "/authorize-challenge"
	AuthorizePath  = "/authorize"
	PushedPath     = "/par"
	DevicePath     = "/device"
	TokenPath      = "/token"
	RevocationPath = "/revoke"
)

// Options are the optional parts of a [Provider].
type Options struct {
	Now             func() time.Time // nil: time.Now
	Algorithm       string           // ES256 or RS256; empty: ES256
	SessionLifetime time.Duration    // zero: 8 h
	TokenLifetime   time.Duration    // zero: 15 min
	Delay           time.Duration    // how long the token endpoint takes

	// Elsewhere is the origin that redirecting and foreign endpoints point to.
	// Empty: one where nobody listens.
	Elsewhere string

	// Audiences are those the provider issues tokens for. Empty: any.
	Audiences []string

	// Bearer is a provider that binds nothing to a key: no DPoP.
	Bearer bool

	// Rotate replaces the refresh token at every use. A second use of one ends
	// its session.
	Rotate bool

	// Pushed is a provider that takes authorization requests by the back channel
	// only (RFC 9126).
	Pushed bool

	// ACRs are what the provider says it offers of acr. Empty: it does not say.
	ACRs []string

	// OneAudience is a provider whose ID tokens are for the client, whatever is
	// asked.
	OneAudience bool

	// Verify says who signed a WebAuthn response (AuthenticationResponseJSON) to
	// options. Nil: whoever the login hint names, or alice@example.com, if the
	// response is for this challenge and this origin.
	Verify func(options, response []byte) (user string, err error)
}

// Provider is an identity provider that can be told to be wrong. It is safe for
// concurrent use.
type Provider struct {
	options Options

	mu        sync.Mutex
	key       signingKey   // signs
	published []signingKey // in the key set
	faults    map[Fault]bool
	counts    map[string]int
	asked     map[string]*request // by auth_session
	codes     map[string]*login
	sessions  map[string]*login // by refresh token
	spent     map[string]*login // by refresh token that was replaced
	pushed    map[string]url.Values
	devices   map[string]*device // by device code
	proofs    map[string]bool    // jti of DPoP proofs seen
	rewrite   func(claims map[string]any)
	nonce     string // what a DPoP proof must repeat; empty: nothing
	busy      int    // answers of 429 that are left
	after     string // their Retry-After
	serial    int
}

// New returns a provider that commits no fault.
func New(o Options) (*Provider, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.SessionLifetime == 0 {
		o.SessionLifetime = 8 * time.Hour
	}
	if o.TokenLifetime == 0 {
		o.TokenLifetime = 15 * time.Minute
	}
	if o.Elsewhere == "" {
		o.Elsewhere = "http://localhost:1"
	}
	p := &Provider{
		options: o, counts: map[string]int{}, faults: map[Fault]bool{},
		asked: map[string]*request{}, codes: map[string]*login{}, sessions: map[string]*login{}, proofs: map[string]bool{},
		spent: map[string]*login{}, pushed: map[string]url.Values{}, devices: map[string]*device{},
	}
	return p, p.RotateKey()
}

// Inject makes the provider commit these faults, too, until Heal.
func (p *Provider) Inject(faults ...Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range faults {
		p.faults[f] = true
	}
}

// Heal ends all faults.
func (p *Provider) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.faults)
	p.busy = 0
}

// Busy makes the next n answers of the token endpoint 429 with this Retry-After.
func (p *Provider) Busy(n int, retryAfter string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy, p.after = n, retryAfter
}

// Rewrite has change see the claims of every ID token before it is signed. Nil
// ends that.
func (p *Provider) Rewrite(change func(claims map[string]any)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rewrite = change
}

// RequireNonce makes the token endpoint want this nonce in DPoP proofs.
func (p *Provider) RequireNonce(nonce string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.nonce = nonce
}

// RotateKey begins to sign with a new key and withdraws the old ones.
func (p *Provider) RotateKey() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.serial++
	k, err := newSigningKey("key-"+strconv.Itoa(p.serial), p.options.Algorithm)
	if err != nil {
		return fmt.Errorf("oidctest: making a key: %w", err)
	}
	p.key, p.published = k, []signingKey{k}
	return nil
}

// WithdrawKeys publishes a key that signs nothing and goes on signing with the
// one it no longer publishes.
func (p *Provider) WithdrawKeys() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	k, err := newSigningKey("unused", p.options.Algorithm)
	p.published = []signingKey{k}
	return err
}

// Sign signs claims as they are with the current key, under the faults of the
// signature that are injected.
func (p *Provider) Sign(claims string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.key.sign(claims, p.faults)
}

// EndSessions revokes every session.
func (p *Provider) EndSessions() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.sessions)
}

// Sessions returns how many sessions can still be refreshed.
func (p *Provider) Sessions() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.sessions)
}

// Requests returns how many requests an endpoint got.
func (p *Provider) Requests(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[path]
}

func (p *Provider) has(f Fault) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.faults[f]
}

// ServeHTTP implements [http.Handler].
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.counts[r.URL.Path]++
	p.mu.Unlock()
	w.Header().Set("Cache-Control", "no-store")
	r.Body = http.MaxBytesReader(w, r.Body, 256<<10)
	for _, e := range []struct {
		path, method           string
		hung, huge, redirected Fault
		handle                 func(http.ResponseWriter, *http.Request)
	}{
		{DiscoveryPath, http.MethodGet, HungDiscovery, HugeDiscovery, RedirectedDiscovery, p.discovery},
		{KeysPath, http.MethodGet, HungKeys, HugeKeys, RedirectedKeys, p.jwks},
		{ChallengePath, http.MethodPost, "", "", RedirectedChallenge, p.challenge},
		{AuthorizePath, http.MethodGet, "", "", "", p.authorize},
		{PushedPath, http.MethodPost, "", "", "", p.push},
		{DevicePath, http.MethodPost, "", "", "", p.device},
		{TokenPath, http.MethodPost, HungToken, HugeResponse, RedirectedToken, p.token},
		{RevocationPath, http.MethodPost, "", "", "", p.revoke},
	} {
		switch {
		case r.URL.Path != e.path || r.Method != e.method:
			continue
		case p.has(e.hung):
			_, _ = io.Copy(io.Discard, r.Body) // only then does net/http notice that the client left
			<-r.Context().Done()
		case p.has(e.redirected):
			http.Redirect(w, r, p.options.Elsewhere+e.path, http.StatusTemporaryRedirect)
		case p.has(e.huge):
			writeHuge(w)
		default:
			e.handle(w, r)
		}
		return
	}
	http.NotFound(w, r)
}

// issuer is the URL the client used.
func issuer(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

func (p *Provider) discovery(w http.ResponseWriter, r *http.Request) {
	at := issuer(r)
	doc := map[string]any{
		"issuer": at, "jwks_uri": at + KeysPath, "token_endpoint": at + TokenPath,
		"authorization_challenge_endpoint": at + ChallengePath, "revocation_endpoint": at + RevocationPath,
		"authorization_endpoint": at + AuthorizePath, "device_authorization_endpoint": at + DevicePath,
		"scopes_supported": []string{"openid", "offline_access"}, "claims_parameter_supported": true,
		"authorization_response_iss_parameter_supported": true, "dpop_signing_alg_values_supported": []string{"ES256"},
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		// A client that takes its algorithms from here is lost.
		"id_token_signing_alg_values_supported": []string{"none", "HS256", "ES256", "RS256"},
	}
	if p.options.Bearer {
		delete(doc, "dpop_signing_alg_values_supported")
	}
	if len(p.options.ACRs) > 0 {
		doc["acr_values_supported"] = p.options.ACRs
	}
	if p.options.Pushed {
		doc["pushed_authorization_request_endpoint"] = at + PushedPath
	}
	if p.options.OneAudience { // and no other protocol than everybody's
		delete(doc, "authorization_challenge_endpoint")
	}
	switch {
	case p.has(ForeignIssuer):
		doc["issuer"] = p.options.Elsewhere
	case p.has(ForeignEndpoint):
		doc["token_endpoint"] = p.options.Elsewhere + TokenPath
	case p.has(ForeignBrowser):
		doc["authorization_endpoint"] = p.options.Elsewhere + AuthorizePath
	case p.has(ForeignKeys):
		doc["jwks_uri"] = p.options.Elsewhere + KeysPath
	}
	body, _ := json.Marshal(doc) // strings only
	if p.has(DuplicateEndpoint) {
		body = bytes.Replace(body, []byte("{"), []byte(`{"token_endpoint":"`+at+`/other",`), 1)
	}
	write(w, http.StatusOK, body)
}

func (p *Provider) jwks(w http.ResponseWriter, _ *http.Request) {
	if p.has(FailingKeys) {
		http.Error(w, "no keys today", http.StatusInternalServerError)
		return
	}
	use := "sig"
	if p.has(EncryptionKeys) {
		use = "enc"
	}
	p.mu.Lock()
	list := []any{map[string]any{"kty": "AKP", "alg": "ML-DSA-44", "kid": "tomorrow", "pub": "AA"}} // one of a kind nobody knows yet
	for _, k := range p.published {
		list = append(list, k.jwk(use))
	}
	p.mu.Unlock()
	if p.has(EmptyKeys) {
		list = []any{}
	}
	body, _ := json.Marshal(map[string]any{"keys": list}) // strings only
	write(w, http.StatusOK, body)
}

// verify is the scripted verification.
func (p *Provider) verify(r *http.Request, q *request, response string) (string, error) {
	if p.options.Verify != nil {
		return p.options.Verify(q.options, []byte(response))
	}
	var a struct {
		Response struct {
			ClientDataJSON string `json:"clientDataJSON"`
		} `json:"response"`
	}
	var c clientData
	if json.Unmarshal([]byte(response), &a) != nil {
		return "", errors.New("not AuthenticationResponseJSON")
	}
	raw, err := base64.RawURLEncoding.DecodeString(a.Response.ClientDataJSON)
	if err != nil || json.Unmarshal(raw, &c) != nil {
		return "", errors.New("no client data")
	}
	if c.Type != "webauthn.get" || c.Challenge != q.challenge || c.Origin != issuer(r) {
		return "", errors.New("the response is to another challenge or for another origin")
	}
	if user := q.form.Get("login_hint"); user != "" {
		return user, nil
	}
	return "alice@example.com", nil
}

func write(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func writeHuge(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"padding":"`))
	chunk := []byte(strings.Repeat("a", 1<<20))
	for range 64 {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
	_, _ = w.Write([]byte(`"}`))
}

func fail(w http.ResponseWriter, status int, code, description string) {
	body, _ := json.Marshal(map[string]string{"error": code, "error_description": description}) // strings only
	write(w, status, body)
}

// form reads a body that must be a form, each field at most once.
func form(w http.ResponseWriter, r *http.Request) (url.Values, bool) {
	if err := r.ParseForm(); err != nil {
		fail(w, http.StatusBadRequest, "invalid_request", "the body is not a form")
		return nil, false
	}
	for name, values := range r.PostForm {
		if len(values) != 1 {
			fail(w, http.StatusBadRequest, "invalid_request", name+" stands more than once")
			return nil, false
		}
	}
	return r.PostForm, true
}
