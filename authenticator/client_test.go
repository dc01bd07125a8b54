package authenticator_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

// model is the AAGUID of keys whose model matters.
var model = [16]byte([]byte("a model of a key"))

func TestCeremonies(t *testing.T) {
	ca, err := softkey.NewCA("Test Maker")
	require.NoError(t, err)
	rooted := example
	rooted.roots = x509.NewCertPool()
	rooted.roots.AddCert(ca.Certificate())

	for _, tc := range []struct {
		name       string
		key        softkey.Options
		alg        int
		conveyance string
		format     string
		chain      int
	}{
		{name: "ES256 self", alg: -7, conveyance: "direct", format: "packed"},
		{name: "EdDSA self", alg: -8, conveyance: "direct", format: "packed"},
		{name: "ES256 chain", key: softkey.Options{CA: ca}, alg: -7, conveyance: "direct", format: "packed", chain: 2},
		{name: "EdDSA chain", key: softkey.Options{CA: ca}, alg: -8, conveyance: "indirect", format: "packed", chain: 2},
		{name: "key attests nothing", key: softkey.Options{NoAttestation: true}, alg: -7, conveyance: "direct", format: "none"},
		{name: "none asked", key: softkey.Options{CA: ca}, alg: -7, conveyance: "none", format: "none"},
		{name: "none by default", key: softkey.Options{}, alg: -7, conveyance: "", format: "none"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.key.AAGUID = model
			key := newKey(t, tc.key)
			ui := &person{}
			client := clientOf(ui, key)

			response, err := client.Create(t.Context(), rooted.origin, rooted.creation(
				with("pubKeyCredParams", []object{{"type": "public-key", "alg": -999}, {"type": "public-key", "alg": tc.alg}}),
				with("attestation", tc.conveyance)))
			require.NoError(t, err)
			r := rooted.register(t, response)
			require.Equal(t, tc.format, r.format)
			require.Equal(t, tc.chain, r.chain)
			require.Equal(t, model, r.aaguid)
			require.Equal(t, byte(0x41), r.flags, "UP and AT; no UV, BE or BS")
			require.Equal(t, "cross-platform", r.json["authenticatorAttachment"])
			require.Equal(t, object{}, r.json["clientExtensionResults"])

			for n := uint32(1); n <= 3; n++ {
				response, err = client.Get(t.Context(), rooted.origin, rooted.request())
				require.NoError(t, err)
				s := rooted.signIn(t, response, r.public)
				require.Equal(t, r.id, s.id)
				require.Equal(t, "user-1", string(s.userHandle))
				require.Equal(t, n, s.count)
			}
			require.Equal(t, 4, key.Touches())
			require.Len(t, ui.prompts, 4)
			require.Zero(t, ui.open, "a prompt was left open")
			require.True(t, ui.prompts[0].Create)
			require.Equal(t, "example.org", ui.prompts[1].RPID)
			require.Empty(t, ui.pins)
		})
	}
}

func TestWrappedOptions(t *testing.T) {
	client := clientOf(nil, newKey(t, softkey.Options{}))
	response, err := client.Create(t.Context(), example.origin, fmt.Appendf(nil, `{"publicKey":%s}`, example.creation()))
	require.NoError(t, err)
	r := example.register(t, response)
	response, err = client.Get(t.Context(), example.origin, fmt.Appendf(nil, `{"publicKey":%s,"mediation":"optional"}`, example.request()))
	require.NoError(t, err)
	example.signIn(t, response, r.public)
}

// Self attestation by a model that has no AAGUID identifies nothing and stays; by
// another model it is replaced.
func TestConveyNoneKeepsAnonymousSelfAttestation(t *testing.T) {
	key := newKey(t, softkey.Options{AAGUID: model})
	anonymous := tamper{key, func(command byte, response []byte) []byte {
		if command != 0x01 || response[0] != 0 {
			return response
		}
		// The AAGUID becomes zeros; the statement's signature is not looked at here.
		for i := range len(response) - 16 {
			if [16]byte(response[i:]) == model {
				clear(response[i : i+16])
				break
			}
		}
		return response
	}}
	response, err := clientOf(nil, anonymous).Create(t.Context(), example.origin, example.creation(with("attestation", "none")))
	require.NoError(t, err)
	require.Contains(t, attestationFormat(t, response), "packed")
}

