package softkey_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator/softkey"
)

func hashOf(rpID string) []byte {
	sum := sha256.Sum256([]byte(rpID))
	return sum[:]
}

// managed sends a credentialManagement subcommand with the proof of a token.
func (p *platform) managed(t testing.TB, k *softkey.Key, token []byte, sub int, details m) (byte, map[int]any) {
	t.Helper()
	message := []byte{byte(sub)}
	r := m{1: sub, 3: p.protocol}
	if details != nil {
		r[2] = details
		message = append(message, encode(details)...)
	}
	r[4] = p.proof(token, message)
	return send(t, k, 0x0A, r)
}

func keyWith(t testing.TB, o softkey.Options, accounts ...string) *softkey.Key {
	t.Helper()
	o.PIN = []byte("1234")
	k := newKey(t, o)
	for _, account := range accounts {
		p := agree(t, k, 2)
		_, value := p.token(t, k, "1234", 1, account+".example")
		status, _ := send(t, k, 1, creation(set(2, m{"id": account + ".example"}), set(3, m{"id": []byte(account), "name": account}), p.verified(value, 8, 9)))
		require.Zero(t, status)
	}
	return k
}

func TestCredentialManagement(t *testing.T) {
	k := keyWith(t, softkey.Options{}, "a", "b")
	p := agree(t, k, 2)
	_, token := p.token(t, k, "1234", 4, "")
	status, body := p.managed(t, k, token, 1, nil)
	require.Zero(t, status)
	require.EqualValues(t, 2, body[1])
	require.EqualValues(t, 254, body[2])

	_, first := p.managed(t, k, token, 2, nil)
	require.EqualValues(t, 2, first[5])
	status, second := send(t, k, 0x0A, m{1: 3})
	require.Zero(t, status)
	require.Equal(t, hashOf("b.example"), second[4])
	status, _ = send(t, k, 0x0A, m{1: 3})
	require.EqualValues(t, 0x30, status, "there were two")

	status, body = p.managed(t, k, token, 4, m{1: hashOf("a.example")})
	require.Zero(t, status)
	require.EqualValues(t, 1, body[9])
	require.Equal(t, []byte("a"), body[6].(map[any]any)["id"])
	descriptor := body[7].(map[any]any)

	update := func(id string) byte {
		status, _ := p.managed(t, k, token, 7, m{2: descriptor, 3: m{"id": []byte(id), "name": "renamed", "displayName": "R"}})
		return status
	}
	require.EqualValues(t, 0x02, update("another"), "whose account it is does not change")
	require.Zero(t, update("a"))
	_, body = p.managed(t, k, token, 4, m{1: hashOf("a.example")})
	require.Equal(t, "renamed", body[6].(map[any]any)["name"])

	status, _ = p.managed(t, k, token, 6, m{2: descriptor})
	require.Zero(t, status)
	status, _ = p.managed(t, k, token, 6, m{2: descriptor})
	require.EqualValues(t, 0x2E, status)
	status, _ = p.managed(t, k, token, 4, m{1: hashOf("a.example")})
	require.EqualValues(t, 0x2E, status)
}

func TestCredentialManagementRefuses(t *testing.T) {
	k := keyWith(t, softkey.Options{}, "a", "b")
	p := agree(t, k, 2)
	_, wrong := p.token(t, k, "1234", 3, "a.example")
	status, _ := p.managed(t, k, wrong, 1, nil)
	require.EqualValues(t, 0x33, status, "another permission")
	status, _ = send(t, k, 0x0A, m{1: 1})
	require.EqualValues(t, 0x36, status, "no proof")
	status, _ = send(t, k, 0x0A, m{1: 9})
	require.EqualValues(t, 0x3E, status)
	status, _ = send(t, k, 0x0A, m{1: 4})
	require.EqualValues(t, 0x14, status)

	p = agree(t, k, 2)
	_, bound := p.token(t, k, "1234", 4, "a.example")
	for _, sub := range []int{1, 2} {
		status, _ = p.managed(t, k, bound, sub, nil)
		require.EqualValues(t, 0x33, status, "a token for one RP ID sees no others")
	}
	status, _ = p.managed(t, k, bound, 4, m{1: hashOf("b.example")})
	require.EqualValues(t, 0x33, status)
	status, _ = p.managed(t, k, bound, 4, m{1: hashOf("a.example")})
	require.Zero(t, status)

	// A proof is over what it comes with.
	details := m{1: hashOf("a.example")}
	status, _ = send(t, k, 0x0A, m{1: 4, 2: m{1: hashOf("b.example")}, 3: 2, 4: p.proof(bound, []byte{4}, encode(details))})
	require.EqualValues(t, 0x33, status)
}

