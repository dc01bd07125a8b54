package issuer

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"

	"github.com/go-jose/go-jose/v4"

	"github.com/lakekey/lakekey/internal/secret"
)

// signer makes JWTs of one type with one key. Of RFC 7515 it needs the compact
// form with a header that never changes; the general machinery of go-jose would
// add a third to the cost of the signature.
type signer struct {
	header string                                            // encoded, with the dot behind it
	es256  func(sum []byte) (sigR, sigS *big.Int, err error) // a function, so that the key in it prints nowhere
}

func newSigner(k *jose.JSONWebKey, typ string) (signer, error) {
	private, ok := k.Key.(*ecdsa.PrivateKey)
	if !ok {
		return signer{}, errors.New("issuer: the signing key is not an ECDSA key")
	}
	header, err := json.Marshal(map[string]string{"alg": k.Algorithm, "kid": k.KeyID, "typ": typ})
	if err != nil {
		return signer{}, fmt.Errorf("issuer: preparing to sign: %v", err)
	}
	return signer{
		header: base64.RawURLEncoding.EncodeToString(header) + ".",
		es256:  func(sum []byte) (*big.Int, *big.Int, error) { return ecdsa.Sign(rand.Reader, private, sum) },
	}, nil
}

// sign returns claims as a JWT in compact form. The signature is the two
// integers of ECDSA in 32 bytes each (RFC 7518 §3.4).
// https://www.rfc-editor.org/rfc/rfc7518#section-3.4
func (s signer) sign(claims any) (secret.Value, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return secret.Value{}, fmt.Errorf("issuer: encoding claims: %v", err)
	}
	jwt := make([]byte, 0, len(s.header)+base64.RawURLEncoding.EncodedLen(len(payload)+64)+2)
	jwt = append(jwt, s.header...)
	jwt = base64.RawURLEncoding.AppendEncode(jwt, payload)
	sum := sha256.Sum256(jwt)
	sigR, sigS, err := s.es256(sum[:])
	if err != nil {
		return secret.Value{}, fmt.Errorf("issuer: signing: %v", err)
	}
	var sig [64]byte
	sigR.FillBytes(sig[:32])
	sigS.FillBytes(sig[32:])
	jwt = base64.RawURLEncoding.AppendEncode(append(jwt, '.'), sig[:])
	return secret.New(string(jwt)), nil
}
