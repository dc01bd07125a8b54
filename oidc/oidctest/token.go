package oidctest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
)

// signingKey is a key with the name it is published under.
type signingKey struct {
	id      string
	private crypto.Signer
}

func newSigningKey(id, algorithm string) (signingKey, error) {
	if algorithm == "RS256" {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		return signingKey{id: id, private: k}, err
	}
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return signingKey{id: id, private: k}, err
}

func (k signingKey) algorithm() string {
	if _, ok := k.private.(*rsa.PrivateKey); ok {
		return "RS256"
	}
	return "ES256"
}

// jwk is the public key, RFC 7518 §6.
func (k signingKey) jwk(use string) map[string]any {
	out := map[string]any{"kid": k.id, "use": use, "alg": k.algorithm()}
	switch public := k.private.Public().(type) {
	case *ecdsa.PublicKey:
		point, _ := public.Bytes() // 4, x, y
		out["kty"], out["crv"] = "EC", "P-256"
		out["x"], out["y"] = encode(point[1:33]), encode(point[33:])
	case *rsa.PublicKey:
		out["kty"], out["e"], out["n"] = "RSA", "AQAB", encode(public.N.Bytes())
	}
	return out
}

// sign makes a compact JWS. The faults decide about the header and the key.
func (k signingKey) sign(claims string, faults map[Fault]bool) (string, error) {
	header := map[string]any{"alg": k.algorithm(), "kid": k.id, "typ": "JWT"}
	with := k.private
	stranger, err := newSigningKey("stranger", k.algorithm())
	if err != nil {
		return "", err
	}
	switch {
	case faults[AlgNone]:
		header["alg"] = "none"
		return jwsInput(header, claims) + ".", nil
	case faults[HS256PublicKey]:
		header["alg"] = "HS256"
		der, err := x509.MarshalPKIXPublicKey(k.private.Public())
		if err != nil {
			return "", err
		}
		mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		mac.Write([]byte(jwsInput(header, claims)))
		return jwsInput(header, claims) + "." + encode(mac.Sum(nil)), nil
	case faults[EmbeddedKey]:
		header["jwk"], with = stranger.jwk("sig"), stranger.private
	case faults[ForeignSignature]:
		with = stranger.private
	case faults[UnknownKey]:
		header["kid"], with = stranger.id+random(), stranger.private
	case faults[AccessTokenType]:
		header["typ"] = "at+jwt"
	case faults[LogoutTokenType]:
		header["typ"] = "logout+jwt"
	case faults[CriticalHeader]:
		header["crit"], header["b64"] = []string{"b64"}, true
	}
	input := jwsInput(header, claims)
	signature, err := signRaw(with, input)
	if err != nil {
		return "", fmt.Errorf("oidctest: signing: %w", err)
	}
	return input + "." + encode(signature), nil
}

// signRaw signs as RFC 7518 §3.3 and §3.4 say.
func signRaw(key crypto.Signer, input string) ([]byte, error) {
	digest := sha256.Sum256([]byte(input))
	private, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return key.Sign(rand.Reader, digest[:], crypto.SHA256)
	}
	r, s, err := ecdsa.Sign(rand.Reader, private, digest[:])
	if err != nil {
		return nil, err
	}
	out := make([]byte, 64)
	r.FillBytes(out[:32])
	s.FillBytes(out[32:])
	return out, nil
}

func jwsInput(header map[string]any, claims string) string {
	h, _ := json.Marshal(header) // strings only
	return encode(h) + "." + encode([]byte(claims))
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func random() string {
	b := make([]byte, 24)
	_, _ = rand.Read(b) // never fails
	return encode(b)
}
