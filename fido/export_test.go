package fido

import (
	"context"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncbor"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/keypolicy"
)

// COSEAlgorithm reads the algorithm of a COSE_Key.
var COSEAlgorithm = coseAlgorithm

// VerifySignature verifies as a sign-in does.
func VerifySignature(cose, message, sig []byte) (bool, error) {
	key, err := parsePublicKey(cose)
	if err != nil {
		return false, err
	}
	return key.verify(message, sig), nil
}

// VerifyAssertion reads and verifies a response to r by the owner of c, without
// a store.
func (p *RelyingParty) VerifyAssertion(r CeremonyRecord, c Credential, response []byte) error {
	a, err := readAssertion(response)
	if err != nil {
		return err
	}
	_, err = p.verifyAssertion(&r, &a, &c)
	return err
}

// VerifyRegistration verifies a response to r, without a store.
func (p *RelyingParty) VerifyRegistration(r CeremonyRecord, response []byte) (*Credential, error) {
	c, _, err := p.verifyRegistration(context.Background(), r, response, p.cfg.Now())
	return c, err
}

// RecoveryCode is the one spelling of a code, and whether it is one.
var RecoveryCode = recoveryCode

// Judge does what the policy adds to a sign-in: it brings the evidence up to date
// and decides.
func (p *RelyingParty) Judge(ctx context.Context, u User, c *Credential) error {
	t := p.trust(ctx, p.cfg.Now())
	_, err := p.admit(&u, t.current(c, c.BackupEligible, true), &audit.Event{})
	return err
}

// Attest verifies an attestation object and judges it.
func (p *RelyingParty) Attest(object, clientDataJSON []byte) (authData []byte, e keypolicy.Evidence, err error) {
	var att protocol.AttestationObject
	if err := webauthncbor.Unmarshal(object, &att); err != nil {
		return nil, e, badAttestation("not CBOR")
	}
	if err := att.AuthData.Unmarshal(att.RawAuthData); err != nil {
		return nil, e, badAttestation("no authenticator data")
	}
	c := Credential{ClientDataJSON: clientDataJSON, Created: p.cfg.Now()}
	err = p.attest(context.Background(), &att, &c)
	return att.RawAuthData, c.Evidence, err
}
