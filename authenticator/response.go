package authenticator

import (
	"fmt"
	"slices"

	"github.com/fxamacker/cbor/v2"

	"github.com/lakekey/lakekey/authenticator/internal/webauthn"
)

// attachment is what every key here is to a relying party.
const attachment = "cross-platform"

// attestationObject is what a relying party gets,
// https://www.w3.org/TR/webauthn-3/#sctn-generating-an-attestation-object
type attestationObject struct {
	Format    string          `cbor:"fmt"`
	Statement cbor.RawMessage `cbor:"attStmt"`
	AuthData  []byte          `cbor:"authData"`
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
	public, alg, err := webauthn.SubjectPublicKeyInfo(codec.dec, data.publicKey)
	if err != nil {
		return nil, malformed("a public key")
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
	if c.extensions.CredProps {
		extensions["credProps"] = map[string]any{"rk": made.request.Discoverable}
	}
	if c.extensions.PRF != nil {
		extensions["prf"] = map[string]any{"enabled": made.request.HMACSecret && enabled(codec, data.extensions)}
	}
	c.extensions.LargeBlob.created(result, extensions)
	response := webauthn.Registration{
		ID: result.CredentialID, ClientData: c.client, AuthenticatorData: result.AuthenticatorData, AttestationObject: encoded,
		PublicKey: public, Algorithm: alg, Transports: transports(made.device.Descriptor(), made.info),
		Attachment: attachment, Extensions: extensions,
	}
	return response.JSON()
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