func (p *platform) configure(t testing.TB, k *softkey.Key, token []byte, sub int, details m) byte {
	t.Helper()
	r := m{1: sub}
	message := append(bytes.Repeat([]byte{0xFF}, 32), 0x0D, byte(sub))
	if details != nil {
		r[2] = details
		message = append(message, encode(details)...)
	}
	if token != nil {
		r[3], r[4] = p.protocol, p.proof(token, message)
	}
	status, _ := send(t, k, 0x0D, r)
	return status
}

func TestConfig(t *testing.T) {
	k := newKey(t, softkey.Options{})
	bare := &platform{}
	require.EqualValues(t, 0x35, bare.configure(t, k, nil, 3, m{3: true}), "no PIN to change")
	require.Zero(t, bare.configure(t, k, nil, 2, nil), "nothing protects the key")
	require.Zero(t, bare.configure(t, k, nil, 2, nil))
	require.Zero(t, agree(t, k, 2).setPIN(t, k, "1234"))
	require.EqualValues(t, 0x36, bare.configure(t, k, nil, 2, nil))

	p := agree(t, k, 2)
	_, token := p.token(t, k, "1234", 0x20, "")
	require.EqualValues(t, 0x3E, p.configure(t, k, token, 9, nil))
	require.EqualValues(t, 0x37, p.configure(t, k, token, 3, m{1: 3}), "shorter")
	require.EqualValues(t, 0x28, p.configure(t, k, token, 3, m{2: []string{"a", "b", "c", "d", "e"}}))
	require.Zero(t, p.configure(t, k, token, 3, m{1: 6, 2: []string{"example.org"}}))
	_, info := send(t, k, 4, nil)
	require.EqualValues(t, 6, info[0x0D])
	require.Equal(t, true, info[0x0C], "the PIN has four")

	status, _ := agree(t, k, 2).token(t, k, "1234", 1, "example.org")
	require.EqualValues(t, 0x31, status, "it serves to change it only")
	require.EqualValues(t, 0x37, agree(t, k, 2).changePIN(t, k, "1234", "12345"))
	require.Zero(t, agree(t, k, 2).changePIN(t, k, "1234", "123456"))
	p = agree(t, k, 2)
	status, value := p.token(t, k, "123456", 1, "example.org")
	require.Zero(t, status)
	status, made := send(t, k, 1, creation(set(6, m{"minPinLength": true}), p.verified(value, 8, 9)))
	require.Zero(t, status)
	require.True(t, bytes.HasSuffix(made[2].([]byte), encode(m{"minPinLength": 6})))
}

func TestForcedChangeWantsAnotherPIN(t *testing.T) {
	k := newKey(t, softkey.Options{PIN: []byte("1234"), ForcePINChange: true})
	require.EqualValues(t, 0x37, agree(t, k, 2).changePIN(t, k, "1234", "1234"))
	require.Zero(t, agree(t, k, 2).changePIN(t, k, "1234", "4321"))
	_, info := send(t, k, 4, nil)
	require.Equal(t, false, info[0x0C])
}

func (p *platform) bio(t testing.TB, k *softkey.Key, token []byte, sub int, details m) (byte, map[int]any) {
	t.Helper()
	r := m{1: 1, 2: sub, 4: p.protocol}
	message := []byte{1, byte(sub)}
	if details != nil {
		r[3] = details
		message = append(message, encode(details)...)
	}
	r[5] = p.proof(token, message)
	return send(t, k, 9, r)
}

