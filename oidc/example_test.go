package oidc_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/lakekey/lakekey/oidc"
	"github.com/lakekey/lakekey/oidc/assurance"
	"github.com/lakekey/lakekey/oidc/oidctest"
)

// One touch, then ID tokens for as many audiences as there are.
func ExampleSignIn() {
	idp, err := oidctest.New(oidctest.Options{})
	if err != nil {
		log.Fatal(err)
	}
	srv := httptest.NewServer(idp)
	defer srv.Close()
	ctx := context.Background()

	issuer, err := oidc.Discover(ctx, srv.URL, oidc.Options{})
	if err != nil {
		log.Fatal(err)
	}
	key := &oidctest.Key{} // in a program: an authenticator.Client
	session, err := oidc.SignIn(ctx, issuer, key, oidc.SignInRequest{
		ClientID:  "notebook",
		Audience:  "https://a.cloud.databricks.com",
		Assurance: assurance.Lakekey(assurance.PhishingResistant),
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, audience := range []string{"https://a.cloud.databricks.com", "https://b.cloud.databricks.com"} {
		token, err := session.IDToken(ctx, audience)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(token.Subject, token.Audience, token.ACR, token.Value)
	}
	fmt.Println("touches:", key.Touches())
	// Output:
	// alice@example.com https://a.cloud.databricks.com phr [redacted]
	// alice@example.com https://b.cloud.databricks.com phr [redacted]
	// touches: 1
}

// A person signs in on the issuer's own page, in a browser.
func ExampleSignInBrowser() {
	idp, err := oidctest.New(oidctest.Options{})
	if err != nil {
		log.Fatal(err)
	}
	srv := httptest.NewServer(idp)
	defer srv.Close()
	ctx := context.Background()
	issuer, err := oidc.Discover(ctx, srv.URL, oidc.Options{})
	if err != nil {
		log.Fatal(err)
	}
	// In a program: launch.Browser, which finds the person's.
	browser := opener(func(_ context.Context, address string) error {
		resp, err := http.Get(address)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	})
	session, err := oidc.SignInBrowser(ctx, issuer, browser, oidc.SignInRequest{ClientID: "notebook"})
	if err != nil {
		log.Fatal(err)
	}
	token, err := session.IDToken(ctx, "notebook")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.Subject, token.Audience, token.ACR, token.Value)
	// Output: alice@example.com notebook phrh [redacted]
}

// A session that is over says so; it never asks for a touch by itself.
func ExampleLoginRequiredError() {
	idp, err := oidctest.New(oidctest.Options{})
	if err != nil {
		log.Fatal(err)
	}
	srv := httptest.NewServer(idp)
	defer srv.Close()
	ctx := context.Background()
	issuer, err := oidc.Discover(ctx, srv.URL, oidc.Options{})
	if err != nil {
		log.Fatal(err)
	}
	session, err := oidc.SignIn(ctx, issuer, &oidctest.Key{}, oidc.SignInRequest{
		ClientID: "notebook", Audience: "workspace", LoginCommand: "keyagent -issuer https://idp.example",
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := session.Close(ctx); err != nil {
		log.Fatal(err)
	}

	_, err = session.IDToken(ctx, "workspace")
	if login, ok := errors.AsType[*oidc.LoginRequiredError](err); ok {
		fmt.Println(login.Reason)
		fmt.Println("run:", login.Command)
	}
	// Output:
	// the session was closed
	// run: keyagent -issuer https://idp.example
}

// Trade an ID token at a workspace that trusts its issuer.
func ExampleExchanger_Exchange() {
	ctx := context.Background()
	workspace := httptest.NewServer(body(200, `{"access_token":"dapi-1","token_type":"Bearer","expires_in":3600}`))
	defer workspace.Close()

	exchanger, err := oidc.NewExchanger(workspace.URL+"/oidc/v1/token", oidc.ExchangerOptions{})
	if err != nil {
		log.Fatal(err)
	}
	token, err := exchanger.Exchange(ctx, oidc.ExchangeRequest{
		SubjectToken: exchange.SubjectToken, // in a program: IDToken.Value
		Scopes:       []string{"sql"},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.Type, token.Value, token.Scopes)
	// Output: Bearer [redacted] [sql]
}
