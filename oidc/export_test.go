package oidc

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/lakekey/lakekey/internal/secret"
)

// What the tests need to see of the inside.

var (
	RetryAfter  = retryAfter
	Clean       = clean
	CleanCode   = cleanCode
	CheckHeader = checkHeader
	ParseToken  = parseToken
)

const (
	KeysLive     = keysLive
	KeysSettle   = keysSettle
	MaxIDToken   = maxIDToken
	MaxDiscovery = maxDiscovery
)

func ParseObject(data []byte) (map[string][]byte, error) {
	m, err := parseObject(data)
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for name, raw := range m {
		out[name] = raw
	}
	return out, nil
}

// ParseKeys returns the algorithm-relevant type of each key.
func ParseKeys(body []byte) ([]any, error) {
	list, err := parseKeys(body)
	var out []any
	for _, k := range list {
		out = append(out, k.Key)
	}
	return out, err
}

func ParseDiscovery(body []byte, issuer, at string) ([]string, error) {
	e, err := parseDiscovery(body, issuer, at)
	return []string{e.token, e.challenge, e.revocation, e.jwks}, err
}

func ParseChallenge(body []byte) (session secret.Value, options []byte, err error) {
	c, err := parseChallenge(body)
	if err != nil {
		return secret.Value{}, nil, err
	}
	return c.session, c.options, nil
}

func ParseGrant(body []byte, asked time.Time) (idToken secret.Value, ends time.Time, err error) {
	g, err := parseGrant(body, asked, true)
	if err != nil {
		return secret.Value{}, time.Time{}, err
	}
	return g.idToken, g.sessionEnds, nil
}

// Secrets are what a session must never show.
func Secrets(s *Session) []string {
	held := s.credentials.Load()
	if held == nil {
		return nil
	}
	return []string{held.refreshToken.Reveal()}
}

// Prover prints a session's prover in every way fmt knows.
func Prover(s *Session) string {
	p := s.credentials.Load().prover
	return fmt.Sprintf("%v %+v %#v %s %x", p, p, p, p, p)
}

// Steal gives a copy of the session the same refresh token with another DPoP
// key: what a thief of the refresh token has.
func Steal(s *Session) (*Session, error) {
	other, err := newProver()
	if err != nil {
		return nil, err
	}
	g := &grant{refreshToken: s.credentials.Load().refreshToken, sessionID: s.id, sessionEnds: s.expires}
	first := &IDToken{Session: s.id, Subject: s.subject, ACR: s.acr, AuthTime: s.authTime, Expires: s.expires, sessionEnds: s.expires}
	return newSession(&attempt{provider: s.provider, request: SignInRequest{ClientID: s.clientID, Audience: "seed"}, prover: other, native: true}, g, first)
}

// Twin gives a copy of the session everything that it has: what is left of one
// that did not forget when it was closed.
func Twin(s *Session) (*Session, error) {
	held := s.credentials.Load()
	g := &grant{refreshToken: held.refreshToken, sessionID: s.id, sessionEnds: s.expires}
	first := &IDToken{Session: s.id, Subject: s.subject, ACR: s.acr, AuthTime: s.authTime, Expires: s.expires, sessionEnds: s.expires}
	return newSession(&attempt{provider: s.provider, request: SignInRequest{ClientID: s.clientID, Audience: "seed"}, prover: held.prover, native: true}, g, first)
}

// Replay sends the same DPoP proof twice and returns the second status.
func Replay(s *Session, audience string) (int, error) {
	p, held := s.provider, s.credentials.Load()
	header, err := held.prover.proof(http.MethodPost, p.endpoints.token, p.now())
	if err != nil {
		return 0, err
	}
	status := 0
	for range 2 {
		a, err := p.wire.post(context.Background(), p.endpoints.token, map[string][]string{
			"grant_type": {"refresh_token"}, "client_id": {s.clientID}, "audience": {audience}, "refresh_token": {held.refreshToken.Reveal()},
		}, header)
		if err != nil {
			return 0, err
		}
		status = a.status
	}
	return status, nil
}

func ReadDevice(body []byte, asked time.Time) (DeviceCode, time.Duration, error) {
	d, _, err := parseDevice(body, asked)
	if err != nil {
		return DeviceCode{}, 0, err
	}
	return d.code, d.interval, nil
}

func ParseDevice(body []byte) error {
	_, _, err := ReadDevice(body, time.Unix(0, 0))
	return err
}

// Take is what the loopback port makes of a query: whether it is the answer to
// the sign-in with that state at that issuer, and the code.
func Take(query, state, issuer string) (bool, string, error) {
	a := &attempt{provider: &Provider{issuer: issuer, endpoints: endpoints{sendsIssuer: true}}}
	l := &loopback{state: state, check: a.returned, answers: make(chan arrival, 1)}
	if !l.take(query) {
		return false, "", nil
	}
	came := <-l.answers
	return true, came.code.Reveal(), came.err
}

// ReadRecord reads what a Store keeps.
func ReadRecord(data []byte, issuer, clientID string) (subject string, ends time.Time, err error) {
	r, err := parseRecord(data, issuer, clientID)
	if err == nil {
		_, err = r.credentials()
	}
	if err != nil {
		return "", time.Time{}, err
	}
	_, _ = r.token("a", time.Unix(0, 0))
	r.add(&IDToken{Audience: "b"}, time.Unix(1, 0))
	return r.Subject, r.Ends, nil
}
