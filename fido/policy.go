package fido

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"strconv"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/keypolicy"
)

// decide asks the policy and notes in e what it said.
func (p *RelyingParty) decide(u *User, known keypolicy.Evidence, e *audit.Event) keypolicy.Decision {
	d := p.policy.Decide(keypolicy.Subject{User: u.Name, Groups: u.Groups}, known)
	e.AAGUID, e.Attestation, e.Format = known.AAGUID.String(), known.Verdict.String(), known.Format
	if p.cfg.Policy != nil {
		e.Rule, e.PolicyHash = d.Rule, p.cfg.Policy.Hash()
	}
	if known.Metadata > 0 {
		e.Metadata = "mds " + strconv.Itoa(known.Metadata)
	}
	if known.MetadataStale {
		e.Metadata += " stale"
	}
	return d
}

// admit is decide for a ceremony: what the policy does not allow is an error.
func (p *RelyingParty) admit(u *User, known keypolicy.Evidence, e *audit.Event) (keypolicy.Decision, error) {
	d := p.decide(u, known, e)
	if !d.Allowed {
		e.Type = "policy.refused"
		return d, &PolicyError{Decision: d}
	}
	return d, nil
}

// effective returns the policy that decides. Where none is configured, any
// passkey will do, and user verification is what the configuration says.
func effective(c Config) (*keypolicy.Policy, error) {
	if c.Policy != nil || c.UserVerification == "required" {
		return c.Policy, nil
	}
	p, err := keypolicy.New(nil, keypolicy.Rule{Name: "any passkey", Profile: keypolicy.Profile{InsecureNoUserVerification: true}})
	if err != nil {
		return nil, fmt.Errorf("making the default policy: %w", err)
	}
	return p, nil
}

// serialHash returns a keyed hash of an attested serial number, of which there
// are few enough to try them all if the key were not secret.
func (p *RelyingParty) serialHash(ctx context.Context, model keypolicy.AAGUID, serial []byte) ([]byte, error) {
	key, err := p.Key(ctx, "serial numbers of devices")
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, key[:])
	mac.Write(model[:])
	mac.Write(serial)
	return mac.Sum(nil), nil
}
