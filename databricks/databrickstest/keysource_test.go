package databrickstest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/databricks/databrickstest"
)

// provider serves a discovery document and a key set, and counts.
type provider struct {
	*httptest.Server
	mu        sync.Mutex
	issuer    string // in the document; empty: its own URL
	jwksURI   string // in the document; empty: its own
	jwks      []byte
	broken    func(http.ResponseWriter)
	discovery atomic.Int32
	fetches   atomic.Int32
}

func newProvider(t *testing.T, signers ...signer) *provider {
	p := &provider{jwks: keySet(signers...)}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			p.discovery.Add(1)
			document := map[string]string{"issuer": p.URL, "jwks_uri": p.URL + "/jwks"}
			if p.issuer != "" {
				document["issuer"] = p.issuer
			}
			if p.jwksURI != "" {
				document["jwks_uri"] = p.jwksURI
			}
			_ = json.NewEncoder(w).Encode(document)
		case "/jwks":
			p.fetches.Add(1)
			if p.broken != nil {
				p.broken(w)
				return
			}
			_, _ = w.Write(p.jwks)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *provider) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func TestKeysAreFetchedAndKept(t *testing.T) {
	first, second, third := newES256(t, "first"), newES256(t, "second"), newRS256(t, "third", 2048)
	idp := newProvider(t, first)
	w, clk := newWorkspace(t, nil)
	_, err := w.AddPolicy(databrickstest.Policy{Issuer: idp.URL})
	require.NoError(t, err)
	token := func(s signer) string {
		return s.sign(claims(map[string]any{"iss": idp.URL, "exp": epoch.Add(time.Hour).Unix()}))
	}
	for range 10 {
		require.Equal(t, http.StatusOK, exchange(w, token(first), nil).status)
	}
	require.EqualValues(t, 1, idp.fetches.Load())
	require.EqualValues(t, 1, idp.discovery.Load())

	// A key that appears is found, but not by asking for every stranger's kid.
	idp.set(func() { idp.jwks = keySet(first, second) })
	require.Contains(t, exchange(w, token(second), nil).text, "no key")
	clk.advance(31 * time.Second)
	require.Equal(t, http.StatusOK, exchange(w, token(second), nil).status)
	require.EqualValues(t, 2, idp.fetches.Load())
	for i := range 200 {
		stranger := first.signAs(map[string]any{"alg": "ES256", "kid": fmt.Sprint("stranger", i)}, claims(map[string]any{"iss": idp.URL}))
		require.Equal(t, http.StatusBadRequest, exchange(w, stranger, nil).status)
	}
	require.EqualValues(t, 2, idp.fetches.Load(), "strangers cause no fetch")

	// A key that is withdrawn stops working once the kept ones are stale.
	idp.set(func() { idp.jwks = keySet(third) })
	clk.advance(6 * time.Minute)
	require.Contains(t, exchange(w, token(first), nil).text, "no key")
	require.Equal(t, http.StatusOK, exchange(w, token(third), nil).status)
	require.EqualValues(t, 3, idp.fetches.Load())
}

func TestKeysFromJWKSURI(t *testing.T) {
	signer := newES256(t, "k")
	idp := newProvider(t, signer)
	w, _ := newWorkspace(t, nil)
	_, err := w.AddPolicy(databrickstest.Policy{Issuer: issuerURL, JWKSURI: idp.URL + "/jwks"})
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, exchange(w, signer.sign(claims(nil)), nil).status)
	require.Zero(t, idp.discovery.Load())
}

func TestOneFetchForMany(t *testing.T) {
	signer := newES256(t, "k")
	idp := newProvider(t, signer)
	w, _ := newWorkspace(t, nil)
	_, err := w.AddPolicy(databrickstest.Policy{Issuer: idp.URL})
	require.NoError(t, err)
	subject := signer.sign(claims(map[string]any{"iss": idp.URL}))
	var group sync.WaitGroup
	for range 64 {
		group.Go(func() {
			if out := exchange(w, subject, nil); out.status != http.StatusOK {
				t.Errorf("%d: %s", out.status, out.text)
			}
		})
	}
	group.Wait()
	require.EqualValues(t, 1, idp.fetches.Load())
}

func TestBrokenIssuers(t *testing.T) {
	signer := newES256(t, "k")
	private := []byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"AA"}]}`)
	other := newProvider(t, signer)
	for _, tt := range []struct {
		name   string
		change func(*provider)
		want   string
	}{
		{"document of another issuer", func(p *provider) { p.issuer = other.URL }, "calls it"},
		{"document of the issuer with a slash", func(p *provider) { p.issuer = p.URL + "/" }, "calls it"},
		{"keys over plain http elsewhere", func(p *provider) { p.jwksURI = "http://keys.example.com/jwks" }, "https"},
		{"keys in a file", func(p *provider) { p.jwksURI = "file:///etc/passwd" }, "https"},
		{"status", func(p *provider) { p.broken = func(w http.ResponseWriter) { w.WriteHeader(http.StatusTeapot) } }, "418"},
		{"redirect", func(p *provider) {
			p.broken = func(w http.ResponseWriter) {
				w.Header().Set("Location", other.URL+"/jwks")
				w.WriteHeader(http.StatusFound)
			}
		}, "302"},
		{"not JSON", func(p *provider) { p.jwks = []byte("<html>") }, "JSON"},
		{"private keys", func(p *provider) { p.jwks = private }, "private"},
		{"no keys", func(p *provider) { p.jwks = []byte(`{"keys":[]}`) }, "no key"},
		{"endless", func(p *provider) { p.jwks = []byte(`{"keys":[],"x":"` + strings.Repeat("x", 1<<20) + `"}`) }, "256 KiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			idp := newProvider(t, signer)
			idp.set(func() { tt.change(idp) })
			w, _ := newWorkspace(t, nil)
			_, err := w.AddPolicy(databrickstest.Policy{Issuer: idp.URL})
			require.NoError(t, err)
			out := exchange(w, signer.sign(claims(map[string]any{"iss": idp.URL})), nil)
			require.Equal(t, http.StatusBadRequest, out.status)
			require.Contains(t, out.body["error_description"], tt.want)
		})
	}
}

// An issuer that fails is not asked again for every token, and is asked again
// soon: the two start together in a script.
func TestFailingIssuerIsNotHammered(t *testing.T) {
	signer := newES256(t, "k")
	idp := newProvider(t, signer)
	idp.set(func() { idp.broken = func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) } })
	w, clk := newWorkspace(t, nil)
	_, err := w.AddPolicy(databrickstest.Policy{Issuer: idp.URL})
	require.NoError(t, err)
	subject := signer.sign(claims(map[string]any{"iss": idp.URL}))
	for range 50 {
		require.Contains(t, exchange(w, subject, nil).text, "502")
	}
	require.EqualValues(t, 1, idp.fetches.Load())
	idp.set(func() { idp.broken = nil })
	clk.advance(2 * time.Second)
	require.Equal(t, http.StatusOK, exchange(w, subject, nil).status)
}

func TestUnreachableIssuer(t *testing.T) {
	signer := newES256(t, "k")
	idp := newProvider(t, signer)
	idp.Close()
	w, _ := newWorkspace(t, nil)
	_, err := w.AddPolicy(databrickstest.Policy{Issuer: idp.URL})
	require.NoError(t, err)
	require.Contains(t, exchange(w, signer.sign(claims(map[string]any{"iss": idp.URL})), nil).text, "no answer from 127.0.0.1")
}
