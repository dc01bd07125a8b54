package issuer_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http/httptest"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/audit"
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
