package databrickstest_test

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http/httptest"
	"net/url"
	"time"

	"github.com/lakekey/lakekey/databricks/databrickstest"
)

// An account that knows one person and trusts one issuer, for a test of
// something that signs in.
func Example() {
	workspace, err := databrickstest.New(databrickstest.Options{})
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(workspace)
	defer server.Close()
	if _, err := workspace.AddUser("ada@example.com"); err != nil {
		log.Fatal(err)
	}
	// The keys come from the issuer's discovery document; Policy.JWKS would hold
	// them here instead.
	if _, err := workspace.AddPolicy(databrickstest.Policy{Issuer: "http://localhost:8080"}); err != nil {
		log.Fatal(err)
	}

	// A client that sends a token of anybody else gets nowhere.
	response, err := server.Client().PostForm(server.URL+"/oidc/v1/token", url.Values{
		"grant_type":         {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"subject_token_type": {"urn:ietf:params:oauth:token-type:jwt"},
		"subject_token":      {"eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGFAZXhhbXBsZS5jb20ifQ."},
		"scope":              {"clusters:read"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	var body struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
		log.Fatal(err)
	}
	fmt.Println(response.StatusCode, body.Error)
	fmt.Println(body.Description)

	last := workspace.Requests()[0]
	fmt.Println(last.Method, last.Path, last.UserAgent)
	// Output:
	// 400 invalid_request
	// subject_token must be signed with RS256 or ES256, its alg is "none"
	// POST /oidc/v1/token Go-http-client/1.1
}

// How a client behaves when the token endpoint is down for a moment.
func ExampleWorkspace_FailTokenRequests() {
	workspace, err := databrickstest.New(databrickstest.Options{})
	if err != nil {
		log.Fatal(err)
	}
	workspace.FailTokenRequests(1, databrickstest.Fault{RetryAfter: time.Second})
	server := httptest.NewServer(workspace)
	defer server.Close()
	for range 2 {
		response, err := server.Client().PostForm(server.URL+"/oidc/v1/token", url.Values{})
		if err != nil {
			log.Fatal(err)
		}
		response.Body.Close()
		fmt.Println(response.StatusCode, response.Header.Get("Retry-After"))
	}
	// Output:
	// 503 1
	// 400
}
