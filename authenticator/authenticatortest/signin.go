package authenticatortest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

func asStatus(err error) (authenticator.Status, bool) {
	var s authenticator.Status
	return s, errors.As(err, &s)
}

func discoverable(t *testing.T, b *bench) {
	secret := []byte("1234")
	d, key := b.device(t, softkey.Options{PIN: secret})
	accounts := map[string]*authenticator.MakeCredentialResult{}
	for _, user := range []string{"alice", "bob"} {
		req := creation(user)
		req.Discoverable, req.PIN = true, secret
		accounts[user] = register(t, d, req)
	}
	before := key.Touches()
	req := assertion()
	req.PIN = secret
	found, err := d.GetAssertion(background(t), req)
	must(t, err)
	check(t, key.Touches() == before+1, "%d touches for one sign-in", key.Touches()-before)
	want := []string{"bob", "alice"} // the most recent first
	if b.limits.FirstAccountOnly {
		want = want[:1]
	}
	check(t, len(found) == len(want), "%d assertions, want %d", len(found), len(want))
	for i, user := range want {
		check(t, string(found[i].User.ID) == user, "user handle %q, want %q", found[i].User.ID, user)
		check(t, bytes.Equal(found[i].CredentialID, accounts[user].CredentialID), "%s signed with another credential", user)
		verifyAssertion(t, req, accounts[user], &found[i])
		if b.limits.FirstAccountOnly {
			check(t, found[i].User.Name == "" && found[i].User.DisplayName == "", "FirstAccountOnly is no limit any more: names in %+v", found[i].User)
		} else {
			check(t, found[i].User.Name == user+"@example.org" && found[i].User.DisplayName == user, "names in %+v", found[i].User)
		}
	}
	if b.limits.FirstAccountOnly {
		// Who is named is found all the same.
		req.Allow = [][]byte{accounts["alice"].CredentialID}
		signIn(t, d, accounts["alice"], req)
	}

	without := creation("carol")
	without.Discoverable = true
	_, err = d.MakeCredential(background(t), without)
	isError(t, err, authenticator.Status(0x36)) // PUAT_REQUIRED: there is a PIN
}

func allow(t *testing.T, b *bench) {
	d, key := b.device(t, softkey.Options{})
	made := register(t, d, creation("alice"))
	signIn(t, d, made, assertion(append(strangers(3), made.CredentialID)...))
	signIn(t, d, made, assertion(append(strangers(20), made.CredentialID)...))
	signIn(t, d, made, assertion(make([]byte, 300), made.CredentialID))
	touches := key.Touches()
	for name, req := range map[string]*authenticator.GetAssertionRequest{
		"a stranger":       assertion(strangers(1)...),
		"twenty strangers": assertion(strangers(20)...),
		"no list":          assertion(), // the credential is not discoverable
		"another RP ID":    {ClientDataHash: hash("get"), RPID: "example.net", Allow: [][]byte{made.CredentialID}},
	} {
		_, err := d.GetAssertion(background(t), req)
		check(t, isStatus(err, authenticator.ErrNoCredentials), "%s: error %v, want %v", name, err, authenticator.ErrNoCredentials)
	}
	check(t, key.Touches() == touches, "%d touches for nothing", key.Touches()-touches)
}

func protection(t *testing.T, b *bench) {
	secret := []byte("1234")
	d, _ := b.device(t, softkey.Options{PIN: secret})
	for level := 1; level <= 3; level++ {
		req := creation("alice")
		req.PIN, req.CredProtect = secret, level
		made := register(t, d, req)
		check(t, made.AuthenticatorData[32]&flagED != 0, "no extension data in flags %02x", made.AuthenticatorData[32])
		_, _, rest := credentialKey(t, made.AuthenticatorData)
		var outputs struct {
			CredProtect int `cbor:"credProtect"`
		}
		must(t, cbor.Unmarshal(rest, &outputs))
		check(t, outputs.CredProtect == level, "protected at level %d, want %d", outputs.CredProtect, level)
		_, err := d.GetAssertion(background(t), assertion(made.CredentialID))
		if level == 3 {
			isError(t, err, authenticator.ErrNoCredentials)
			verified := assertion(made.CredentialID)
			verified.PIN = secret
			signIn(t, d, made, verified)
		} else {
			must(t, err)
		}
	}
}

// ceremonies runs a registration and a sign-in through authenticator.Client.
func ceremonies(t *testing.T, b *bench) {
	const origin = "https://login.example.org"
	ca, err := softkey.NewCA("maker")
	must(t, err)
	d, key := b.device(t, softkey.Options{CA: ca})
	client := authenticator.NewClient(authenticator.Devices(d), authenticator.Options{})
	created, err := client.Create(background(t), origin, []byte(`{"rp":{"id":"example.org","name":"Example"},
		"user":{"id":"YWxpY2U","name":"alice","displayName":"Alice"},"challenge":"AAAAAAAAAAAAAAAAAAAAAA","attestation":"direct",
		"pubKeyCredParams":[{"type":"public-key","alg":-257},{"type":"public-key","alg":-7}],"authenticatorSelection":{"userVerification":"discouraged"}}`))
	must(t, err)
	var registration struct {
		ID       string `json:"id"`
		Response struct {
			AttestationObject  string `json:"attestationObject"`
			PublicKeyAlgorithm int    `json:"publicKeyAlgorithm"`
		} `json:"response"`
	}
	must(t, json.Unmarshal(created, &registration))
	check(t, registration.Response.PublicKeyAlgorithm == -7, "algorithm %d", registration.Response.PublicKeyAlgorithm)
	encoded, err := base64.RawURLEncoding.DecodeString(registration.Response.AttestationObject)
	must(t, err)
	var object struct {
		Format    string    `cbor:"fmt"`
		Statement statement `cbor:"attStmt"`
		AuthData  []byte    `cbor:"authData"`
	}
	must(t, cbor.Unmarshal(encoded, &object))
	check(t, object.Format == "packed" && len(object.Statement.Chain) > 0 && len(object.AuthData) > 55, "attestation object of format %q with %d certificates and %d bytes", object.Format, len(object.Statement.Chain), len(object.AuthData))

	signed, err := client.Get(background(t), origin, []byte(`{"rpId":"example.org","challenge":"AQEBAQEBAQEBAQEBAQEBAQ","userVerification":"discouraged",
		"allowCredentials":[{"type":"public-key","id":"`+registration.ID+`"}]}`))
	must(t, err)
	var authentication struct {
		ID string `json:"id"`
	}
	must(t, json.Unmarshal(signed, &authentication))
	check(t, authentication.ID == registration.ID, "signed by %s, want %s", authentication.ID, registration.ID)
	check(t, key.Touches() == 2, "%d touches", key.Touches())
}
