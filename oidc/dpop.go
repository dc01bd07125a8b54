package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// prover proves possession of a session's key (DPoP, RFC 9449). The private key
// is made here, leaves only for a Store, and is only reachable through pointers,
// which fmt prints as addresses.
type prover struct {
	key        *ecdsa.PrivateKey
	signer     jose.Signer
	thumbprint string // RFC 7638; the dpop_jkt of RFC 9449 §10
	nonce      atomic.Pointer[string]
}

func newProver() (*prover, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("oidc: making the session's key: %v", err)
	}
	return proverOf(key)
}

func proverOf(key *ecdsa.PrivateKey) (*prover, error) {
	sum, err := (&jose.JSONWebKey{Key: key.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("oidc: making the session's key: %v", err)
	}
	options := (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, options)
	if err != nil {
		return nil, fmt.Errorf("oidc: making the session's key: %v", err)
	}
	return &prover{key: key, signer: signer, thumbprint: base64.RawURLEncoding.EncodeToString(sum)}, nil
}

// Format keeps the key out of whatever prints a prover itself.
func (p *prover) Format(s fmt.State, _ rune) { _, _ = fmt.Fprint(s, "[DPoP key]") }

// proof signs one request, RFC 9449 §4.2. Without a prover there is nothing to
// prove, and no header.
// https://www.rfc-editor.org/rfc/rfc9449#section-4.2
func (p *prover) proof(method, address string, now time.Time) (http.Header, error) {
	if p == nil {
		return nil, nil
	}
	claims := map[string]any{"jti": random(16), "htm": method, "htu": address, "iat": now.Unix()}
	if nonce := p.nonce.Load(); nonce != nil {
		claims["nonce"] = *nonce
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return nil, fmt.Errorf("oidc: proving possession of the session's key: %v", err)
	}
	jws, err := p.signer.Sign(payload)
	if err != nil {
		return nil, fmt.Errorf("oidc: proving possession of the session's key: %v", err)
	}
	compact, err := jws.CompactSerialize()
	if err != nil {
		return nil, fmt.Errorf("oidc: proving possession of the session's key: %v", err)
	}
	return http.Header{"Dpop": {compact}}, nil
}

// learn keeps the nonce that a server wants to see in the next proof, RFC 9449
// §8, and reports whether it is news.
// https://www.rfc-editor.org/rfc/rfc9449#section-8
func (p *prover) learn(h http.Header) bool {
	nonce := h.Get("DPoP-Nonce")
	if p == nil || nonce == "" || len(nonce) > 512 {
		return false
	}
	old := p.nonce.Swap(&nonce)
	return old == nil || *old != nonce
}

// random returns n random bytes as base64url text.
func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return base64.RawURLEncoding.EncodeToString(b)
}
