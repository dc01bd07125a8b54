package fido

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncbor"

	"github.com/lakekey/lakekey/fido/keypolicy"
)

// The attestation statement formats.
// https://www.w3.org/TR/webauthn-3/#sctn-defined-attestation-formats
const (
	formatNone       = string(protocol.AttestationFormatNone)
	formatPacked     = string(protocol.AttestationFormatPacked)
	formatTPM        = string(protocol.AttestationFormatTPM)
	formatAndroidKey = string(protocol.AttestationFormatAndroidKey)
	formatSafetyNet  = string(protocol.AttestationFormatAndroidSafetyNet)
	formatU2F        = string(protocol.AttestationFormatFIDOUniversalSecondFactor)
	formatApple      = string(protocol.AttestationFormatApple)
	formatCompound   = string(protocol.AttestationFormatCompound)
)

// statement is an attestation statement whose signature is right. What it is
// worth is another question: a statement can be in order, and come from a
// manufacturer of whom we know nothing.
type statement struct {
	format string
	self   bool                // signed with the credential's own key
	chain  []*x509.Certificate // the attestation certificate first; empty: nobody vouches
	aaguid keypolicy.AAGUID    // the model that is attested to
}

// signsModel reports whether the authenticator itself says which model it is. In
// the other formats a program on a computer or a phone writes the AAGUID: the
// chain vouches for the chip that holds the key, and not for what that program
// says of it.
func (s *statement) signsModel() bool { return s.format == formatPacked || s.format == formatU2F }

// attest verifies what the key states about itself, and then decides what to make
// of it: c gets the evidence and what may be kept of the statement.
func (p *RelyingParty) attest(ctx context.Context, att *protocol.AttestationObject, c *Credential) error {
	all, err := verifyAttestation(att, c.ClientDataJSON, c.Created)
	if err != nil {
		return err
	}
	// A key that knows only U2F cannot verify its holder, and signs no flags when it
	// is registered: what stands there is the client's.
	if att.Format == formatU2F {
		c.UserVerified = false
	}
	t := p.trust(ctx, c.Created)
	c.Evidence = t.evidence(att.Format, all, c.Created)
	c.Evidence.BackupEligible, c.Evidence.UserVerified = c.Evidence.BackupEligible || c.BackupEligible, c.UserVerified
	return p.discreet(ctx, att, all, c)
}

// discreet keeps the serial number of a device, which an enterprise attestation
// discloses, from being stored. A keyed hash of it is, where the relying party
// has asked for such attestations and the number is a fact.
// https://www.w3.org/TR/webauthn-3/#sctn-enterprise-packed-attestation-cert-requirements
func (p *RelyingParty) discreet(ctx context.Context, att *protocol.AttestationObject, all []statement, c *Credential) error {
	for _, s := range all {
		serial, ok := serialOf(s.chain)
		if !ok {
			continue
		}
		var err error
		if c.AttestationObject, err = withoutStatement(att); err != nil {
			return err
		}
		if p.cfg.Attestation != "enterprise" || c.Evidence.Verdict != keypolicy.Rooted {
			continue
		}
		if c.SerialHash, err = p.serialHash(ctx, c.Evidence.AAGUID, serial); err != nil {
			return err
		}
	}
	return nil
}

// verifyAttestation verifies all that the attestation object states.
//
// "Verify that attStmt is a correct attestation statement, conveying a valid
// attestation signature, by using the attestation statement format fmt's
// verification procedure given attStmt, authData and hash."
func verifyAttestation(att *protocol.AttestationObject, clientDataJSON []byte, now time.Time) ([]statement, error) {
	hash := sha256.Sum256(clientDataJSON)
	if att.Format != formatCompound {
		s, err := verifyStatement(att, hash[:], now)
		if err != nil {
			return nil, err
		}
		return []statement{s}, nil
	}
	return verifyCompound(att, hash[:], now)
}

// maxStatements bounds a compound attestation: as many as there are formats that
// it can be made of.
const maxStatements = 6

