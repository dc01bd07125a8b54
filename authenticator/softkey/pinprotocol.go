package softkey

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"time"
)

// pinProtocolNumbers are the PIN/UV auth protocols the key speaks, the preferred
// one first.
var pinProtocolNumbers = []int64{2, 1}

// pinProtocol is the key's side of a PIN/UV auth protocol with its token
// (CTAP 2.1 §6.5.4 to 6.5.7).
type pinProtocol struct {
	number  int64
	private *ecdh.PrivateKey
	token   token
}

func newPINProtocol(number int64) (*pinProtocol, error) {
	p := &pinProtocol{number: number}
	if err := p.regenerate(); err != nil {
		return nil, err
	}
	return p, nil
}

// regenerate makes a new key agreement key, at power up and after a wrong PIN.
func (p *pinProtocol) regenerate() error {
	private, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("softkey: making a key agreement key: %v", err)
	}
	p.private = private
	return nil
}

// publicKey is getPublicKey: alg is -25 "although this is not the algorithm
// actually used".
func (p *pinProtocol) publicKey() map[any]any {
	point := p.private.PublicKey().Bytes() // 0x04, x, y
	return map[any]any{1: 2, 3: -25, -1: 1, -2: point[1:33], -3: point[33:]}
}

// sharedSecret holds an HMAC key and an AES key; protocol 1 uses one for both.
type sharedSecret struct{ hmac, aes []byte }

// decapsulate derives the secret shared with the platform's key.
func (p *pinProtocol) decapsulate(peer params) (*sharedSecret, error) {
	for _, member := range []struct{ key, value int64 }{{1, 2}, {3, -25}, {-1, 1}} {
		got, err := required[int64](peer, int(member.key))
		if err != nil {
			return nil, err
		}
		if got != member.value {
			return nil, errInvalidParameter
		}
	}
	x, err := required[[]byte](peer, -2)
	if err != nil {
		return nil, err
	}
	y, err := required[[]byte](peer, -3)
	if err != nil {
		return nil, err
	}
	if len(x) != 32 || len(y) != 32 {
		return nil, errInvalidParameter
	}
	public, err := ecdh.P256().NewPublicKey(bytes.Join([][]byte{{4}, x, y}, nil))
	if err != nil {
		return nil, errInvalidParameter
	}
	z, err := p.private.ECDH(public)
	if err != nil {
		return nil, errInvalidParameter
	}
	if p.number == 1 {
		sum := sha256.Sum256(z)
		return &sharedSecret{hmac: sum[:], aes: sum[:]}, nil
	}
	salt := make([]byte, 32)
	forHMAC, err := hkdf.Key(sha256.New, z, salt, "CTAP2 HMAC key", 32)
	if err != nil {
		return nil, errOther
	}
	forAES, err := hkdf.Key(sha256.New, z, salt, "CTAP2 AES key", 32)
	if err != nil {
		return nil, errOther
	}
	return &sharedSecret{hmac: forHMAC, aes: forAES}, nil
}

// encrypt is AES-256-CBC, with an IV of zeros in protocol 1 and a random one in
// front of the ciphertext in protocol 2. The plaintext is whole blocks.
func (p *pinProtocol) encrypt(secret *sharedSecret, plain []byte) ([]byte, error) {
	block, err := aes.NewCipher(secret.aes)
	if err != nil {
		return nil, errOther
	}
	iv := make([]byte, aes.BlockSize)
	var out []byte
	if p.number == 2 {
		rand.Read(iv)
		out = bytes.Clone(iv)
	}
	body := make([]byte, len(plain))
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(body, plain)
	return append(out, body...), nil
}

