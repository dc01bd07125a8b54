package provider

import (
	"context"
	"log/slog"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/oidc/issuer"
)

// Review looks at all keys of rp, and ends the sessions at idp of those that are refused.
func Review(rp *fido.RelyingParty, idp *issuer.Issuer, quarantine bool, logger *slog.Logger) func(context.Context) {
	return (&Provider{rp: rp, issuer: idp}).review(quarantine, logger)
}

// Others is how many providers a file lists, and how many documents of theirs are watched.
func Others(file []byte) (others, watched int, err error) {
	all, err := parseOthers(file)
	return len(all), len(documents(all)), err
}

// Party is who keeps people's keys.
func (p *Provider) Party() *fido.RelyingParty { return p.rp }

// StopLooking leaves it to [Provider.Look] to look at the clients file.
func (p *Provider) StopLooking() { p.registry.stop() }

// Look looks at the clients file.
func (p *Provider) Look(ctx context.Context) { p.registry.look(ctx) }
