package issuer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"

	"github.com/go-jose/go-jose/v4"

	"github.com/lakekey/lakekey/internal/secret"
)

// signer makes JWTs with one key. Of RFC 7515 it needs the compact form with
// headers that never change; the general machinery of go-jose would add a third to
// the cost of the signature.
type signer struct {
	headers map[string]string                      // by typ: encoded, with the dot behind it
	raw     func(sum []byte) (sig []byte, _ error) // a function, so that the key in it prints nowhere
}

func newSigner(k *ringKey) (*signer, error) {
	s := &signer{headers: map[string]string{}}
	// RFC 9068 §2.1: an access token says so in its header, and so can never
	// pass for an ID token.
	for _, typ := range []string{typeIDToken, typeAccessToken, typeLogout} {
		header, err := json.Marshal(map[string]string{"alg": k.public.Algorithm, "kid": k.public.KeyID, "typ": typ})
		if err != nil {
			return nil, fmt.Errorf("issuer: preparing to sign: %v", err)
		}
		s.headers[typ] = base64.RawURLEncoding.EncodeToString(header) + "."
	}
	private := k.private
	if local, ok := private.(*ecdsa.PrivateKey); ok {
		s.raw = func(sum []byte) ([]byte, error) {
			sigR, sigS, err := ecdsa.Sign(rand.Reader, local, sum)
			if err != nil {
				return nil, err
			}
			return fixed(sigR, sigS)
		}
		return s, nil
	}
	s.raw = func(sum []byte) ([]byte, error) {
		sig, err := private.Sign(rand.Reader, sum, crypto.SHA256)
		if err != nil || k.public.Algorithm != string(jose.ES256) {
			return sig, err
		}
		// crypto.Signer: "for ECDSA … a DER-serialised, ASN.1 signature structure".
		var both struct{ R, S *big.Int }
		if rest, err := asn1.Unmarshal(sig, &both); err != nil || len(rest) > 0 {
			return nil, errors.New("the signature is not in the form of crypto.Signer")
		}
		return fixed(both.R, both.S)
	}
	return s, nil
}

// fixed is the form of an ECDSA signature in a JWT: the two integers in 32 bytes
// each (RFC 7518 §3.4).
// https://www.rfc-editor.org/rfc/rfc7518#section-3.4
func fixed(sigR, sigS *big.Int) ([]byte, error) {
	if sigR.Sign() <= 0 || sigS.Sign() <= 0 || sigR.BitLen() > 256 || sigS.BitLen() > 256 {
		return nil, errors.New("the signature is none of P-256")
	}
	var sig [64]byte
	sigR.FillBytes(sig[:32])
	sigS.FillBytes(sig[32:])
	return sig[:], nil
}

// sign returns claims as a JWT of type typ in compact form.
func (s *signer) sign(typ string, claims any) (secret.Value, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return secret.Value{}, fmt.Errorf("issuer: encoding claims: %v", err)
	}
	header := s.headers[typ]
	jwt := make([]byte, 0, len(header)+base64.RawURLEncoding.EncodedLen(len(payload)+64)+2)
	jwt = append(jwt, header...)
	jwt = base64.RawURLEncoding.AppendEncode(jwt, payload)
	sum := sha256.Sum256(jwt)
	sig, err := s.raw(sum[:])
	if err != nil {
		return secret.Value{}, fmt.Errorf("issuer: signing: %v", err)
	}
	jwt = base64.RawURLEncoding.AppendEncode(append(jwt, '.'), sig)
	return secret.New(string(jwt)), nil
}
