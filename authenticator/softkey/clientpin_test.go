package softkey_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator/softkey"
)

// platform is the other end of a PIN/UV auth protocol, written for the tests.
type platform struct {
	protocol  int
	public    m
	hmac, aes []byte
}

func agree(t testing.TB, k *softkey.Key, protocol int) *platform {
	t.Helper()
	status, body := send(t, k, 6, m{1: protocol, 2: 2})
	require.Zero(t, status)
	peer := body[1].(map[any]any)
	public, err := ecdh.P256().NewPublicKey(bytes.Join([][]byte{{4}, peer[int64(-2)].([]byte), peer[int64(-3)].([]byte)}, nil))
	require.NoError(t, err)
	private, err := ecdh.P256().GenerateKey(rand.Reader)
	require.NoError(t, err)
	z, err := private.ECDH(public)
	require.NoError(t, err)
	point := private.PublicKey().Bytes()
	p := &platform{protocol: protocol, public: m{1: 2, 3: -25, -1: 1, -2: point[1:33], -3: point[33:]}}
	if protocol == 1 {
		sum := sha256.Sum256(z)
		p.hmac, p.aes = sum[:], sum[:]
		return p
	}
	p.hmac, err = hkdf.Key(sha256.New, z, make([]byte, 32), "CTAP2 HMAC key", 32)
	require.NoError(t, err)
	p.aes, err = hkdf.Key(sha256.New, z, make([]byte, 32), "CTAP2 AES key", 32)
	require.NoError(t, err)
	return p
}

func (p *platform) encrypt(plain []byte) []byte {
	block, err := aes.NewCipher(p.aes)
	if err != nil {
		panic(err)
	}
	iv := make([]byte, 16)
	var out []byte
	if p.protocol == 2 {
		iv = bytes.Repeat([]byte{7}, 16)
		out = bytes.Clone(iv)
	}
	sealed := make([]byte, len(plain))
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(sealed, plain)
	return append(out, sealed...)
}

func (p *platform) decrypt(sealed []byte) []byte {
	block, err := aes.NewCipher(p.aes)
	if err != nil {
		panic(err)
	}
	iv := make([]byte, 16)
	if p.protocol == 2 {
		iv, sealed = sealed[:16], sealed[16:]
	}
	plain := make([]byte, len(sealed))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, sealed)
	return plain
}

func (p *platform) proof(key []byte, message ...[]byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(bytes.Join(message, nil))
	if p.protocol == 1 {
		return mac.Sum(nil)[:16]
	}
	return mac.Sum(nil)
}

func (p *platform) pinHash(pin string) []byte {
	sum := sha256.Sum256([]byte(pin))
	return p.encrypt(sum[:16])
}

// token asks for one; permissions 0 asks the old way.
func (p *platform) token(t testing.TB, k *softkey.Key, pin string, permissions int, rpID string) (byte, []byte) {
	t.Helper()
	request := m{1: p.protocol, 2: 5, 3: p.public, 6: p.pinHash(pin)}
	if permissions != 0 {
		request[2], request[9], request[10] = 9, permissions, rpID
	}
	status, body := send(t, k, 6, request)
	if status != 0 {
		return status, nil
	}
	return status, p.decrypt(body[2].([]byte))
}

func (p *platform) setPIN(t testing.TB, k *softkey.Key, pin string) byte {
	t.Helper()
	sealed := p.encrypt(append([]byte(pin), make([]byte, 64-len(pin))...))
	status, _ := send(t, k, 6, m{1: p.protocol, 2: 3, 3: p.public, 4: p.proof(p.hmac, sealed), 5: sealed})
	return status
}

func (p *platform) changePIN(t testing.TB, k *softkey.Key, old, pin string) byte {
	t.Helper()
	sealed, hash := p.encrypt(append([]byte(pin), make([]byte, 64-len(pin))...)), p.pinHash(old)
	status, _ := send(t, k, 6, m{1: p.protocol, 2: 4, 3: p.public, 4: p.proof(p.hmac, sealed, hash), 5: sealed, 6: hash})
	return status
}

