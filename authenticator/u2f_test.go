package authenticator_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"math/big"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

// oldKey knows U2F and nothing else. It is touched at the untouched-th poll.
type oldKey struct {
	attestation *ecdsa.PrivateKey
	certificate []byte
	handles     map[string]*ecdsa.PrivateKey // by application and handle
	counter     uint32
	untouched   int
	answer      func([]byte) []byte // what becomes of an answer; nil: nothing
}

func newOldKey(t testing.TB) *oldKey {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	return &oldKey{attestation: key, certificate: must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)), handles: map[string]*ecdsa.PrivateKey{}}
}

func (k *oldKey) CBOR(context.Context, []byte) ([]byte, error) { return []byte{0x01}, nil }

func (k *oldKey) MSG(ctx context.Context, apdu []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	length := int(binary.BigEndian.Uint16(apdu[5:]))
	data := apdu[7 : 7+length]
	if apdu[0] != 0 || apdu[4] != 0 || len(apdu) != 7+length+2 {
		return []byte{0x67, 0x00}, nil
	}
	response := k.run(apdu[1], apdu[2], data)
	if k.answer != nil {
		response = k.answer(response)
	}
	return response, nil
}

func (k *oldKey) run(ins, p1 byte, data []byte) []byte {
	challenge, application := data[:32], data[32:64]
	sign := func(key *ecdsa.PrivateKey, parts ...[]byte) []byte {
		digest := sha256.Sum256(slices.Concat(parts...))
		return must(ecdsa.SignASN1(rand.Reader, key, digest[:]))
	}
	touched := func() bool { k.untouched--; return k.untouched < 0 }
	switch ins {
	case 1:
		if !touched() {
			return []byte{0x69, 0x85}
		}
		handle, key := make([]byte, 64), must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
		rand.Read(handle)
		k.handles[string(application)+string(handle)] = key
		public := must(key.PublicKey.Bytes())
		return slices.Concat([]byte{5}, public, []byte{64}, handle, k.certificate, sign(k.attestation, []byte{0}, application, challenge, handle, public), []byte{0x90, 0})
	case 2:
		key := k.handles[string(application)+string(data[65:])]
		if key == nil || int(data[64]) != len(data[65:]) {
			return []byte{0x6A, 0x80}
		}
		if p1 == 7 || !touched() {
			return []byte{0x69, 0x85}
		}
		k.counter++
		head := binary.BigEndian.AppendUint32([]byte{1}, k.counter)
		return slices.Concat(head, sign(key, application, head, challenge), []byte{0x90, 0})
	}
	return []byte{0x6D, 0x00}
}

