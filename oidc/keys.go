package oidc

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/lakekey/lakekey/internal/refresh"
)

const (
	// keysLive is how long a key set is believed: a key that the issuer withdrew
	// is forgotten after that.
	keysLive = 15 * time.Minute
	// keysAhead is how long before that the next user fetches the set anew, in
	// the background.
	keysAhead = 5 * time.Minute
	// keysSettle is the shortest time between two fetches that tokens under
	// unknown keys cause.
	keysSettle = 30 * time.Second
	// maxKeys bounds what one bad signature costs.
	maxKeys = 64
	// minRSABits: RFC 7518 §3.3, "A key of size 2048 bits or larger MUST be used".
	// https://www.rfc-editor.org/rfc/rfc7518#section-3.3
	minRSABits = 2048
)

// algorithms are all that an ID token may be signed with: what Databricks
// accepts, fixed here and never by what a discovery document or a token says.
var algorithms = []jose.SignatureAlgorithm{jose.ES256, jose.RS256}

// keySet holds the keys an issuer publishes.
type keySet struct {
	cache *refresh.Cache[*keys]
	last  atomic.Pointer[keys] // survives a failed fetch, not its own end
	clock func() time.Time
}

// keys is one fetched set.
type keys struct {
	list []jose.JSONWebKey
	ends time.Time
}

func newKeySet(w *wire, address string, clock func() time.Time) *keySet {
	k := &keySet{clock: clock}
	if k.clock == nil {
		k.clock = time.Now
	}
	k.cache = refresh.New(func(ctx context.Context) (*keys, time.Time, error) {
		ends := k.clock().Add(keysLive)
		body, err := w.get(ctx, address, maxJWKS)
		if err != nil {
			return nil, time.Time{}, sealed(context.Background(), "fetching the issuer's keys", err)
		}
		list, err := parseKeys(body)
		if err != nil {
			return nil, time.Time{}, fmt.Errorf("oidc: the issuer's keys: %v", err)
		}
		set := &keys{list: list, ends: ends}
		k.last.Store(set)
		return set, ends, nil
	}, refresh.Options{
		Now:    clock,
		Skew:   func(time.Duration) time.Duration { return 0 },
		Ahead:  func(time.Duration) time.Duration { return keysAhead },
		Settle: keysSettle,
	})
	return k
}

// verify checks the signature of jws, whose one signature has an algorithm of our
// list, and returns the payload.
func (k *keySet) verify(ctx context.Context, jws *jose.JSONWebSignature) ([]byte, error) {
	header := jws.Signatures[0].Header
	set, err := k.current(ctx)
	if err != nil {
		return nil, err
	}
	found := set.match(header)
	if len(found) == 0 {
		// The issuer may have begun to use a new key, OpenID Connect Core 1.0
		// §10.1.1. A set that was fetched for another token a moment ago is all
		// that is asked, though, or every invented kid would be one request.
		// https://openid.net/specs/openid-connect-core-1_0.html#RotateSigKeys
		k.cache.Invalidate(func(s *keys) bool { return s == set })
		if set, err = k.current(ctx); err != nil {
			return nil, err
		}
		if found = set.match(header); len(found) == 0 {
			return nil, refuse("key", "the issuer publishes no key %.80q for %s", clean(header.KeyID), header.Algorithm)
		}
	}
	for _, key := range found {
		if payload, err := jws.Verify(key.Key); err == nil {
			return payload, nil
		}
	}
	return nil, refuse("signature", "it does not verify")
}

func (k *keySet) current(ctx context.Context) (*keys, error) {
	set, err := k.cache.Value(ctx)
	if err == nil {
		return set, nil
	}
	// A fetch that an unknown key caused may fail; the keys from before it are
	// good until their own end.
	if last := k.last.Load(); last != nil && ctx.Err() == nil && k.clock().Before(last.ends) {
		return last, nil
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("oidc: waiting for the issuer's keys: %w", ctx.Err())
	}
	return nil, err
}

// match returns the keys that header may mean.
func (s *keys) match(header jose.Header) []jose.JSONWebKey {
	var out []jose.JSONWebKey
	for _, key := range s.list {
		if (header.KeyID == "" || key.KeyID == header.KeyID) && fits(key, header.Algorithm) {
			out = append(out, key)
		}
	}
	// OpenID Connect Core 1.0 §10.1: "if there are multiple keys in the
	// referenced JWK Set document, a kid value MUST be provided".
	// https://openid.net/specs/openid-connect-core-1_0.html#Signing
	if header.KeyID == "" && len(s.list) > 1 {
		return nil
	}
	return out
}

// fits reports whether key is of the kind that algorithm uses, RFC 7518 §3.1: a
// key that says it is for another algorithm is not used for this one.
func fits(key jose.JSONWebKey, algorithm string) bool {
	if key.Algorithm != "" && key.Algorithm != algorithm {
		return false
	}
	switch public := key.Key.(type) {
	case *ecdsa.PublicKey:
		return algorithm == string(jose.ES256) && public.Curve == elliptic.P256()
	case *rsa.PublicKey:
		return algorithm == string(jose.RS256) && public.N.BitLen() >= minRSABits
	default:
		return false
	}
}

// parseKeys reads a JWK set, RFC 7517 §5. Keys that are not for checking
// signatures, or of a kind we do not use, are left out, as that section asks:
// they must not make the others useless.
// https://www.rfc-editor.org/rfc/rfc7517#section-5
func parseKeys(body []byte) ([]jose.JSONWebKey, error) {
	m, err := parseObject(body)
	if err != nil {
		return nil, err
	}
	var raws []json.RawMessage
	if !m.has("keys") || json.Unmarshal(m["keys"], &raws) != nil {
		return nil, errors.New("no list of keys")
	}
	if len(raws) > maxKeys {
		return nil, fmt.Errorf("more than %d keys", maxKeys)
	}
	var out []jose.JSONWebKey
	for _, raw := range raws {
		attributes, err := parseObject(raw)
		if err != nil {
			continue
		}
		operations, err := attributes.texts("key_ops")
		if err != nil || len(operations) > 0 && !slices.Contains(operations, "verify") {
			continue
		}
		var key jose.JSONWebKey
		if key.UnmarshalJSON(raw) != nil || !key.IsPublic() || key.Use != "" && key.Use != "sig" {
			continue
		}
		if fits(key, string(jose.ES256)) || fits(key, string(jose.RS256)) {
			out = append(out, key)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("none is a P-256 or RSA key for signatures")
	}
	return out, nil
}
