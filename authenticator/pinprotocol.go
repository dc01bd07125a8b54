package authenticator

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"slices"
)

// pinSession is the platform's side of a PIN/UV auth protocol after key agreement
// (CTAP 2.1 §6.5.4 to 6.5.7). Protocol 1 uses one key for both purposes.
type pinSession struct {
	protocol int
	public   coseKey // the platform's, for the key
	hmacKey  []byte
	aesKey   []byte
}

// choosePINProtocol takes the key's most preferred protocol that we know. A CTAP
// 2.0 key names protocol 1 or nothing.
func choosePINProtocol(info *Info) (int, error) {
	for _, p := range info.PINProtocols {
		if p == 1 || p == 2 {
			return p, nil
		}
	}
	if len(info.PINProtocols) == 0 {
		return 1, nil
	}
	return 0, fmt.Errorf("authenticator: the key knows none of the PIN/UV auth protocols 1 and 2")
}

// newPINSession is encapsulate: it agrees on a secret with the key's public key.
func newPINSession(protocol int, peer *coseKey, private *ecdh.PrivateKey) (*pinSession, error) {
	if peer == nil || peer.Type != 2 || peer.Curve != 1 || len(peer.X) != 32 || len(peer.Y) != 32 {
		return nil, malformed("key agreement")
	}
	public, err := ecdh.P256().NewPublicKey(slices.Concat([]byte{4}, peer.X, peer.Y))
	if err != nil {
		return nil, malformed("key agreement")
	}
	z, err := private.ECDH(public)
	if err != nil {
		return nil, malformed("key agreement")
	}
	defer clear(z)
	point := private.PublicKey().Bytes() // 0x04, x, y
	s := &pinSession{
		protocol: protocol,
		// "3 (alg): -25 … although this is NOT the algorithm actually used".
		public: coseKey{Type: 2, Alg: -25, Curve: 1, X: point[1:33], Y: point[33:]},
	}
	if protocol == 1 {
		key := sha256.Sum256(z)
		s.hmacKey, s.aesKey = key[:], key[:]
		return s, nil
	}
	salt := make([]byte, sha256.Size)
	if s.hmacKey, err = hkdf.Key(sha256.New, z, salt, "CTAP2 HMAC key", 32); err != nil {
		return nil, fmt.Errorf("authenticator: deriving a PIN key: %v", err)
	}
	if s.aesKey, err = hkdf.Key(sha256.New, z, salt, "CTAP2 AES key", 32); err != nil {
		return nil, fmt.Errorf("authenticator: deriving a PIN key: %v", err)
	}
	return s, nil
}

func (s *pinSession) wipe() {
	clear(s.hmacKey)
	clear(s.aesKey)
}

// encrypt encrypts whole blocks with AES-256-CBC: under an IV of zeros in protocol
// 1, which is why its keys are used once, under a random one in protocol 2.
func (s *pinSession) encrypt(plain []byte) ([]byte, error) {
	block, err := aes.NewCipher(s.aesKey)
	if err != nil {
		return nil, fmt.Errorf("authenticator: encrypting for the key: %v", err)
	}
	if len(plain)%aes.BlockSize != 0 {
		return nil, fmt.Errorf("authenticator: encrypting for the key: not whole blocks")
	}
	offset := 0
	if s.protocol == 2 {
		offset = aes.BlockSize
	}
	out := make([]byte, offset+len(plain))
	iv := make([]byte, aes.BlockSize)
	if s.protocol == 2 {
		rand.Read(iv)
		copy(out, iv)
	}
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(out[offset:], plain)
	return out, nil
}

func (s *pinSession) decrypt(sealed []byte) ([]byte, error) {
	iv := make([]byte, aes.BlockSize)
	if s.protocol == 2 {
		if len(sealed) < aes.BlockSize {
			return nil, malformed("an encrypted token")
		}
		iv, sealed = sealed[:aes.BlockSize], sealed[aes.BlockSize:]
	}
	if len(sealed) == 0 || len(sealed)%aes.BlockSize != 0 {
		return nil, malformed("an encrypted token")
	}
	block, err := aes.NewCipher(s.aesKey)
	if err != nil {
		return nil, fmt.Errorf("authenticator: decrypting from the key: %v", err)
	}
	plain := make([]byte, len(sealed))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, sealed)
	return plain, nil
}

// tokenProof computes a pinUvAuthParam: HMAC-SHA-256 under the token, its left half
// in protocol 1.
func tokenProof(protocol int, token, message []byte) []byte {
	mac := hmac.New(sha256.New, token)
	mac.Write(message)
	sum := mac.Sum(nil)
	if protocol == 1 {
		return sum[:16]
	}
	return sum
}
