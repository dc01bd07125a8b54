package authenticator

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"

	"github.com/fxamacker/cbor/v2"
)

// credentialJSON is what RegistrationResponseJSON and AuthenticationResponseJSON have
// in common, https://www.w3.org/TR/webauthn-3/#dictdef-registrationresponsejson.
type credentialJSON struct {
	ID         base64URL      `json:"id"`
	RawID      base64URL      `json:"rawId"`
	Response   any            `json:"response"`
	Attachment string         `json:"authenticatorAttachment"`
	Extensions map[string]any `json:"clientExtensionResults"`
	Type       string         `json:"type"`
}

type attestationJSON struct {
	ClientDataJSON     base64URL `json:"clientDataJSON"`
	AuthenticatorData  base64URL `json:"authenticatorData"`
	Transports         []string  `json:"transports"`
	PublicKey          base64URL `json:"publicKey,omitempty"`
	PublicKeyAlgorithm int       `json:"publicKeyAlgorithm"`
	AttestationObject  base64URL `json:"attestationObject"`
}

type assertionJSON struct {
	ClientDataJSON    base64URL `json:"clientDataJSON"`
	AuthenticatorData base64URL `json:"authenticatorData"`
	Signature         base64URL `json:"signature"`
	UserHandle        base64URL `json:"userHandle,omitempty"`
}

// attestationObject is what a relying party gets,
// https://www.w3.org/TR/webauthn-3/#sctn-generating-an-attestation-object
type attestationObject struct {
	Format    string          `cbor:"fmt"`
	Statement cbor.RawMessage `cbor:"attStmt"`
	AuthData  []byte          `cbor:"authData"`
}

func marshalCredential(id []byte, response any, extensions map[string]any) ([]byte, error) {
	out, err := json.Marshal(credentialJSON{
		ID: id, RawID: id, Response: response, Attachment: "cross-platform", Extensions: extensions, Type: publicKeyType,
	})
	if err != nil {
		return nil, fmt.Errorf("authenticator: encoding the response: %v", err)
	}
	return out, nil
}

func authenticationResponse(clientData []byte, a *Assertion, extensions map[string]any) ([]byte, error) {
	return marshalCredential(a.CredentialID, assertionJSON{
		ClientDataJSON:    clientData,
		AuthenticatorData: a.AuthenticatorData,
		Signature:         a.Signature,
		UserHandle:        a.User.ID,
	}, extensions)
}

func (c *creation) response(made *created) ([]byte, error) {
	result := made.result
	codec, err := newCodec()
	if err != nil {
		return nil, err
	}
	data, err := parseAuthData(codec, result.AuthenticatorData)
	if err != nil {
		return nil, err
	}
	public, alg, err := subjectPublicKeyInfo(codec, data.publicKey)
	if err != nil {
		return nil, err
	}
	// A key that picked something else than it was offered has not understood.
	if !slices.Contains(made.request.Algorithms, alg) {
		return nil, malformed("a public key of an algorithm that was not asked for")
	}
	object := attestationObject{Format: result.Format, Statement: result.AttestationStatement, AuthData: result.AuthenticatorData}
	if err := c.convey(codec, data, &object); err != nil {
		return nil, err
	}
	encoded, err := codec.enc.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("authenticator: encoding the attestation object: %v", err)
	}
	// Only outputs that were asked for, and that this client makes itself: a key
	// cannot put words into its mouth.
	extensions := map[string]any{}
	if c.options.Extensions.CredProps {
		extensions["credProps"] = map[string]any{"rk": made.request.Discoverable}
	}
	if c.options.Extensions.PRF != nil {
		extensions["prf"] = map[string]any{"enabled": made.request.HMACSecret && enabled(codec, data.extensions)}
	}
	return marshalCredential(result.CredentialID, attestationJSON{
		ClientDataJSON:     c.clientData,
		AuthenticatorData:  result.AuthenticatorData,
		Transports:         transports(made.device.Descriptor(), made.info),
		PublicKey:          public,
		PublicKeyAlgorithm: alg,
		AttestationObject:  encoded,
	}, extensions)
}