// A registration and sign-ins with a key that knows only U2F, verified by what WebAuthn
// says of the statement format fido-u2f.
func TestU2FKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newOldKey(t)
		ui := &person{}
		client := clientOf(ui, key)
		plain := with("authenticatorSelection.residentKey", "discouraged")
		key.untouched = 5
		start := time.Now()
		response, err := client.Create(t.Context(), example.origin, example.creation(plain))
		require.NoError(t, err)
		require.Equal(t, 500*time.Millisecond, time.Since(start))
		id, public := verifyU2F(t, key, response)

		for count := uint32(1); count <= 2; count++ {
			key.untouched = 1
			response, err = client.Get(t.Context(), example.origin, example.request(with("allowCredentials", allowing([]byte("another"), make([]byte, 300), id))))
			require.NoError(t, err)
			s := example.signIn(t, response, public)
			require.Equal(t, id, s.id)
			require.Equal(t, count, s.count)
			require.Equal(t, byte(1), s.flags)
		}

		for _, tc := range []struct {
			want error
			run  func() ([]byte, error)
		}{
			{authenticator.ErrExcluded, func() ([]byte, error) {
				return client.Create(t.Context(), example.origin, example.creation(plain, with("excludeCredentials", allowing(id))))
			}},
			{authenticator.ErrNoDevice, func() ([]byte, error) { return client.Create(t.Context(), example.origin, example.creation()) }},
			{authenticator.ErrUnsupportedAlgorithm, func() ([]byte, error) {
				return client.Create(t.Context(), example.origin, example.creation(plain, with("pubKeyCredParams", []object{{"type": "public-key", "alg": -8}})))
			}},
			{authenticator.ErrPINNotSet, func() ([]byte, error) {
				return client.Create(t.Context(), example.origin, example.creation(plain, with("authenticatorSelection.userVerification", "required")))
			}},
			{authenticator.ErrNoCredentials, func() ([]byte, error) { return client.Get(t.Context(), example.origin, example.request()) }},
			{authenticator.ErrNoCredentials, func() ([]byte, error) {
				return client.Get(t.Context(), example.origin, example.request(with("allowCredentials", allowing([]byte("another")))))
			}},
		} {
			_, err := tc.run()
			require.ErrorIs(t, err, tc.want)
			var e *authenticator.IneligibleError
			require.ErrorAs(t, err, &e)
		}

		// Cancelled while it polls, and usable afterwards.
		key.untouched = 1 << 30
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = client.Create(ctx, example.origin, example.creation(plain))
		require.ErrorIs(t, err, context.DeadlineExceeded)

		// Beside another key: the old one blinks by a registration that nobody uses.
		modern := newKey(t, softkey.Options{PIN: []byte("1234"), Touch: untouched})
		key.untouched = 2
		_, err = clientOf(ui, modern, key).Create(t.Context(), example.origin, example.creation())
		require.ErrorContains(t, err, "test key 2 cannot serve")
	})
}

func verifyU2F(t *testing.T, key *oldKey, response []byte) ([]byte, *ecdsa.PublicKey) {
	t.Helper()
	raw := attestationObject(t, response)
	require.Equal(t, "fido-u2f", raw.Fmt)
	data := raw.AuthData
	require.EqualValues(t, 0x41, data[32])
	require.Equal(t, make([]byte, 16), data[37:53])
	id := data[55:119]
	var cose map[int]any
	require.NoError(t, cbor.Unmarshal(data[119:], &cose))
	public := coseKey(t, cose).(*ecdsa.PublicKey)
	require.Equal(t, [][]byte{key.certificate}, raw.AttStmt.X5C)
	hash := sha256.Sum256(example.clientData(t, responseMember(t, response, "clientDataJSON"), "webauthn.create"))
	digest := sha256.Sum256(slices.Concat([]byte{0}, data[:32], hash[:], id, must(public.Bytes())))
	require.True(t, ecdsa.VerifyASN1(&key.attestation.PublicKey, digest[:], raw.AttStmt.Sig))
	return id, public
}

func TestHostileU2FKey(t *testing.T) {
	for _, answer := range [][]byte{
		nil, {0x90}, {0x90, 0}, {5, 0x90, 0}, append([]byte{5, 4}, make([]byte, 70)...), {0x6F, 0}, make([]byte, 8000),
		append(append([]byte{5, 4}, make([]byte, 64)...), 255, 0, 0x90, 0), append(append([]byte{5, 4}, make([]byte, 64)...), 1, 1, 0x30, 0x01, 0, 0x90, 0),
	} {
		key := newOldKey(t)
		key.answer = func([]byte) []byte { return answer }
		client := clientOf(nil, key)
		_, err := client.Create(t.Context(), example.origin, example.creation(with("authenticatorSelection.residentKey", "discouraged")))
		require.Error(t, err)
		if len(answer) > 60 && answer[0]&1 != 0 {
			continue // what a signature looks like is for the relying party to judge
		}
		_, err = client.Get(t.Context(), example.origin, example.request(with("allowCredentials", allowing([]byte("x")))))
		require.Error(t, err)
	}
	// A refusal of CBOR alone does not make a U2F key.
	_, err := clientOf(nil, transportFunc(func(context.Context, []byte) ([]byte, error) { return []byte{1}, nil })).
		Get(t.Context(), example.origin, example.request())
	require.ErrorIs(t, err, authenticator.Status(0x01))
}