func TestBioEnrollment(t *testing.T) {
	placed := 0
	touch := func(context.Context) error {
		if placed++; placed == 2 {
			return errors.New("crooked")
		}
		return nil
	}
	k := newKey(t, softkey.Options{PIN: []byte("1234"), Verify: (&sensor{known: true}).verify, Touch: touch})
	_, info := send(t, k, 4, nil)
	require.Equal(t, false, info[4].(map[any]any)["bioEnroll"], "supported, nobody enrolled")
	require.Equal(t, false, info[4].(map[any]any)["uv"])
	_, body := send(t, k, 9, m{6: true})
	require.EqualValues(t, 1, body[1])
	_, body = send(t, k, 9, m{1: 1, 2: 7})
	require.EqualValues(t, 3, body[3])

	p := agree(t, k, 2)
	_, token := p.token(t, k, "1234", 8, "")
	status, _ := p.bio(t, k, token, 4, nil)
	require.EqualValues(t, 0x2C, status, "no fingers")
	status, body = p.bio(t, k, token, 1, nil)
	require.Zero(t, status)
	require.EqualValues(t, 2, body[6])
	id := body[4].([]byte)
	_, body = p.bio(t, k, token, 2, m{1: id})
	require.EqualValues(t, 7, body[5], "poor quality")
	require.EqualValues(t, 2, body[6])
	p.bio(t, k, token, 2, m{1: id})
	_, body = p.bio(t, k, token, 2, m{1: id})
	require.EqualValues(t, 0, body[6])
	status, _ = p.bio(t, k, token, 2, m{1: id})
	require.EqualValues(t, 0x02, status, "it is enrolled")
	status, _ = p.bio(t, k, token, 5, m{1: id, 2: "thumb"})
	require.Zero(t, status)
	_, body = p.bio(t, k, token, 4, nil)
	require.Equal(t, []any{map[any]any{uint64(1): id, uint64(2): "thumb"}}, body[7])
	status, _ = agree(t, k, 2).uvToken(t, k, 1, "example.org")
	require.Zero(t, status)

	p = agree(t, k, 2)
	_, token = p.token(t, k, "1234", 8, "")
	status, _ = p.bio(t, k, token, 6, m{1: []byte("another")})
	require.EqualValues(t, 0x2C, status)
	status, _ = p.bio(t, k, token, 6, m{1: id})
	require.Zero(t, status)
	status, _ = agree(t, k, 2).uvToken(t, k, 1, "example.org")
	require.EqualValues(t, 0x30, status)

	status, _ = send(t, newKey(t, softkey.Options{}), 9, m{6: true})
	require.EqualValues(t, 0x01, status, "no sensor, no command")
}

// hmac-secret: the same salt yields the same secret, another one with verification.
func TestHMACSecret(t *testing.T) {
	for _, protocol := range []int{1, 2} {
		k := newKey(t, softkey.Options{})
		status, made := send(t, k, 1, creation(set(6, m{"hmac-secret": true})))
		require.Zero(t, status)
		require.True(t, bytes.HasSuffix(made[2].([]byte), encode(m{"hmac-secret": true})))
		ask := func(salt []byte, change ...func(m)) []byte {
			p := agree(t, k, protocol)
			sealed := p.encrypt(salt)
			input := m{1: p.public, 2: sealed, 3: p.proof(p.hmac, sealed), 4: protocol}
			status, body := send(t, k, 2, request(append(change, set(4, m{"hmac-secret": input}))...))
			if status != 0 {
				return []byte{status}
			}
			data := body[2].([]byte)
			require.NotZero(t, data[32]&0x80)
			output := extensionOutputs(t, data[37:])
			return p.decrypt(output["hmac-secret"].([]byte))
		}
		one, two := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
		first := ask(one)
		require.Len(t, first, 32)
		require.Equal(t, first, ask(one))
		both := ask(append(bytes.Clone(two), one...))
		require.Equal(t, first, both[32:])
		require.NotEqual(t, both[:32], both[32:])
		require.Equal(t, []byte{0x03}, ask(one[:16]))
		require.Equal(t, []byte{0x2B}, ask(one, set(5, m{"up": false})))
	}
}
