package softkey

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
)

// COSE algorithm identifiers, the key's order of preference.
const (
	algES256 = -7
	algEdDSA = -8
)

// credential is one key pair for one account at one relying party.
type credential struct {
	ID           []byte
	RPID         string
	UserID       []byte
	UserName     string
	DisplayName  string
	Algorithm    int
	Discoverable bool
	Protection   int // credProtect level, 1 to 3
	Count        uint32
	signer       crypto.Signer

	// CredRandomWithUV and CredRandomWithoutUV of hmac-secret (CTAP 2.1 §12.5),
	// nil for a credential that was made without it.
	secretUV, secretNoUV []byte

	blobKey []byte // of largeBlobKey (§12.3), nil for a credential that was made without it
}

const (
	protectOptional         = 1
	protectOptionalWithList = 2
	protectRequired         = 3
)

func newSigner(alg int) (crypto.Signer, error) {
	if alg == algEdDSA {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// sign makes a WebAuthn signature: ASN.1 DER over SHA-256 for ES256, the bare
// 64 bytes over the message for EdDSA.
func sign(signer crypto.Signer, message []byte) ([]byte, error) {
	if key, isEd := signer.(ed25519.PrivateKey); isEd {
		return ed25519.Sign(key, message), nil
	}
	digest := sha256.Sum256(message)
	return signer.Sign(rand.Reader, digest[:], crypto.SHA256)
}

// cosePublicKey returns the public key as a COSE_Key (RFC 9052 §7, RFC 9053 §7).
func (c *credential) cosePublicKey() (map[any]any, error) {
	switch key := c.signer.Public().(type) {
	case ed25519.PublicKey:
		return map[any]any{1: 1, 3: algEdDSA, -1: 6, -2: []byte(key)}, nil
	case *ecdsa.PublicKey:
		point, err := key.Bytes() // 0x04, x, y
		if err != nil {
			return nil, fmt.Errorf("softkey: encoding a public key: %v", err)
		}
		return map[any]any{1: 2, 3: algES256, -1: 1, -2: point[1:33], -3: point[33:]}, nil
	default:
		return nil, fmt.Errorf("softkey: unknown key type %T", key)
	}
}

func marshalSigner(signer crypto.Signer) ([]byte, error) { return x509.MarshalPKCS8PrivateKey(signer) }

func parseSigner(alg int, der []byte) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("softkey: reading a private key: %v", err)
	}
	switch key := key.(type) {
	case ed25519.PrivateKey:
		if alg == algEdDSA {
			return key, nil
		}
	case *ecdsa.PrivateKey:
		if alg == algES256 && key.Curve == elliptic.P256() {
			return key, nil
		}
	}
	return nil, fmt.Errorf("softkey: the private key is not one of algorithm %d", alg)
}
