package issuer_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/web"
	"github.com/lakekey/lakekey/oidc/issuer"
)

// An issuer for one program, in memory. A service would open the stores of
// packages fido/sqlite and oidc/issuer/sqlite and a log in a file instead.
func ExampleNew() {
	signer, _, _, err := audit.NewSigner("login.example.com/audit")
	if err != nil {
		log.Fatal(err)
	}
	record := audit.NewMemory(signer, audit.Options{})
	rp, err := fido.New(fido.Config{ID: "login.example.com", Origins: []string{"https://login.example.com"}, Audit: record}, fido.NewMemoryStore())
	if err != nil {
		log.Fatal(err)
	}
	provider, err := issuer.New(context.Background(), issuer.Config{
		URL:     "https://login.example.com",
		Clients: []issuer.Client{{ID: "keyagent", Audiences: []string{"11111111-2222-3333-4444-555555555555"}}},
		Audit:   record,
	}, rp, issuer.NewMemoryStore())
	if err != nil {
		log.Fatal(err)
	}

	// provider is an http.Handler: http.Serve(tls, provider).
	w := httptest.NewRecorder()
	provider.ServeHTTP(w, httptest.NewRequest("GET", "/.well-known/openid-configuration", nil))
	var metadata struct {
		Issuer   string
		Endpoint string `json:"authorization_challenge_endpoint"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &metadata); err != nil {
		log.Fatal(err)
	}
	fmt.Println(metadata.Issuer)
	fmt.Println(metadata.Endpoint)
	// Output:
	// https://login.example.com
	// https://login.example.com/authorize-challenge
}

// An issuer that signs people in through a browser, too: the pages and the issuer
// share a mux.
func ExampleConfig_site() {
	signer, _, _, err := audit.NewSigner("login.example.com/audit")
	if err != nil {
		log.Fatal(err)
	}
	record := audit.NewMemory(signer, audit.Options{})
	origins := []string{"https://login.example.com"}
	rp, err := fido.New(fido.Config{ID: "login.example.com", Origins: origins, Audit: record}, fido.NewMemoryStore())
	if err != nil {
		log.Fatal(err)
	}
	site, err := web.New(rp, web.Config{Origins: origins, Name: "Acme"})
	if err != nil {
		log.Fatal(err)
	}
	provider, err := issuer.New(context.Background(), issuer.Config{
		URL: "https://login.example.com",
		Clients: []issuer.Client{
			// A program on people's machines, which has a DPoP key.
			{ID: "notebooks", Name: "Notebooks", RedirectURIs: []string{"http://127.0.0.1/callback"}, Device: true},
			// A web application, which has none.
			{ID: "wiki", Name: "The wiki", RedirectURIs: []string{"https://wiki.example.com/callback"}, InsecureBearer: true},
		},
		Audit: record,
		Site:  site,
	}, rp, issuer.NewMemoryStore())
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	for _, pattern := range site.Patterns() {
		mux.Handle(pattern, site)
	}
	mux.Handle("/", provider)

	// What a client sends the browser to, here without what it has to add.
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "https://login.example.com/authorize?client_id=wiki&redirect_uri=https://wiki.example.com/callback&state=s&response_type=code&scope=openid", nil))
	fmt.Println(w.Code, w.Header().Get("Location"))
	// Output:
	// 303 https://wiki.example.com/callback?error=invalid_request&error_description=the+parameter+code_challenge+is+missing&iss=https%3A%2F%2Flogin.example.com&state=s
}