// verifyCompound wants every part to be right: a part that is wrong says that
// something is wrong with the key.
// https://www.w3.org/TR/webauthn-3/#sctn-compound-attestation
func verifyCompound(att *protocol.AttestationObject, hash []byte, now time.Time) ([]statement, error) {
	if n := len(att.SubStatements); n < 2 || n > maxStatements {
		return nil, badAttestation("a compound of fewer than two statements, or of too many")
	}
	all := make([]statement, 0, len(att.SubStatements))
	for _, sub := range att.SubStatements {
		if sub.Format == formatCompound || sub.Format == formatNone {
			return nil, badAttestation("a compound may not contain " + sub.Format)
		}
		part := protocol.AttestationObject{Format: sub.Format, AttStatement: sub.AttStatement, AuthData: att.AuthData, RawAuthData: att.RawAuthData}
		s, err := verifyStatement(&part, hash, now)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func verifyStatement(att *protocol.AttestationObject, hash []byte, now time.Time) (statement, error) {
	var err error
	switch att.Format {
	// go-webauthn holds these three against roots that it has compiled in. Which
	// roots count is for the relying party to say, hence our own procedures.
	case formatApple:
		err = verifyApple(att, hash)
	case formatAndroidKey:
		err = verifyAndroidKey(att, hash)
	case formatSafetyNet:
		err = verifySafetyNet(att, hash, now)
	default:
		err = verifyInTime(att, hash, now)
	}
	if err != nil {
		return statement{}, err
	}
	return readStatement(att)
}

// readStatement reads, of a statement that was verified when the key was
// registered, what it rests on.
func readStatement(att *protocol.AttestationObject) (statement, error) {
	s := statement{format: att.Format}
	copy(s.aaguid[:], att.AuthData.AttData.AAGUID)
	var err error
	if s.format == formatSafetyNet {
		response, _ := att.AttStatement["response"].([]byte)
		s.chain, _, err = readSafetyNet(string(response))
	} else {
		s.chain, err = certificates(att)
	}
	if err != nil {
		return statement{}, err
	}
	// "If x5c is not present, self attestation is in use."
	s.self = s.format == formatPacked && len(s.chain) == 0
	if s.format == formatU2F {
		// U2F has no AAGUID in its authenticator data; what stands there is the
		// client's filling. The certificate may name the model.
		// https://www.w3.org/TR/webauthn-3/#sctn-fido-u2f-attestation
		s.aaguid = keypolicy.AAGUID{}
		if len(s.chain) > 0 {
			s.aaguid = certificateAAGUID(s.chain[0])
		}
	}
	return s, nil
}

// readAttestation reads all statements of a stored attestation object.
func readAttestation(object []byte) (*protocol.AttestationObject, []statement, error) {
	var att protocol.AttestationObject
	if err := webauthncbor.Unmarshal(object, &att); err != nil {
		return nil, nil, badAttestation("the stored attestation cannot be read")
	}
	if err := att.AuthData.Unmarshal(att.RawAuthData); err != nil {
		return nil, nil, badAttestation("the stored attestation cannot be read")
	}
	parts := []protocol.AttestationObject{att}
	if att.Format == formatCompound {
		parts = parts[:0]
		for _, sub := range att.SubStatements {
			parts = append(parts, protocol.AttestationObject{Format: sub.Format, AttStatement: sub.AttStatement, AuthData: att.AuthData, RawAuthData: att.RawAuthData})
		}
	}
	all := make([]statement, len(parts))
	for i := range parts {
		var err error
		if all[i], err = readStatement(&parts[i]); err != nil {
			return nil, nil, err
		}
	}
	return &att, all, nil
}

// withoutStatement returns the attestation object as a client makes it that was
// asked for no attestation.
func withoutStatement(att *protocol.AttestationObject) ([]byte, error) {
	b, err := webauthncbor.Marshal(map[string]any{"fmt": formatNone, "attStmt": map[string]any{}, "authData": att.RawAuthData})
	if err != nil {
		return nil, fmt.Errorf("fido: leaving out the attestation: %v", err)
	}
	return b, nil
}

func badAttestation(detail string) error {
	return &VerificationError{Check: "attestation", Spec: specRegistration, Detail: detail}
}

// maxChain is more than any attestation has and little enough to verify.
const maxChain = 8

// certificates returns the statement's x5c, the attestation certificate first,
// or nil if it has none.
func certificates(att *protocol.AttestationObject) ([]*x509.Certificate, error) {
	raw, ok := att.AttStatement["x5c"].([]any)
	if !ok {
		return nil, nil
	}
	ders := make([][]byte, len(raw))
	for i, der := range raw {
		if ders[i], ok = der.([]byte); !ok {
			return nil, badAttestation("x5c holds something else than certificates")
		}
	}
	return parseChain(ders)
}

func parseChain(ders [][]byte) ([]*x509.Certificate, error) {
	if len(ders) > maxChain {
		return nil, badAttestation("a certificate chain longer than any attestation has")
	}
	chain := make([]*x509.Certificate, 0, len(ders))
	for _, der := range ders {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, badAttestation("a certificate that cannot be parsed")
		}
		chain = append(chain, c)
	}
	return chain, nil
}

// mustChain is certificates for the formats that cannot do without.
func mustChain(att *protocol.AttestationObject) ([]*x509.Certificate, error) {
	chain, err := certificates(att)
	if err == nil && len(chain) == 0 {
		err = badAttestation(att.Format + " without a certificate")
	}
	return chain, err
}

// attestedKey returns the credential's public key, which has to be the
// certificate's.
func attestedKey(att *protocol.AttestationObject, c *x509.Certificate) (publicKey, error) {
	key, err := parsePublicKey(att.AuthData.AttData.CredentialPublicKey)
	if err != nil {
		return nil, badAttestation("the credential's public key cannot be read")
	}
	same := false
	switch k := key.(type) {
	case ecdsaKey:
		same = k.pub.Equal(c.PublicKey)
	case ed25519Key:
		same = ed25519.PublicKey(k).Equal(c.PublicKey)
	case rsaKey:
		same = k.pub.Equal(c.PublicKey)
	}
	if !same {
		return nil, badAttestation("the certificate is about another key than the credential's")
	}
	return key, nil
}

// The extensions of attestation certificates that are read here.
// https://www.w3.org/TR/webauthn-3/#sctn-packed-attestation-cert-requirements
// https://www.w3.org/TR/webauthn-3/#sctn-enterprise-packed-attestation-cert-requirements
var (
	oidAAGUID = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4} // id-fido-gen-ce-aaguid
	oidSerial = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 2} // id-fido-gen-ce-sernum

	// oidYubicoFIPS stands in the certificates of Yubico's keys of the FIPS series
	// and in those of no other.
	oidYubicoFIPS = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 12}
)

func extension(c *x509.Certificate, oid asn1.ObjectIdentifier) ([]byte, bool) {
	for _, e := range c.Extensions {
		if e.Id.Equal(oid) {
			return e.Value, true
		}
	}
	return nil, false
}

// certificateAAGUID returns the model that a certificate names, or zero.
func certificateAAGUID(c *x509.Certificate) (a keypolicy.AAGUID) {
	value, _ := extension(c, oidAAGUID)
	var b []byte
	if rest, err := asn1.Unmarshal(value, &b); err == nil && len(rest) == 0 && len(b) == len(a) {
		copy(a[:], b)
	}
	return a
}

// serialOf returns the serial number that an enterprise attestation discloses:
// "a unique octet string value per device against a particular AAGUID".
func serialOf(chain []*x509.Certificate) ([]byte, bool) {
	if len(chain) == 0 {
		return nil, false
	}
	value, ok := extension(chain[0], oidSerial)
	if !ok {
		return nil, false
	}
	var b []byte
	if rest, err := asn1.Unmarshal(value, &b); err == nil && len(rest) == 0 {
		return b, true
	}
	return value, true // some leave the wrapping out
}
