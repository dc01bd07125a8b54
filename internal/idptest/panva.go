package idptest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"
)

// PanvaProvider is panva's oidc-provider. Its person signs in without a page: who
// visits the authorization endpoint is sent back at once.
//
// It honours claims, acr_values (phr, phrh, urn:okta:loa:2fa:any and
// urn:okta:loa:1fa:any) and max_age, requires PKCE, takes pushed requests (RFC
// 9126), device codes, DPoP (RFC 9449) and resources (RFC 8707), sends iss (RFC
// 9207), and ends a whole family of refresh tokens when a used one comes back.
type PanvaProvider struct {
	Provider
	knobs string
}

// PanvaOptions are the optional settings of a PanvaProvider.
type PanvaOptions struct {
	RS256        bool     // sign ID tokens with RS256 instead of ES256
	RedirectURIs []string // more addresses, of the clients Native and Web
}

// Knobs say what happens at a PanvaProvider; the zero value is a good person at
// a good provider.
type Knobs struct {
	Login    Login             `json:"login,omitzero"`
	IDToken  Alteration        `json:"idToken,omitzero"`
	Answer   map[string]string `json:"-"`                // parameters to change in answers at the redirect URI
	Omit     []string          `json:"-"`                // and parameters to leave out there
	Faults   map[string]Fault  `json:"faults,omitempty"` // by path, such as /token
	Lifetime time.Duration     `json:"-"`                // of tokens; 0: 10 min

	DPoPNonce bool `json:"dpopNonce,omitempty"` // demand a nonce in DPoP proofs (RFC 9449 §8)
}

// Login is what the person does at the sign-in page.
type Login struct {
	Account string        // empty: the Provider's Person
	ACR     string        // empty: the first value that was asked for and is known
	AMR     []string      // nil: what fits the acr
	Age     time.Duration // how long ago it happened
	Error   string        // not at all: the error that the provider answers instead
}

// Alteration changes ID tokens before they leave, under a good signature.
type Alteration struct {
	Set      map[string]any `json:"set,omitempty"`
	Remove   []string       `json:"remove,omitempty"`
	Text     string         `json:"text,omitempty"`     // goes into the object as it is, as in "sub":"mallory"
	Header   map[string]any `json:"header,omitempty"`   // alg none and HS256 are signed accordingly
	Stranger bool           `json:"stranger,omitempty"` // sign with a key that the provider does not have
}

// Fault is what one path answers instead of what it should.
type Fault struct {
	Status     int    `json:"status,omitempty"`     // 0: 500, or what fits the rest
	Redirect   string `json:"redirect,omitempty"`   // where to, with status 307 if none is given
	RetryAfter *int   `json:"retryAfter,omitempty"` // seconds
	Bytes      int64  `json:"bytes,omitempty"`      // how long an answer is that says nothing
	Hang       bool   `json:"hang,omitempty"`       // no answer
}

// MarshalJSON writes the login as the script wants it.
func (l Login) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Account string   `json:"account,omitempty"`
		ACR     string   `json:"acr,omitempty"`
		AMR     []string `json:"amr,omitempty"`
		Age     float64  `json:"age,omitempty"`
		Error   string   `json:"error,omitempty"`
	}{l.Account, l.ACR, l.AMR, l.Age.Truncate(time.Second).Seconds(), l.Error})
}

// MarshalJSON writes the knobs as the script wants them.
func (k Knobs) MarshalJSON() ([]byte, error) {
	type plain Knobs
	answer := map[string]any{}
	for name, value := range k.Answer {
		answer[name] = value
	}
	for _, name := range k.Omit {
		answer[name] = nil
	}
	return json.Marshal(struct {
		plain
		Answer   map[string]any `json:"answer,omitempty"`
		Lifetime float64        `json:"lifetime,omitempty"`
	}{plain(k), answer, k.Lifetime.Truncate(time.Second).Seconds()})
}

// Panva starts panva's oidc-provider.
func Panva(t testing.TB, o PanvaOptions) *PanvaProvider {
	t.Helper()
	module, err := scripts.ReadFile("testdata/node/panva.mjs")
	if err != nil {
		t.Fatalf("idptest: %v", err)
	}
	dir, script := nodeModule(t, string(module))
	algorithm := "ES256"
	if o.RS256 {
		algorithm = "RS256"
	}
	p := &PanvaProvider{Provider: Provider{
		Native: Client{ID: "native"}, Device: Client{ID: "native"}, Web: Client{ID: "web", Secret: "web-secret-web-secret-web-secret"},
		Person: Person{Name: "alice@example.com", Subject: "alice@example.com"},
	}}
	web := map[string]any{
		"client_id": p.Web.ID, "client_secret": p.Web.Secret, "redirect_uris": o.RedirectURIs, "id_token_signed_response_alg": algorithm,
		"grant_types": []string{"authorization_code", "refresh_token", "client_credentials"}, "response_types": []string{"code"},
	}
	if len(o.RedirectURIs) == 0 {
		web["redirect_uris"], web["grant_types"], web["response_types"] = []string{}, []string{"client_credentials"}, []string{}
	}
	settings, err := json.Marshal(map[string]any{"clients": []any{web, map[string]any{
		"client_id": p.Native.ID, "token_endpoint_auth_method": "none", "application_type": "native", "id_token_signed_response_alg": algorithm,
		"redirect_uris":  append([]string{RedirectURI, "http://[::1]/callback", "http://127.0.0.1/"}, o.RedirectURIs...),
		"grant_types":    []string{"authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"},
		"response_types": []string{"code"},
	}}})
	if err != nil {
		t.Fatalf("idptest: %v", err)
	}
	var at struct{ Issuer, Knobs string }
	start(t, command{name: "panva", dir: dir, argv: []string{program(t, "node", "panva"), script, string(settings)}}, &at)
	p.Issuer, p.knobs = at.Issuer, at.Knobs
	return p
}

// Set turns all knobs, from the next request on.
func (p *PanvaProvider) Set(t testing.TB, k Knobs) {
	t.Helper()
	body, err := json.Marshal(k)
	if err != nil {
		t.Fatalf("idptest: %v", err)
	}
	p.call(t, http.MethodPut, bytes.NewReader(body), http.StatusNoContent)
}

// Requests returns how often each path was asked for.
func (p *PanvaProvider) Requests(t testing.TB) map[string]int {
	t.Helper()
	seen := map[string]int{}
	if err := json.Unmarshal(p.call(t, http.MethodGet, nil, http.StatusOK), &seen); err != nil {
		t.Fatalf("idptest: %v", err)
	}
	return seen
}

func (p *PanvaProvider) call(t testing.TB, method string, body io.Reader, want int) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, p.knobs, body)
	if err != nil {
		t.Fatalf("idptest: %v", err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("idptest: turning the knobs of panva: %v", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil || resp.StatusCode != want {
		t.Fatalf("idptest: turning the knobs of panva: %s %v: %s", resp.Status, err, text)
	}
	return text
}
