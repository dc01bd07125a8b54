package authenticator

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"github.com/fxamacker/cbor/v2"

	"github.com/lakekey/lakekey/authenticator/internal/webauthn"
)

// prfValues are AuthenticationExtensionsPRFValues,
// https://www.w3.org/TR/webauthn-3/#prf-extension
type prfValues struct {
	First  webauthn.Base64URL `json:"first"`
	Second webauthn.Base64URL `json:"second,omitempty"`
}

type prfInputs struct {
	Eval             *prfValues           `json:"eval"`
	EvalByCredential map[string]prfValues `json:"evalByCredential"`
}

// salts hashes inputs so that a relying party cannot evaluate what other users of
// hmac-secret on this machine evaluate: "Let salt1 be the value of
// SHA-256(UTF8Encode("WebAuthn PRF") || 0x00 || ev.first)".
func (v prfValues) salts() [][]byte {
	hash := func(input []byte) []byte {
		sum := sha256.Sum256(slices.Concat([]byte("WebAuthn PRF\x00"), input))
		return sum[:]
	}
	salts := [][]byte{hash(v.First)}
	if v.Second != nil {
		salts = append(salts, hash(v.Second))
	}
	return salts
}

// apply checks the inputs and puts them into a request.
func (p *prfInputs) apply(request *GetAssertionRequest) error {
	if p == nil {
		return nil
	}
	valid := func(v prfValues) error {
		if v.First == nil {
			return errors.New("authenticator: the options' prf values have no first one")
		}
		return nil
	}
	if p.Eval != nil {
		if err := valid(*p.Eval); err != nil {
			return err
		}
		request.Salts = p.Eval.salts()
	}
	for text, v := range p.EvalByCredential {
		// "If any key in evalByCredential is the empty string, or is not a valid
		// base64url encoding, or does not equal the id of some element of
		// allowCredentials …, then return a … SyntaxError."
		id, err := base64.RawURLEncoding.Strict().DecodeString(text)
		if err != nil || len(id) == 0 || !contains(request.Allow, id) {
			return errors.New("authenticator: the options' prf values name a credential that is not allowed")
		}
		if err := valid(v); err != nil {
			return err
		}
		if request.SaltsByCredential == nil {
			request.SaltsByCredential = make(map[string][][]byte)
		}
		request.SaltsByCredential[string(id)] = v.salts()
	}
	return nil
}

// wanted reports whether the request is for secrets. They are those of a verified
// user only: "that PRF MUST be the one used for when user verification is performed.
// This overrides the UserVerificationRequirement if necessary."
func (p *prfInputs) wanted() bool { return p != nil && (p.Eval != nil || len(p.EvalByCredential) > 0) }

// outputs are the client extension results of a sign-in.
func (p *prfInputs) outputs(a *Assertion) map[string]any {
	if p == nil {
		return map[string]any{}
	}
	result := map[string]any{}
	if len(a.Secrets) > 0 {
		values := prfValues{First: a.Secrets[0]}
		if len(a.Secrets) > 1 {
			values.Second = a.Secrets[1]
		}
		result["results"] = values
	}
	return map[string]any{"prf": result}
}

// wireSalts is the input of hmac-secret, CTAP 2.1 §12.5.
type wireSalts struct {
	KeyAgreement *coseKey `cbor:"1,keyasint"`
	Sealed       []byte   `cbor:"2,keyasint"`
	Proof        []byte   `cbor:"3,keyasint"`
	Protocol     int      `cbor:"4,keyasint"`
}

// sealSalts encrypts salts for the key. The session decrypts what comes back; the
// caller wipes it.
func (d *ctap2) sealSalts(ctx context.Context, codec *ctapCBOR, info *Info, salts [][]byte) (*wireSalts, *pinSession, error) {
	for _, salt := range salts {
		if len(salts) > 2 || len(salt) != 32 {
			return nil, nil, errors.New("authenticator: hmac-secret takes one or two salts of 32 bytes")
		}
	}
	protocol, err := choosePINProtocol(info)
	if err != nil {
		return nil, nil, err
	}
	session, err := d.agree(ctx, codec, protocol)
	if err != nil {
		return nil, nil, err
	}
	sealed, err := session.encrypt(slices.Concat(salts...))
	if err != nil {
		session.wipe()
		return nil, nil, err
	}
	return &wireSalts{&session.public, sealed, tokenProof(protocol, session.hmacKey, sealed), protocol}, session, nil
}

// openSecrets decrypts the hmac-secret output of an assertion to n secrets, none if
// the credential was made without the extension.
func openSecrets(codec *ctapCBOR, session *pinSession, authData []byte, n int) ([][]byte, error) {
	a, err := parseAuthData(codec, authData)
	if err != nil {
		return nil, err
	}
	output, there := a.extensions["hmac-secret"]
	if !there {
		return nil, nil
	}
	sealed, err := parse[[]byte](codec, output, "secrets")
	if err != nil {
		return nil, err
	}
	plain, err := session.decrypt(sealed)
	if err != nil {
		return nil, err
	}
	if len(plain) != 32*n {
		clear(plain)
		return nil, malformed("secrets")
	}
	return slices.Collect(slices.Chunk(plain, 32)), nil
}

// enabled reports whether a new credential has the extension.
func enabled(codec *ctapCBOR, extensions map[string]cbor.RawMessage) bool {
	output, there := extensions["hmac-secret"]
	if !there {
		return false
	}
	on, err := parse[bool](codec, output, "extension data")
	return err == nil && on
}

// salted prepares the hmac-secret part of a request: which salts, and for which of
// the allowed credentials where they have salts of their own.
func (d *ctap2) salted(ctx context.Context, codec *ctapCBOR, info *Info, auth *authorization, req *GetAssertionRequest) (salts, allow [][]byte, err error) {
	if !slices.Contains(info.Extensions, "hmac-secret") {
		return nil, req.Allow, nil
	}
	if len(req.SaltsByCredential) == 0 {
		return req.Salts, req.Allow, nil
	}
	if allow, err = d.present(ctx, codec, info, auth, req.RPID, req.Allow); err != nil {
		return nil, nil, err
	}
	if len(allow) == 0 {
		return nil, nil, fmt.Errorf("signing: %w", ErrNoCredentials)
	}
	salts, own := req.SaltsByCredential[string(allow[0])]
	if !own {
		salts = req.Salts
	}
	return salts, allow, nil
}
