package caep

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/lakekey/lakekey/internal/refresh"
)

const (
	keysLive   = 15 * time.Minute // a key that was withdrawn is forgotten after that
	keysSettle = 30 * time.Second // between two fetches that unknown keys cause
	maxKeySet  = 256 << 10
	maxKeys    = 64
	fetchTime  = 15 * time.Second
)

// keySet is the keys that a transmitter publishes.
type keySet struct {
	cache *refresh.Cache[map[string]jose.JSONWebKey]
}

func newKeySet(address string, rt http.RoundTripper, now func() time.Time) *keySet {
	if rt == nil {
		rt = &http.Transport{TLSHandshakeTimeout: fetchTime, ResponseHeaderTimeout: fetchTime, MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute}
	}
	client := &http.Client{
		Transport: rt,
		Timeout:   fetchTime,
		// The keys are where the operator said, and nowhere that answer points to.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	fetch := func(ctx context.Context) (map[string]jose.JSONWebKey, time.Time, error) {
		keys, err := fetchKeys(ctx, client, address)
		return keys, now().Add(keysLive), err
	}
	return &keySet{refresh.New(fetch, refresh.Options{Now: now, Skew: func(time.Duration) time.Duration { return 0 }, Settle: keysSettle})}
}

// key returns the transmitter's key with an ID; nil: it publishes none.
func (k *keySet) key(ctx context.Context, kid, algorithm string) (*jose.JSONWebKey, error) {
	for fetched := false; ; fetched = true {
		keys, err := k.cache.Value(ctx)
		if err != nil {
			return nil, fmt.Errorf("fetching the transmitter's keys: %w", err)
		}
		if key, known := keys[kid]; known && fits(key, algorithm) {
			return &key, nil
		}
		if fetched || !k.cache.Invalidate(func(map[string]jose.JSONWebKey) bool { return true }) {
			return nil, nil
		}
	}
}

func fetchKeys(ctx context.Context, client *http.Client, address string) (map[string]jose.JSONWebKey, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, errors.New("caep: the address of the keys is no URL")
	}
	r.Header.Set("Accept", "application/json")
	answer, err := client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("caep: %v", err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxKeySet+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("caep: reading the transmitter's keys: %v", err)
	case answer.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("caep: %s answered %d", address, answer.StatusCode)
	case len(body) > maxKeySet:
		return nil, fmt.Errorf("caep: the transmitter's keys are longer than %d KiB", maxKeySet>>10)
	}
	return parseKeys(body)
}

// parseKeys reads a JWK Set (RFC 7517 §5). Keys that are not for signatures, or of a
// kind that is not used here, are left out; a kid that names two names none.
func parseKeys(body []byte) (map[string]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil || len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("caep: the transmitter's keys are not a JWK Set of at most %d keys", maxKeys)
	}
	keys, twice := map[string]jose.JSONWebKey{}, map[string]bool{}
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(raw) != nil || key.KeyID == "" || !key.IsPublic() || key.Use != "" && key.Use != "sig" {
			continue
		}
		if _, there := keys[key.KeyID]; there || twice[key.KeyID] {
			twice[key.KeyID] = true
			delete(keys, key.KeyID)
			continue
		}
		keys[key.KeyID] = key
	}
	return keys, nil
}

// fits reports whether a key is of the kind that an algorithm uses (RFC 7518 §3.1).
func fits(key jose.JSONWebKey, algorithm string) bool {
	if key.Algorithm != "" && key.Algorithm != algorithm {
		return false
	}
	switch public := key.Key.(type) {
	case *ecdsa.PublicKey:
		return algorithm == string(jose.ES256) && public.Curve == elliptic.P256()
	case *rsa.PublicKey:
		return algorithm == string(jose.RS256) && public.N.BitLen() >= 2048
	}
	return false
}