func TestAllowList(t *testing.T) {
	key := newKey(t, softkey.Options{})
	client := clientOf(nil, key)
	create := func(user string) *registered {
		response, err := client.Create(t.Context(), example.origin, example.creation(
			with("user.id", b64([]byte(user))), with("authenticatorSelection.residentKey", "discouraged")))
		require.NoError(t, err)
		return example.register(t, response)
	}
	a, b := create("a"), create("b")
	touches := key.Touches()

	response, err := client.Get(t.Context(), example.origin, example.request(with("allowCredentials", allowing(b.id))))
	require.NoError(t, err)
	s := example.signIn(t, response, b.public)
	require.Equal(t, b.id, s.id)
	require.Nil(t, s.userHandle, "a credential that is not discoverable has no user handle")

	_, err = client.Get(t.Context(), example.origin, example.request())
	require.ErrorIs(t, err, authenticator.ErrNoCredentials, "not discoverable")
	_, err = client.Get(t.Context(), example.origin, example.request(with("allowCredentials", allowing([]byte("unknown")))))
	require.ErrorIs(t, err, authenticator.ErrNoCredentials)
	require.ErrorContains(t, err, "CTAP2_ERR_NO_CREDENTIALS")
	_, err = client.Get(t.Context(), example.origin, example.request(with("allowCredentials", []object{{"type": "password", "id": b64(a.id)}})))
	require.ErrorIs(t, err, authenticator.ErrNoCredentials, "an unusable list is not an absent one")
	other := party{origin: "https://example.com", rpID: "example.com"}
	_, err = client.Get(t.Context(), other.origin, other.request(with("allowCredentials", allowing(a.id))))
	require.ErrorIs(t, err, authenticator.ErrNoCredentials, "another relying party's credential")

	// Longer than the key's limit of 8 and with IDs that are too long for it: found
	// without a further touch.
	var many [][]byte
	for i := range 30 {
		many = append(many, fmt.Appendf(nil, "some other credential %d, and a long one %0*d", i, i*10, 1))
	}
	touched := key.Touches()
	response, err = client.Get(t.Context(), example.origin, example.request(with("allowCredentials", allowing(append(many, a.id)...))))
	require.NoError(t, err)
	require.Equal(t, a.id, example.signIn(t, response, a.public).id)
	require.Equal(t, touched+1, key.Touches())
	require.Equal(t, touches+2, key.Touches(), "a refusal took a touch")
	_, err = client.Get(t.Context(), example.origin, example.request(with("allowCredentials", allowing(many...))))
	require.ErrorIs(t, err, authenticator.ErrNoCredentials)

	// The same for what is excluded: it must not be registered twice.
	_, err = client.Create(t.Context(), example.origin, example.creation(with("excludeCredentials", allowing(a.id))))
	require.ErrorIs(t, err, authenticator.ErrExcluded)
	_, err = client.Create(t.Context(), example.origin, example.creation(with("excludeCredentials", allowing(append(many, b.id)...))))
	require.ErrorIs(t, err, authenticator.ErrExcluded)
	_, err = client.Create(t.Context(), example.origin, example.creation(with("excludeCredentials", allowing(many...))))
	require.NoError(t, err)
}

func TestAccounts(t *testing.T) {
	key := newKey(t, softkey.Options{PIN: []byte("2468")})
	ui := &person{pin: "2468"}
	client := clientOf(ui, key)
	var made []*registered
	for i := range 3 {
		response, err := client.Create(t.Context(), example.origin, example.creation(
			with("user.id", b64(fmt.Append(nil, "user-", i))), with("user.name", fmt.Sprint("name-", i))))
		require.NoError(t, err)
		made = append(made, example.register(t, response))
	}
	touches := key.Touches()
	ui.account = 2
	response, err := client.Get(t.Context(), example.origin, example.request())
	require.NoError(t, err)
	s := example.signIn(t, response, made[0].public)
	require.Equal(t, "user-0", string(s.userHandle), "the most recent comes first")
	require.Len(t, ui.accounts, 3)
	require.Equal(t, "name-2", ui.accounts[0].Name)
	require.Equal(t, touches+1, key.Touches(), "choosing an account took another touch")

	ui.account = 7
	_, err = client.Get(t.Context(), example.origin, example.request())
	require.ErrorIs(t, err, authenticator.ErrChoiceRequired)
	_, err = clientOf(nil, key).Get(t.Context(), example.origin, example.request(with("userVerification", "discouraged")))
	require.ErrorIs(t, err, authenticator.ErrChoiceRequired)

	// The same account again replaces its credential.
	_, err = client.Create(t.Context(), example.origin, example.creation(with("user.id", b64([]byte("user-1")))))
	require.NoError(t, err)
	ui.account = 0
	_, err = client.Get(t.Context(), example.origin, example.request())
	require.NoError(t, err)
	require.Len(t, ui.accounts, 3)
}

