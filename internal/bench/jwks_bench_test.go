package bench

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"

	gooidc "github.com/coreos/go-oidc/v3/oidc"

	"github.com/lakekey/lakekey/oidc"
	"github.com/lakekey/lakekey/oidc/oidctest"
)

// unknownKids is how many tokens under keys that nobody published are shown.
const unknownKids = 200

// BenchmarkUnknownKids counts how often the issuer's key set is fetched because
// of tokens under unknown keys: by go-oidc alone, and by a session.
func BenchmarkUnknownKids(b *testing.B) {
	var bare, ours float64
	for b.Loop() {
		bare += float64(bareRefetches(b))
		ours += float64(sessionRefetches(b))
	}
	n := float64(b.N)
	b.ReportMetric(bare/n, "go-oidc-fetches")
	b.ReportMetric(ours/n, "lakekey-fetches")
	if ours > n {
		b.Errorf("%v fetches for %d unknown keys, want at most 1", ours/n, unknownKids)
	}
}

func bareRefetches(b *testing.B) int {
	idp, err := oidctest.New(oidctest.Options{})
	if err != nil {
		b.Fatal(err)
	}
	srv := httptest.NewServer(idp)
	defer srv.Close()
	ctx := context.Background()
	p, err := gooidc.NewProvider(ctx, srv.URL)
	if err != nil {
		b.Fatal(err)
	}
	v := p.Verifier(&gooidc.Config{ClientID: "a"})
	good, err := idp.Sign(`{"iss":"` + srv.URL + `","aud":"a","sub":"s","exp":4102444800}`)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := v.Verify(ctx, good); err != nil {
		b.Fatal(err)
	}
	before := idp.Requests(oidctest.KeysPath)
	idp.Inject(oidctest.UnknownKey)
	for range unknownKids {
		forged, err := idp.Sign(`{}`)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := v.Verify(ctx, forged); err == nil {
			b.Fatal("a forged token was accepted")
		}
	}
	return idp.Requests(oidctest.KeysPath) - before
}

func sessionRefetches(b *testing.B) int {
	idp, err := oidctest.New(oidctest.Options{})
	if err != nil {
		b.Fatal(err)
	}
	srv := httptest.NewServer(idp)
	defer srv.Close()
	ctx := context.Background()
	p, err := oidc.Discover(ctx, srv.URL, oidc.Options{})
	if err != nil {
		b.Fatal(err)
	}
	s, err := oidc.SignIn(ctx, p, &oidctest.Key{}, oidc.SignInRequest{ClientID: "c", Audience: "a"})
	if err != nil {
		b.Fatal(err)
	}
	before := idp.Requests(oidctest.KeysPath)
	idp.Inject(oidctest.UnknownKey)
	for i := range unknownKids { // an audience of its own each, so that each brings a token
		if _, err := s.IDToken(ctx, fmt.Sprint("audience ", i)); err == nil {
			b.Fatal("a forged token was accepted")
		}
	}
	return idp.Requests(oidctest.KeysPath) - before
}
