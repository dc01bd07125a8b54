package oidctest_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"

	"github.com/lakekey/lakekey/oidc"
	"github.com/lakekey/lakekey/oidc/oidctest"
)

// A client that is right refuses every fault.
func Example() {
	accepted := 0
	for _, fault := range []oidctest.Fault{oidctest.AlgNone, oidctest.WeakACR, oidctest.RedirectedToken} {
		idp, err := oidctest.New(oidctest.Options{})
		if err != nil {
			log.Fatal(err)
		}
		idp.Inject(fault)
		srv := httptest.NewServer(idp)
		ctx := context.Background()
		p, err := oidc.Discover(ctx, srv.URL, oidc.Options{})
		if err == nil {
			_, err = oidc.SignIn(ctx, p, &oidctest.Key{}, oidc.SignInRequest{ClientID: "client", Audience: "workspace"})
		}
		if err == nil {
			accepted++
			fmt.Println("accepted although", fault)
		}
		srv.Close()
	}
	fmt.Println("accepted:", accepted)
	// Output: accepted: 0
}