// convey applies the attestation conveyance preference. For "none": "If the aaguid in
// the attested credential data is 16 zero bytes, … fmt is "packed", and "x5c" is
// absent …, then self attestation is being used and no further action is needed.
// Otherwise: Set the value of … fmt to "none", and … attStmt to be an empty CBOR map."
// The AAGUID itself is passed on: Level 3 no longer erases it.
//
// https://www.w3.org/TR/webauthn-3/#CreateCred-async-loop
func (c *creation) convey(codec *ctapCBOR, data *authData, object *attestationObject) error {
	switch c.options.Attestation {
	case "direct", "indirect", "enterprise":
		return nil
	}
	statement, err := parse[map[string]cbor.RawMessage](codec, object.Statement, "an attestation statement")
	if err != nil {
		return err
	}
	if _, chained := statement["x5c"]; data.aaguid == [16]byte{} && object.Format == "packed" && !chained {
		return nil
	}
	const emptyMap = 0xA0
	object.Format, object.Statement = "none", cbor.RawMessage{emptyMap}
	return nil
}

// transports lists how the key can be reached, "unique … in lexicographical order".
func transports(d Descriptor, info *Info) []string {
	list := slices.Clone(info.Transports)
	if len(list) == 0 && d.Transport != "" {
		list = []string{d.Transport}
	}
	slices.Sort(list)
	if list = slices.Compact(list); list == nil {
		list = []string{}
	}
	return list
}

// COSE_Key parameters, RFC 9052 §7.1 and RFC 9053 §7.
type publicKey struct {
	Type  int             `cbor:"1,keyasint"`
	Alg   int             `cbor:"3,keyasint"`
	Curve cbor.RawMessage `cbor:"-1,keyasint"` // for RSA: the modulus
	X     cbor.RawMessage `cbor:"-2,keyasint"` // for RSA: the exponent
	Y     cbor.RawMessage `cbor:"-3,keyasint"`
}

// subjectPublicKeyInfo is getPublicKey(): the DER of a key of an algorithm that this
// client knows, nil for others, which a relying party then reads from the
// attestation object (https://www.w3.org/TR/webauthn-3/#sctn-public-key-easy).
func subjectPublicKeyInfo(codec *ctapCBOR, cose []byte) (der []byte, alg int, err error) {
	key, err := parse[publicKey](codec, cose, "a public key")
	if err != nil {
		return nil, 0, err
	}
	var public any
	switch {
	case key.Type == 2 && key.Alg == -7:
		public, err = ellipticKey(codec, elliptic.P256(), 1, &key)
	case key.Type == 2 && key.Alg == -35:
		public, err = ellipticKey(codec, elliptic.P384(), 2, &key)
	case key.Type == 1 && key.Alg == -8:
		public, err = edwardsKey(codec, &key)
	case key.Type == 3 && key.Alg == -257:
		public, err = rsaKey(codec, &key)
	case key.Alg == 0:
		return nil, 0, malformed("a public key")
	default:
		return nil, key.Alg, nil
	}
	if err != nil {
		return nil, 0, err
	}
	if der, err = x509.MarshalPKIXPublicKey(public); err != nil {
		return nil, 0, malformed("a public key")
	}
	return der, key.Alg, nil
}

func ellipticKey(codec *ctapCBOR, curve elliptic.Curve, id int, key *publicKey) (*ecdsa.PublicKey, error) {
	crv, errCurve := parse[int](codec, key.Curve, "a public key")
	x, errX := parse[[]byte](codec, key.X, "a public key")
	y, errY := parse[[]byte](codec, key.Y, "a public key")
	if errCurve != nil || errX != nil || errY != nil || crv != id {
		return nil, malformed("a public key")
	}
	size := (curve.Params().BitSize + 7) / 8
	if len(x) != size || len(y) != size {
		return nil, malformed("a public key")
	}
	public, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
	if err != nil {
		return nil, malformed("a public key")
	}
	return public, nil
}

func edwardsKey(codec *ctapCBOR, key *publicKey) (ed25519.PublicKey, error) {
	crv, errCurve := parse[int](codec, key.Curve, "a public key")
	x, errX := parse[[]byte](codec, key.X, "a public key")
	if errCurve != nil || errX != nil || crv != 6 || len(x) != ed25519.PublicKeySize {
		return nil, malformed("a public key")
	}
	return ed25519.PublicKey(x), nil
}

func rsaKey(codec *ctapCBOR, key *publicKey) (*rsa.PublicKey, error) {
	n, errN := parse[[]byte](codec, key.Curve, "a public key")
	e, errE := parse[[]byte](codec, key.X, "a public key")
	exponent := new(big.Int).SetBytes(bytes.TrimLeft(e, "\x00"))
	if errN != nil || errE != nil || len(n) < 256 || !exponent.IsInt64() || exponent.Int64() < 3 || exponent.Int64() > 1<<31-1 {
		return nil, malformed("a public key")
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent.Int64())}, nil
}
