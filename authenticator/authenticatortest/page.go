package authenticatortest

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
)

// pageOrigin is the origin of the relying party's pages.
const pageOrigin = "https://login.example.org"

const (
	createChallenge = "MDEyMzQ1Njc4OWFiY2RlZg"
	getChallenge    = "ZmVkY2JhOTg3NjU0MzIxMA"
)

type object = map[string]any

// raw is bytes in the JSON of WebAuthn.
type raw []byte

// MarshalText implements encoding.TextMarshaler.
func (b raw) MarshalText() ([]byte, error) {
	return []byte(base64.RawURLEncoding.EncodeToString(b)), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *raw) UnmarshalText(text []byte) (err error) {
	*b, err = base64.RawURLEncoding.Strict().DecodeString(string(text))
	return err
}

// set changes a member of options, one inside another by a dotted name.
func set(path string, value any) func(object) {
	return func(o object) {
		names := strings.Split(path, ".")
		for _, name := range names[:len(names)-1] {
			inner, there := o[name].(object)
			if !there {
				inner = object{}
				o[name] = inner
			}
			o = inner
		}
		o[names[len(names)-1]] = value
	}
}

// createOptions are those of a registration that discourages user verification.
func createOptions(t testing.TB, user string, change ...func(object)) []byte {
	t.Helper()
	o := object{
		"rp": object{"id": rpID, "name": "Example"}, "challenge": createChallenge, "attestation": "direct",
		"user":                   object{"id": raw(user), "name": user + "@example.org", "displayName": user},
		"pubKeyCredParams":       []object{{"type": "public-key", "alg": -257}, {"type": "public-key", "alg": -7}},
		"authenticatorSelection": object{"userVerification": "discouraged"},
	}
	return options(t, o, change)
}

// getOptions are those of a sign-in that discourages user verification, for some
// credentials or for any.
func getOptions(t testing.TB, allow []raw, change ...func(object)) []byte {
	t.Helper()
	o := object{"rpId": rpID, "challenge": getChallenge, "userVerification": "discouraged"}
	if len(allow) > 0 {
		o["allowCredentials"] = listed(allow...)
	}
	return options(t, o, change)
}

func options(t testing.TB, o object, change []func(object)) []byte {
	t.Helper()
	for _, f := range change {
		f(o)
	}
	text, err := json.Marshal(o)
	must(t, err)
	return text
}

func listed(ids ...raw) (list []object) {
	for _, id := range ids {
		list = append(list, object{"type": "public-key", "id": id})
	}
	return list
}

// credential is what a relying party keeps of a registration.
type credential struct {
	id         raw
	public     crypto.PublicKey
	flags      byte
	extensions cbor.RawMessage // in the authenticator data
	results    map[string]json.RawMessage
}

// signed is what a relying party learns from a sign-in.
type signed struct {
	user    string
	flags   byte
	results map[string]json.RawMessage
}

// response is RegistrationResponseJSON and AuthenticationResponseJSON.
type response struct {
	ID, RawID  raw
	Type       string
	Attachment string                     `json:"authenticatorAttachment"`
	Results    map[string]json.RawMessage `json:"clientExtensionResults"`
	Response   struct {
		ClientDataJSON, AuthenticatorData raw
		Transports                        []string
		PublicKey                         raw
		PublicKeyAlgorithm                int
		AttestationObject                 raw
		Signature, UserHandle             raw
	}
}

func parseResponse(t testing.TB, text []byte, kind, challenge string) *response {
	t.Helper()
	var r response
	must(t, json.Unmarshal(text, &r))
	check(t, len(r.ID) > 0 && bytes.Equal(r.ID, r.RawID) && r.Type == "public-key" && r.Attachment == "cross-platform", "response %s", text)
	want := `{"type":"` + kind + `","challenge":"` + challenge + `","origin":"` + pageOrigin + `","crossOrigin":false}`
	check(t, string(r.Response.ClientDataJSON) == want, "client data %s, want %s", r.Response.ClientDataJSON, want)
	check(t, len(r.Response.AuthenticatorData) >= 37 && bytes.Equal(r.Response.AuthenticatorData[:32], hash(rpID)), "authenticator data for another RP ID")
	check(t, r.Response.AuthenticatorData[32]&flagUP != 0, "no touch")
	return &r
}

// registered verifies a registration as a relying party does.
func registered(t testing.TB, text []byte) *credential {
	t.Helper()
	r := parseResponse(t, text, "webauthn.create", createChallenge)
	data := []byte(r.Response.AuthenticatorData)
	public, alg, rest := credentialKey(t, data)
	der, err := x509.MarshalPKIXPublicKey(public)
	must(t, err)
	check(t, alg == -7 && r.Response.PublicKeyAlgorithm == alg && bytes.Equal(r.Response.PublicKey, der), "public key of algorithm %d", alg)
	var o struct {
		Format    string    `cbor:"fmt"`
		Statement statement `cbor:"attStmt"`
		AuthData  []byte    `cbor:"authData"`
	}
	must(t, cbor.Unmarshal(r.Response.AttestationObject, &o))
	check(t, o.Format == "packed" && bytes.Equal(o.AuthData, data), "attestation object of format %q", o.Format)
	verifySignature(t, public, slices.Concat(data, hash(string(r.Response.ClientDataJSON))), o.Statement.Signature)
	return &credential{id: r.ID, public: public, flags: data[32], extensions: cbor.RawMessage(rest), results: r.Results}
}

// proven verifies a sign-in as a relying party does.
func proven(t testing.TB, text []byte, c *credential) *signed {
	t.Helper()
	r := parseResponse(t, text, "webauthn.get", getChallenge)
	check(t, bytes.Equal(r.ID, c.id), "signed by credential %x, want %x", []byte(r.ID), []byte(c.id))
	data := []byte(r.Response.AuthenticatorData)
	verifySignature(t, c.public, slices.Concat(data, hash(string(r.Response.ClientDataJSON))), r.Response.Signature)
	return &signed{user: string(r.Response.UserHandle), flags: data[32], results: r.Results}
}

func create(t testing.TB, c Ceremonies, user string, change ...func(object)) *credential {
	t.Helper()
	text, err := c.Create(background(t), pageOrigin, createOptions(t, user, change...))
	must(t, err)
	return registered(t, text)
}

func get(t testing.TB, c Ceremonies, made *credential, change ...func(object)) *signed {
	t.Helper()
	text, err := c.Get(background(t), pageOrigin, getOptions(t, []raw{made.id}, change...))
	must(t, err)
	return proven(t, text, made)
}
