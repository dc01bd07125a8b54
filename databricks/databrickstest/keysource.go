package databrickstest

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	fetchTimeout = 5 * time.Second
	maxDocument  = 256 << 10

	// keysFresh is how long fetched keys are used without asking again.
	keysFresh = 5 * time.Minute
	// refetchAfter is how soon keys may be fetched again because a token names one
	// that is not among them; retryAfter, how soon after a failure. Tokens of
	// strangers must not make this server hammer an issuer.
	refetchAfter = 30 * time.Second
	retryAfter   = 2 * time.Second
)

// keySource fetches and keeps the keys of policies that do not hold their own.
type keySource struct {
	client *http.Client
	now    func() time.Time

	mu      sync.Mutex
	entries map[string]*keyEntry
}

// keyEntry is what was fetched for one policy's issuer or jwks_uri. Who holds
// the token in busy may read and write it.
type keyEntry struct {
	busy  chan struct{}
	keys  keySet
	err   error
	tried time.Time
}

func newKeySource(client *http.Client, now func() time.Time) *keySource {
	if client == nil {
		client = &http.Client{
			Timeout:       fetchTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	return &keySource{client: client, now: now, entries: map[string]*keyEntry{}}
}

// find returns the key that a token of the policy is to be checked with.
func (s *keySource) find(ctx context.Context, p *policy, kid, alg string) (crypto.PublicKey, error) {
	if p.inline != nil {
		return p.inline.find(kid, alg)
	}
	name := "discovery " + p.oidc.Issuer
	if p.oidc.JWKSURI != "" {
		name = "jwks " + p.oidc.JWKSURI
	}
	s.mu.Lock()
	e := s.entries[name]
	if e == nil {
		e = &keyEntry{busy: make(chan struct{}, 1)}
		s.entries[name] = e
	}
	s.mu.Unlock()
	select {
	case e.busy <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-e.busy }()

	key, err := e.keys.find(kid, alg)
	age := s.now().Sub(e.tried)
	switch {
	case e.tried.IsZero(), e.err != nil && age >= retryAfter, e.err == nil && age >= keysFresh,
		e.err == nil && errors.Is(err, errUnknownKey) && age >= refetchAfter:
		// Whoever waits behind us wants the result too, so our client going away
		// does not end the fetch.
		keys, fetchErr := s.fetch(context.WithoutCancel(ctx), p)
		e.keys, e.err, e.tried = keys, fetchErr, s.now()
		key, err = e.keys.find(kid, alg)
	}
	if e.err != nil {
		return nil, e.err
	}
	return key, err
}

func (s *keySource) fetch(ctx context.Context, p *policy) (keySet, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	location := p.oidc.JWKSURI
	if location == "" {
		var err error
		if location, err = s.discover(ctx, p.oidc.Issuer); err != nil {
			return nil, err
		}
	}
	text, err := s.get(ctx, location)
	if err != nil {
		return nil, fmt.Errorf("reading the issuer's keys: %w", err)
	}
	keys, err := parseKeySet(text)
	if err != nil {
		return nil, fmt.Errorf("reading the issuer's keys: %w", err)
	}
	return keys, nil
}

// discover returns the jwks_uri of an issuer. OpenID Connect Discovery section
// 4.3: "The issuer value returned MUST be identical to the Issuer URL that was
// used as the prefix to /.well-known/openid-configuration".
func (s *keySource) discover(ctx context.Context, issuer string) (string, error) {
	text, err := s.get(ctx, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return "", fmt.Errorf("reading the issuer's discovery document: %w", err)
	}
	var document struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := decodeStrict(text, &document); err != nil {
		return "", fmt.Errorf("reading the issuer's discovery document: %w", err)
	}
	switch {
	case document.Issuer != issuer:
		return "", fmt.Errorf("the issuer's discovery document calls it %.80q", document.Issuer)
	case !secureURL(document.JWKSURI):
		return "", errors.New("the issuer's jwks_uri is not an https URL (http only for localhost)")
	}
	return document.JWKSURI, nil
}

func (s *keySource) get(ctx context.Context, location string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return nil, errors.New("the URL cannot be used")
	}
	request.Header.Set("Accept", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("no answer from %s", request.URL.Host)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %d", request.URL.Host, response.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxDocument+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the answer of %s broke off", request.URL.Host)
	case len(text) > maxDocument:
		return nil, fmt.Errorf("the answer of %s is larger than 256 KiB", request.URL.Host)
	}
	return text, nil
}
