package caep_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/lakekey/lakekey/oidc/caep"
)

// A stream of Okta's pushes to /events. What does not come from there ends nothing.
func ExampleNewReceiver() {
	events, err := caep.NewReceiver(caep.Transmitter{
		Issuer:   "https://acme.okta.com",
		Audience: "https://idp.example.com/events",
		KeysURL:  "https://acme.okta.com/oauth2/v1/keys",
	}, func(_ context.Context, e caep.Event) error {
		fmt.Println("ending the sessions of", e.Subject.Email)
		return nil
	}, caep.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/events", events)

	r := httptest.NewRequest(http.MethodPost, "https://idp.example.com/events", strings.NewReader("eyJhbGciOiJub25lIn0.e30."))
	r.Header.Set("Content-Type", "application/secevent+jwt")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Println(w.Code)
	// Output: 400
}
