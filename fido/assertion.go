package fido

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-webauthn/webauthn/protocol"

	"github.com/lakekey/lakekey/internal/strictjson"
)

// assertion is a parsed AuthenticationResponseJSON.
// https://www.w3.org/TR/webauthn-3/#dictdef-authenticationresponsejson
type assertion struct {
	credentialID   []byte
	clientDataJSON []byte
	authData       []byte
	signature      []byte
	userHandle     []byte // nil: absent
}

// readAssertion decodes the response by hand, which costs a third of what
// encoding/json does, and is stricter: no member twice, one spelling of base64.
func readAssertion(response []byte) (assertion, error) {
	fail := func(check, detail string) (assertion, error) {
		return assertion{}, &VerificationError{Check: check, Spec: specAssertion, Detail: detail}
	}
	if len(response) > maxResponse {
		return fail("size", fmt.Sprintf("the response is larger than %d bytes", maxResponse))
	}
	var a assertion
	var id, rawID, kind, inner []byte
	err := strictjson.Members(response, func(name, value []byte) error {
		switch string(name) {
		case "id":
			id = value
		case "rawId":
			rawID = value
		case "type":
			kind = value
		case "response":
			inner = value
		case "authenticatorAttachment":
			if !strictjson.Null(value) {
				_, err := strictjson.Text(value)
				return err
			}
		case "clientExtensionResults":
			return checkExtensionResults(value)
		}
		return nil
	})
	if err != nil {
		return fail("response", err.Error())
	}
	if string(kind) != `"`+publicKeyType+`"` {
		return fail("response", "type is not public-key")
	}
	if !bytes.Equal(id, rawID) {
		return fail("response", "id and rawId differ")
	}
	if a.credentialID, err = strictjson.Base64URL(id); err != nil || len(a.credentialID) == 0 {
		return fail("response", "no credential ID")
	}
	err = strictjson.Members(inner, func(name, value []byte) (err error) {
		switch string(name) {
		case "clientDataJSON":
			a.clientDataJSON, err = strictjson.Base64URL(value)
		case "authenticatorData":
			a.authData, err = strictjson.Base64URL(value)
		case "signature":
			a.signature, err = strictjson.Base64URL(value)
		case "userHandle":
			if !strictjson.Null(value) {
				a.userHandle, err = strictjson.Base64URL(value)
			}
		}
		return err
	})
	if err != nil {
		return fail("response", err.Error())
	}
	if len(a.clientDataJSON) == 0 || len(a.authData) == 0 || len(a.signature) == 0 {
		return fail("response", "clientDataJSON, authenticatorData or signature is missing")
	}
	return a, nil
}

// checkExtensionResults makes sure that what the client says about extensions is
// well-formed. None was asked for in a sign-in, and nothing is done with it:
// "Relying Parties MUST be prepared to handle cases where none or not all of the
// requested extensions were acted upon", and the reverse.
func checkExtensionResults(value []byte) error {
	if string(value) == "{}" {
		return nil
	}
	var outputs protocol.AuthenticationExtensionsClientOutputs
	if err := json.Unmarshal(value, &outputs); err != nil {
		return errors.New("fido: malformed clientExtensionResults")
	}
	return nil
}

// verified is what an assertion has been found to say.
type verified struct {
	authenticatorData
	origin string
}

// verifyAssertion follows WebAuthn §7.2 from the client data to the signature,
// for a credential that has been found to be the right one.
// https://www.w3.org/TR/webauthn-3/#sctn-verifying-assertion
func (p *RelyingParty) verifyAssertion(r *CeremonyRecord, a *assertion, c *Credential) (v verified, err error) {
	key := c.key
	if key == nil {
		if key, err = parsePublicKey(c.PublicKey); err != nil {
			return verified{}, err
		}
	}
	if v.origin, err = p.checkClientData(a.clientDataJSON, typeGet, r.Challenge); err != nil {
		return verified{}, err
	}
	if v.authenticatorData, err = readAuthenticatorData(a.authData); err != nil {
		return verified{}, err
	}
	if err := p.checkAuthenticatorData(v.rpIDHash, v.flags, r, specAssertion); err != nil {
		return verified{}, err
	}
	// "Verify that the value of currentBe equals the value of
	// credentialRecord.backupEligible."
	if v.flags&flagBE != 0 != c.BackupEligible {
		return verified{}, &VerificationError{Check: "backup eligibility", Spec: specAssertion, Detail: "it changed since registration, which it never may: this is another credential, or the key is broken"}
	}
	// "Let hash be the result of computing a hash over the cData using SHA-256.
	// Using credentialRecord.publicKey, verify that sig is a valid signature over
	// the binary concatenation of authData and hash."
	hash := sha256.Sum256(a.clientDataJSON)
	var buf [128]byte
	if !key.verify(append(append(buf[:0], a.authData...), hash[:]...), a.signature) {
		return verified{}, &VerificationError{Check: "signature", Spec: specAssertion, Detail: "it is not by the registered key"}
	}
	return v, nil
}
