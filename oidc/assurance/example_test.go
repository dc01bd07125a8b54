package assurance_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/lakekey/lakekey/oidc/assurance"
)

// What came back is less than what was asked for, and says so by itself.
func Example() {
	profile := assurance.Keycloak(assurance.KeycloakOptions{})
	err := profile.Check(assurance.Claims{ACR: "phr", AMR: []string{"pwd"}, AuthTime: time.Now()}, time.Now())
	var short *assurance.Error
	fmt.Println(errors.As(err, &short), short.Claim)
	fmt.Println(err)
	// Output:
	// true amr
	// assurance: Keycloak: amr is "pwd", wanted "hwk": no such method was used
}

// An API wants a sign-in that is no older than five minutes.
func ExampleParseChallenge() {
	challenge, err := assurance.ParseChallenge([]string{`Bearer error="insufficient_user_authentication", acr_values="phr", max_age="300"`})
	if err != nil || challenge == nil {
		fmt.Println("no challenge", err)
		return
	}
	stricter, err := challenge.Narrow(assurance.EAP("").Within(time.Hour))
	fmt.Println(stricter.Age(), err)
	// Output:
	// 5m0s <nil>
}
