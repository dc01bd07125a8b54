package issuer_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator/softkey"
	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/web"
	"github.com/lakekey/lakekey/oidc/issuer"
)

const (
	frontURL = "http://localhost:8443"
	callback = "https://wiki.example.com/callback"
	ada      = "ada@example.com"
)

// front is an issuer with pages, and a person with a key in front of a browser.
type front struct {
	*provider
	url  string
	rp   *fido.RelyingParty
	key  securityKey
	site *web.Site

	people   fido.Store // nil: in memory
	clients  []issuer.Client
	clock    func() time.Time
	limits   web.Limits
	replicas []http.Handler // beside the Issuer itself
	turn     atomic.Int64
}

// ServeHTTP lets another replica serve each request.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := int(f.turn.Add(1)) % (len(f.replicas) + 1)
	if n == 0 {
		f.Issuer.ServeHTTP(w, r)
		return
	}
	f.replicas[n-1].ServeHTTP(w, r)
}

// newFront makes one whose store is s, or in memory, on the clock of a test.
func newFront(t testing.TB, s issuer.Store, clients ...issuer.Client) *front {
	t.Helper()
	return newFrontOf(t, s, nil, clients...)
}

// newFrontOf is newFront with people's keys in a store of their own.
func newFrontOf(t testing.TB, s issuer.Store, people fido.Store, clients ...issuer.Client) *front {
	t.Helper()
	p := newProvider(t, func(p *provider, cfg *issuer.Config) { // for its clock and log
		if s != nil {
			p.store.Store = s
		}
	})
	f := &front{provider: p, url: frontURL, people: people}
	f.start(t, p.now, append([]issuer.Client{
		{ID: "wiki", Name: "The wiki", RedirectURIs: []string{callback, "https://wiki.example.com/other?tenant=1"}, InsecureBearer: true},
		{ID: "native", RedirectURIs: []string{"http://127.0.0.1/callback", "http://[::1]/callback", "com.example.app:/callback"}, Audiences: []string{audience}},
		{ID: "headless"},
		{ID: "tv", Name: "The television", Device: true, InsecureBearer: true},
		{ID: "job", Device: true, Audiences: []string{audience}},
		{ID: "bank", RedirectURIs: []string{"https://bank.example.com/callback"}, InsecureBearer: true, PushedOnly: true, PostLogoutRedirectURIs: []string{"https://bank.example.com/bye"}},
	}, clients...))
	return f
}

// start puts the issuer and its pages on top of f's store and log.
func (f *front) start(t testing.TB, now func() time.Time, clients []issuer.Client) {
	t.Helper()
	var err error
	f.clients, f.clock = clients, now
	if f.people == nil {
		f.people = fido.NewMemoryStore()
	}
	f.rp, err = fido.New(f.party(), f.people)
	require.NoError(t, err)
	f.key = newSecurityKey(t, softkey.Options{})
	f.key.enroll(t, site{url: f.url}, f.rp, ada)
	f.Issuer = f.replica(t)
}

func (f *front) party() fido.Config {
	return fido.Config{ID: "localhost", Origins: []string{f.url}, Audit: f.log, Now: f.clock, UserVerification: "preferred"}
}

// replica returns an issuer that shares f's stores and nothing else.
func (f *front) replica(t testing.TB) *issuer.Issuer {
	t.Helper()
	site, err := web.New(f.rp, web.Config{Origins: []string{f.url}, Name: "Acme", Now: f.clock, Limits: f.limits})
	require.NoError(t, err)
	f.site = site
	i, err := issuer.New(t.Context(), issuer.Config{URL: f.url, Audit: f.log, Now: f.clock, Site: site, Clients: f.clients}, f.rp, f.store)
	require.NoError(t, err)
	return i
}

