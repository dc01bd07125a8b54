package fido

import "context"

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
