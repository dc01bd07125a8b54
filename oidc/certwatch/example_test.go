package certwatch_test

import (
	"fmt"
	"time"

	"github.com/lakekey/lakekey/oidc/certwatch"
)

// What a person reads.
func ExampleWarning() {
	fmt.Println(certwatch.Warning{
		Certificate: certwatch.Certificate{Source: "Okta", Subject: "CN=acme", SHA256: "2bb80d537b1da3e3", NotAfter: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)},
		Days:        14,
	})
	// Output: Okta: the certificate "CN=acme" (SHA-256 2bb80d537b1da3e3…) expires in 14 days, on 2026-12-01; no successor is published: ask its administrator for one
}
