package issuer_test

import (
	"testing"

	"github.com/lakekey/lakekey/oidc/issuer"
	"github.com/lakekey/lakekey/oidc/issuer/issuertest"
)

func TestMemoryStore(t *testing.T) {
	issuertest.TestStore(t, issuertest.Options{}, func(*testing.T) issuer.Store { return issuer.NewMemoryStore() })
}
