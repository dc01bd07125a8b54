package provider

import (
	"context"
	"errors"
	"log/slog"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/oidc/issuer"
)

// review returns a function that looks at all keys and says in the log what has become
// of them. Keys that the policy refuses now are named there, where an administrator
// finds them, and held back if quarantine says so; either way they sign in nowhere,
// and the sessions that began with them end.
func (p *Provider) review(quarantine bool, logger *slog.Logger) func(context.Context) {
	o := fido.ReevaluateOptions{By: "idp", Limit: 10_000, Quarantine: quarantine}
	return func(ctx context.Context) {
		for o := o; ; {
			r, err := p.rp.Reevaluate(ctx, o)
			for _, f := range r.Findings {
				if f.Decision.Allowed {
					continue
				}
				logger.WarnContext(ctx, "a registered key is refused now", "name", f.Credential.Name, "model", f.Credential.Evidence.Model, "why", f.Decision.String())
				if err := p.endRefused(ctx, f.Credential.ID); err != nil {
					logger.ErrorContext(ctx, "the sessions of a key that is refused now could not be ended; its next request ends there", "name", f.Credential.Name, "error", err)
				}
			}
			if err != nil {
				logger.ErrorContext(ctx, "keys could not be looked at again", "looked", r.Looked, "error", err)
			}
			if err != nil || r.Done {
				return
			}
			o.After = r.Last
		}
	}
}

// endRefused ends what began with a key, if the policy lets nothing of it go on: a rule
// about how the user was verified may refuse the key and not every session of it.
func (p *Provider) endRefused(ctx context.Context, credential []byte) error {
	err := p.rp.Active(ctx, credential, true)
	policy, refused := errors.AsType[*fido.PolicyError](err)
	if !refused {
		return nil // held back, which was news of its own; or its next request is asked again
	}
	_, err = p.issuer.EndSessions(ctx, issuer.Sessions{CredentialID: credential}, "the key policy does not let its key in: "+policy.Decision.String())
	return err
}