// verified adds the proof of a token to a request.
func (p *platform) verified(token []byte, proofKey, protocolKey int) func(m) {
	hash := 1
	if proofKey == 6 {
		hash = 2
	}
	return func(r m) {
		r[proofKey], r[protocolKey] = p.proof(token, r[hash].([]byte)), p.protocol
	}
}

func TestSetAndChangePIN(t *testing.T) {
	for _, protocol := range []int{1, 2} {
		k := newKey(t, softkey.Options{})
		status, _ := agree(t, k, protocol).token(t, k, "1234", 1, "example.org")
		require.EqualValues(t, 0x35, status, "no PIN yet")
		require.EqualValues(t, 0x37, agree(t, k, protocol).setPIN(t, k, "123"))
		require.EqualValues(t, 0x37, agree(t, k, protocol).setPIN(t, k, "ééé"), "three characters, six bytes")
		require.Zero(t, agree(t, k, protocol).setPIN(t, k, "1234"))
		require.EqualValues(t, 0x33, agree(t, k, protocol).setPIN(t, k, "5678"), "set once")
		require.EqualValues(t, 0x31, agree(t, k, protocol).changePIN(t, k, "9999", "5678"))
		require.Zero(t, agree(t, k, protocol).changePIN(t, k, "1234", "5678"))
		status, _ = agree(t, k, protocol).token(t, k, "5678", 1, "example.org")
		require.Zero(t, status)
	}
}

func TestPINRetries(t *testing.T) {
	k := newKey(t, softkey.Options{PIN: []byte("1234")})
	state := func() (uint64, bool) {
		_, body := send(t, k, 6, m{2: 1})
		return body[3].(uint64), body[4].(bool)
	}
	p := agree(t, k, 2)
	status, _ := p.token(t, k, "0000", 1, "example.org")
	require.EqualValues(t, 0x31, status)
	// The key agreement key is new after a mismatch: the same secret is worthless.
	status, _ = p.token(t, k, "1234", 1, "example.org")
	require.EqualValues(t, 0x31, status)
	status, _ = agree(t, k, 2).token(t, k, "0000", 1, "example.org")
	require.EqualValues(t, 0x34, status)
	status, _ = agree(t, k, 1).token(t, k, "1234", 1, "example.org")
	require.EqualValues(t, 0x34, status, "the right PIN, and still blocked, by the other protocol too")
	retries, blocked := state()
	require.EqualValues(t, 5, retries)
	require.True(t, blocked)

	require.NoError(t, k.PowerCycle())
	retries, blocked = state()
	require.EqualValues(t, 5, retries, "a power cycle gives no retries back")
	require.False(t, blocked)
	status, _ = agree(t, k, 2).token(t, k, "1234", 1, "example.org")
	require.Zero(t, status)
	retries, _ = state()
	require.EqualValues(t, 8, retries)

	for range 2 {
		for range 3 {
			agree(t, k, 2).token(t, k, "0000", 1, "example.org")
		}
		require.NoError(t, k.PowerCycle())
	}
	agree(t, k, 2).token(t, k, "0000", 1, "example.org")
	status, _ = agree(t, k, 2).token(t, k, "0000", 1, "example.org")
	require.EqualValues(t, 0x32, status)
	require.NoError(t, k.PowerCycle())
	status, _ = agree(t, k, 2).token(t, k, "1234", 1, "example.org")
	require.EqualValues(t, 0x32, status, "blocked for good")
}