// newLiveFront makes one that is served on http://localhost:PORT, on the real clock.
func newLiveFront(t testing.TB, clients ...issuer.Client) *front {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(ln.Addr().String())
	require.NoError(t, err)
	p := newProvider(t)
	p.time = time.Now()
	f := &front{provider: p, url: "http://localhost:" + port}
	f.start(t, time.Now, clients)
	mux := http.NewServeMux()
	for _, pattern := range f.site.Patterns() {
		mux.Handle(pattern, f.site)
	}
	mux.Handle("/", f.Issuer)
	server := &httptest.Server{Listener: ln, Config: &http.Server{Handler: mux}}
	server.Start()
	t.Cleanup(server.Close)
	return f
}

// ask is what a client of the wiki's sends through the browser.
func (f *front) ask(verifier string, pairs ...string) url.Values {
	sum := sha256.Sum256([]byte(verifier))
	return set(url.Values{
		"client_id":             {"wiki"},
		"redirect_uri":          {callback},
		"response_type":         {"code"},
		"scope":                 {"openid"},
		"state":                 {"the state"},
		"nonce":                 {"the nonce"},
		"code_challenge":        {b64.EncodeToString(sum[:])},
		"code_challenge_method": {"S256"},
	}, pairs...)
}

const verifier = "a-verifier-of-at-least-forty-three-characters"

// browse sends a request as a browser does, and returns the answer.
func (f *front) browse(t testing.TB, method, target string, body []byte, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, target, bytes.NewReader(body))
	for n := 0; n < len(headers); n += 2 {
		r.Header.Set(headers[n], headers[n+1])
	}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w
}

// page goes to the authorization endpoint and returns the page that it leads to.
func (f *front) page(t testing.TB, q url.Values) string {
	t.Helper()
	w := f.browse(t, http.MethodGet, f.url+"/authorize?"+q.Encode(), nil)
	require.Equal(t, http.StatusSeeOther, w.Code, w.Body.String())
	at := w.Header().Get("Location")
	require.True(t, strings.HasPrefix(at, f.url+"/authorize/page?request="), at)
	return at
}

// step posts a step of the page's ceremony.
func (f *front) step(t testing.TB, page string, body map[string]any) (int, map[string]any) {
	t.Helper()
	b, err := json.Marshal(body)
	require.NoError(t, err)
	w := f.browse(t, http.MethodPost, page, b, "Content-Type", "application/json", "Sec-Fetch-Site", "same-origin")
	var got map[string]any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &got), w.Body.String())
	return w.Code, got
}

// assertion begins the page's ceremony and answers it with the key.
func (f *front) assertion(t testing.TB, page string) map[string]any {
	t.Helper()
	status, begun := f.step(t, page, map[string]any{"step": "options", "user": ada})
	require.Equal(t, http.StatusOK, status, "%v", begun)
	options, err := json.Marshal(begun["options"])
	require.NoError(t, err)
	response, err := f.key.Get(t.Context(), f.url, options)
	require.NoError(t, err)
	return map[string]any{"step": "finish", "ceremony": begun["ceremony"], "response": json.RawMessage(response)}
}

// touch signs in on the page, and returns where the browser goes next.
func (f *front) touch(t testing.TB, page string) *url.URL {
	t.Helper()
	status, done := f.step(t, page, f.assertion(t, page))
	require.Equal(t, http.StatusOK, status, "%v", done)
	u, err := url.Parse(done["location"].(string))
	require.NoError(t, err)
	return u
}

// code goes as far as the code.
func (f *front) code(t testing.TB, pairs ...string) string {
	t.Helper()
	u := f.touch(t, f.page(t, f.ask(verifier, pairs...)))
	require.NotEmpty(t, u.Query().Get("code"), u.String())
	return u.Query().Get("code")
}

// redeem sends a code to the token endpoint.
func (f *front) redeem(t testing.TB, code string, pairs ...string) answer {
	t.Helper()
	return post(t, f, f.url+"/token", set(url.Values{
		"grant_type": {"authorization_code"}, "client_id": {"wiki"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier},
	}, pairs...))
}