func (p *pinProtocol) decrypt(secret *sharedSecret, sealed []byte) ([]byte, error) {
	iv := make([]byte, aes.BlockSize)
	if p.number == 2 {
		if len(sealed) < aes.BlockSize {
			return nil, errInvalidParameter
		}
		iv, sealed = sealed[:aes.BlockSize], sealed[aes.BlockSize:]
	}
	if len(sealed) == 0 || len(sealed)%aes.BlockSize != 0 {
		return nil, errInvalidParameter
	}
	block, err := aes.NewCipher(secret.aes)
	if err != nil {
		return nil, errOther
	}
	plain := make([]byte, len(sealed))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, sealed)
	return plain, nil
}

// verify checks a pinUvAuthParam: all of HMAC-SHA-256, or its left half in
// protocol 1.
func (p *pinProtocol) verify(key, message, signature []byte) bool {
	mac := hmac.New(sha256.New, key)
	mac.Write(message)
	want := mac.Sum(nil)
	if p.number == 1 {
		want = want[:16]
	}
	return subtle.ConstantTimeCompare(want, signature) == 1
}

// Permissions of a token (§6.5.5.7).
const (
	permitMakeCredential       = 0x01
	permitGetAssertion         = 0x02
	permitCredentialManagement = 0x04
	permitBioEnrollment        = 0x08
	permitLargeBlobWrite       = 0x10
	permitConfig               = 0x20
)

// token is a pinUvAuthToken with its state (§6.5.2.1).
type token struct {
	value       []byte
	permissions int64
	rpID        string // "": bound at first use
	issued      time.Time
	used        bool
	present     bool // the verification was a touch as well
}

const (
	// A token that is not used soon, or that is old, is worth nothing:
	// "initial usage time limit" of 30 s for USB, and at most 10 minutes.
	tokenFirstUse = 30 * time.Second
	tokenLifetime = 10 * time.Minute
	// "user present time limit": how long the touch of a verification counts.
	presentPeriod = 30 * time.Second
)

// issue is resetPinUvAuthToken and beginUsingPinUvAuthToken in one.
func (p *pinProtocol) issue(permissions int64, rpID string, present bool, now time.Time) []byte {
	value := make([]byte, 32)
	rand.Read(value)
	p.token = token{value: value, permissions: permissions, rpID: rpID, issued: now, present: present}
	return value
}

// authorize checks that a request carries the proof of a token which permits it.
func (p *pinProtocol) authorize(permission int64, message, proof []byte, now time.Time) (*token, error) {
	t := &p.token
	age := now.Sub(t.issued)
	if t.value == nil || age >= tokenLifetime || !t.used && age >= tokenFirstUse {
		p.token = token{}
		return nil, errPINAuthInvalid
	}
	if !p.verify(t.value, message, proof) || t.permissions&permission == 0 {
		return nil, errPINAuthInvalid
	}
	t.used = true
	return t, nil
}

// bind checks that a token is for an RP ID, and binds one without to it.
func (t *token) bind(rpID string) error {
	if t.rpID != "" && t.rpID != rpID {
		return errPINAuthInvalid
	}
	t.rpID = rpID
	return nil
}

// takePresence reports whether the verification was a touch that still counts.
func (t *token) takePresence(now time.Time) bool {
	return t.present && now.Sub(t.issued) < presentPeriod
}

// spend clears the permissions once the user has touched the key for them: "one
// touch, one operation". It is clearPinUvAuthTokenPermissionsExceptLbw (§6.5.2.1): a
// large blob is written after the sign-in that yields its key.
func (p *pinProtocol) spend() {
	p.token.permissions &= permitLargeBlobWrite
	p.token.present = false
}

// authorizeCommand is authorize for a command other than the two ceremonies, whose
// protocol and proof are the members first and first+1.
func (k *Key) authorizeCommand(m params, first int, permission int64, message []byte) (*token, error) {
	proof, brought, err := optional[[]byte](m, first+1)
	if err != nil {
		return nil, err
	}
	if !brought {
		return nil, errPUATRequired
	}
	number, err := required[int64](m, first)
	if err != nil {
		return nil, err
	}
	protocol, known := k.protocols[number]
	if !known {
		return nil, errInvalidParameter
	}
	return protocol.authorize(permission, message, proof, k.opts.Now())
}