// What a token permits: one touch, one operation, one RP ID, for a while.
func TestTokenLimits(t *testing.T) {
	now := time.Unix(1e9, 0)
	k := newKey(t, softkey.Options{PIN: []byte("1234"), Now: func() time.Time { return now }})
	const mc, ga = 1, 2
	token := func(protocol, permissions int, rpID string) (*platform, []byte) {
		p := agree(t, k, protocol)
		status, value := p.token(t, k, "1234", permissions, rpID)
		require.Zero(t, status)
		return p, value
	}
	create := func(p *platform, value []byte, change ...func(m)) byte {
		status, body := send(t, k, 1, creation(append(change, p.verified(value, 8, 9))...))
		if status == 0 {
			require.EqualValues(t, 0x45, body[2].([]byte)[32], "UP, UV, AT")
		}
		return status
	}
	get := func(p *platform, value []byte, change ...func(m)) byte {
		status, _ := send(t, k, 2, request(append(change, p.verified(value, 6, 7))...))
		return status
	}
	const refused = 0x33

	for _, protocol := range []int{1, 2} {
		p, value := token(protocol, mc, "example.org")
		require.EqualValues(t, refused, get(p, value), "another permission")
		require.EqualValues(t, refused, create(p, value, set(2, m{"id": "example.com"})), "another RP ID")
		require.EqualValues(t, refused, create(p, append([]byte{value[0] ^ 1}, value[1:]...)), "another token")
		require.Zero(t, create(p, value))
		require.EqualValues(t, refused, create(p, value), "a second touch with the same token")

		p, value = token(protocol, ga, "example.org")
		require.EqualValues(t, refused, create(p, value), "another permission")
		require.Zero(t, get(p, value, set(5, m{"up": false})), "looking in silence uses nothing up")
		require.Zero(t, get(p, value))
		require.EqualValues(t, refused, get(p, value))

		p, value = token(protocol, 0, "")
		require.Zero(t, get(p, value, set(5, m{"up": false})))
		require.EqualValues(t, refused, get(p, value, set(1, "example.com")), "bound to the first RP ID")

		p, value = token(protocol, ga, "example.org")
		now = now.Add(30 * time.Second)
		require.EqualValues(t, refused, get(p, value), "not used soon enough")

		p, value = token(protocol, ga, "example.org")
		now = now.Add(29 * time.Second)
		require.Zero(t, get(p, value, set(5, m{"up": false})))
		now = now.Add(9 * time.Minute)
		require.Zero(t, get(p, value, set(5, m{"up": false})))
		now = now.Add(time.Minute)
		require.EqualValues(t, refused, get(p, value), "too old")

		p, value = token(protocol, ga, "example.org")
		require.NoError(t, k.PowerCycle())
		require.EqualValues(t, refused, get(p, value), "forgotten with the power")

		p, value = token(protocol, ga, "example.org")
		token(3-protocol, ga, "example.org")
		require.EqualValues(t, refused, get(p, value), "one token at a time, whatever the protocol")
	}
}

// credProtect level 3 hides a credential until the user is verified, also from the
// question whether it exists.
func TestCredProtectRequired(t *testing.T) {
	k := newKey(t, softkey.Options{PIN: []byte("1234")})
	p := agree(t, k, 2)
	_, value := p.token(t, k, "1234", 1, "example.org")
	status, made := send(t, k, 1, creation(set(6, m{"credProtect": 3}), p.verified(value, 8, 9)))
	require.Zero(t, status)
	authData := made[2].([]byte)
	require.EqualValues(t, 0xC5, authData[32], "UP, UV, AT, ED")
	id := authData[55:87]
	list := []m{{"id": id, "type": "public-key"}}

	status, _ = send(t, k, 2, request(set(3, list)))
	require.EqualValues(t, 0x2E, status)
	status, _ = send(t, k, 1, creation(set(5, list), set(7, m{})))
	require.Zero(t, status, "excluded only for who is verified")
	p = agree(t, k, 2)
	_, value = p.token(t, k, "1234", 3, "example.org")
	status, _ = send(t, k, 1, creation(set(5, list), p.verified(value, 8, 9)))
	require.EqualValues(t, 0x19, status)
	p = agree(t, k, 2)
	_, value = p.token(t, k, "1234", 2, "example.org")
	status, _ = send(t, k, 2, request(set(3, list), p.verified(value, 6, 7)))
	require.Zero(t, status)
}