func TestExtensions(t *testing.T) {
	client := clientOf(nil, newKey(t, softkey.Options{}))
	response, err := client.Create(t.Context(), example.origin, example.creation(
		with("extensions", object{
			"credProps": true, "credentialProtectionPolicy": "userVerificationOptionalWithCredentialIDList",
			"enforceCredentialProtectionPolicy": true, "payment": object{"isPayment": true}, "madeUp": 1,
		})))
	require.NoError(t, err)
	r := example.register(t, response)
	require.Equal(t, object{"credProps": object{"rk": true}}, r.json["clientExtensionResults"], "what is not known is ignored")
	require.Equal(t, map[string]any{"credProtect": uint64(2)}, r.extension)

	// Level 2: without user verification the ID must be known.
	_, err = client.Get(t.Context(), example.origin, example.request())
	require.ErrorIs(t, err, authenticator.ErrNoCredentials)
	_, err = client.Get(t.Context(), example.origin, example.request(with("allowCredentials", allowing(r.id))))
	require.NoError(t, err)

	response, err = client.Create(t.Context(), example.origin, example.creation(
		with("authenticatorSelection.residentKey", "discouraged"), with("extensions", object{"credProps": true})))
	require.NoError(t, err)
	require.Equal(t, object{"credProps": object{"rk": false}}, example.register(t, response).json["clientExtensionResults"])

	_, err = client.Create(t.Context(), example.origin, example.creation(with("extensions", object{"credentialProtectionPolicy": "sometimes"})))
	require.ErrorContains(t, err, "credential protection policy")
}

func TestRefusedOptions(t *testing.T) {
	key := newKey(t, softkey.Options{})
	client := clientOf(nil, key)
	for _, tc := range []struct {
		name   string
		change func(object)
		want   string
	}{
		{"no challenge", with("challenge", ""), "challenge"},
		{"padded challenge", with("challenge", "AA=="), "do not parse"},
		{"standard base64", with("challenge", "+/+/"), "do not parse"},
		{"no user handle", with("user.id", ""), "user.id"},
		{"long user handle", with("user.id", b64(make([]byte, 65))), "user.id"},
		{"no algorithm we have", with("pubKeyCredParams", []object{{"type": "public-key", "alg": -999}}), "UNSUPPORTED_ALGORITHM"},
		{"no known type", with("pubKeyCredParams", []object{{"type": "password", "alg": -7}}), "UNSUPPORTED_ALGORITHM"},
		{"platform key", with("authenticatorSelection.authenticatorAttachment", "platform"), "built into the machine"},
		{"excluded without ID", with("excludeCredentials", []object{{"type": "public-key", "id": ""}}), "without an ID"},
		{"verification without PIN", with("authenticatorSelection.userVerification", "required"), "PIN_NOT_SET"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			response, err := client.Create(t.Context(), example.origin, example.creation(tc.change))
			require.ErrorContains(t, err, tc.want)
			require.Nil(t, response)
		})
	}
	for _, text := range []string{"", "null x", "[]", "{", `{"publicKey":3}`, `{"challenge":1}`, string(example.request()) + "{}"} {
		_, err := client.Get(t.Context(), example.origin, []byte(text))
		require.Error(t, err, text)
	}
	_, err := client.Get(t.Context(), example.origin, make([]byte, 2<<20))
	require.ErrorContains(t, err, "too large")
	require.Zero(t, key.Touches())
}

func TestInsert(t *testing.T) {
	_, err := clientOf(nil).Get(t.Context(), example.origin, example.request())
	require.ErrorIs(t, err, authenticator.ErrNoDevice)
	_, err = clientOf(&person{}).Get(t.Context(), example.origin, example.request())
	require.ErrorContains(t, err, "no key at hand")

	late := &lateSource{device: authenticator.NewCTAP2(newKey(t, softkey.Options{}), authenticator.Descriptor{})}
	ui := &person{insert: func() error { late.plugged.Store(true); return nil }}
	_, err = authenticator.NewClient(late, authenticator.Options{UI: ui}).Create(t.Context(), example.origin, example.creation())
	require.NoError(t, err)
}

type lateSource struct {
	device  authenticator.Device
	plugged atomic.Bool
}

func (s *lateSource) Devices(context.Context) ([]authenticator.Device, error) {
	if !s.plugged.Load() {
		return nil, nil
	}
	return []authenticator.Device{s.device}, nil
}
