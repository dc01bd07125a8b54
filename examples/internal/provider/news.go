package provider

import (
	"context"
	"sync/atomic"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/oidc/issuer"
)

// news brings what the relying party has to tell to the issuer, which is made after
// it: what a revoked key or a blocked person carries ends at once.
type news struct {
	to atomic.Pointer[issuer.Issuer] // nil: not yet
}

func (n *news) Notify(ctx context.Context, notice fido.Notice) error {
	if idp := n.to.Load(); idp != nil {
		return idp.Notify(ctx, notice)
	}
	return nil // nobody signs in before there is an issuer
}
