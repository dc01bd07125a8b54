package workload

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/lakekey/lakekey/internal/refresh"
	"github.com/lakekey/lakekey/internal/secret"
	"github.com/lakekey/lakekey/internal/strictjson"
	"github.com/lakekey/lakekey/oidc"
)

const (
	maxToken = 64 << 10
	// longest bounds tokens and sessions.
	longest = 24 * time.Hour
)

// Options are the optional parts of a [Session]; the zero value is right.
type Options struct {
	// Lifetime is the session's hard end. Zero, and the most: a day.
	Lifetime time.Duration

	// Now is the clock. Nil is the machine's.
	Now func() time.Time
}

// Session yields the tokens of one job.
type Session struct {
	source  Source
	id      string
	expires time.Time
	now     func() time.Time

	mu     sync.Mutex
	tokens map[string]*refresh.Cache[*oidc.IDToken] // by audience
}

// NewSession makes a session of a job's tokens. It asks for none yet.
func NewSession(source Source, o Options) (*Session, error) {
	if source.fetch == nil {
		return nil, errors.New("workload: no source of tokens: use Detect")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Lifetime <= 0 || o.Lifetime > longest {
		o.Lifetime = longest
	}
	name := make([]byte, 9)
	_, _ = rand.Read(name) // never fails
	return &Session{
		source: source, id: "job-" + base64.RawURLEncoding.EncodeToString(name), now: o.Now,
		expires: o.Now().Add(o.Lifetime), tokens: map[string]*refresh.Cache[*oidc.IDToken]{},
	}, nil
}

// ID names the session in records and User-Agents. It is no secret.
func (s *Session) ID() string { return s.id }

// Expires is the session's hard end.
func (s *Session) Expires() time.Time { return s.expires }

// IDToken returns the job's token for audience. Its signature has not been
// checked, so it says nothing about how anybody signed in.
//
// It returns [*oidc.LoginRequiredError] once the session is over or the source has
// nothing but an expired token, [*oidc.IDTokenError] if the token is not good, and
// ctx's error as soon as ctx ends.
func (s *Session) IDToken(ctx context.Context, audience string) (*oidc.IDToken, error) {
	if audience == "" {
		return nil, errors.New("workload: a token is for an audience, and none was named")
	}
	if !s.now().Before(s.expires) {
		return nil, &oidc.LoginRequiredError{Reason: "the job's session ended at " + stamp(s.expires)}
	}
	t, err := s.cache(audience).Value(ctx)
	if err != nil && err == ctx.Err() {
		return nil, fmt.Errorf("workload: waiting for the job's token: %w", err)
	}
	return t, err
}

func (s *Session) cache(audience string) *refresh.Cache[*oidc.IDToken] {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.tokens[audience]
	if !ok {
		c = refresh.New(func(ctx context.Context) (*oidc.IDToken, time.Time, error) {
			raw, err := s.source.fetch(ctx, audience)
			if err != nil {
				return nil, time.Time{}, err
			}
			t, err := parse(raw, audience, s.now())
			if errors.Is(err, errExpired) {
				err = &oidc.LoginRequiredError{Reason: fmt.Sprintf("the token in %s has expired: %s", s.source, s.source.renew)}
			}
			if err != nil {
				return nil, time.Time{}, err
			}
			return t, t.Expires, nil
		}, refresh.Options{Now: s.now})
		s.tokens[audience] = c
	}
	return c
}

var errExpired = errors.New("workload: the token has expired")

func refuse(check, format string, args ...any) error {
	return &oidc.IDTokenError{Check: check, Reason: fmt.Sprintf(format, args...)}
}

// parse reads what a token says about itself. That is enough to know whether it is
// the one that was asked for, which spares the job a refusal it would not
// understand; it is no proof of anything.
func parse(raw secret.Value, audience string, now time.Time) (*oidc.IDToken, error) {
	if len(raw.Reveal()) > maxToken {
		return nil, refuse("size", "longer than %d KiB", maxToken>>10)
	}
	parts := strings.Split(raw.Reveal(), ".")
	if len(parts) != 3 || parts[2] == "" {
		return nil, refuse("format", "not a signed JWT")
	}
	header, err := part(parts[0])
	if err != nil {
		return nil, refuse("format", "header: %v", err)
	}
	if alg, err := text(header, "alg"); err != nil || alg == "" || strings.EqualFold(alg, "none") {
		return nil, refuse("alg", "it is not signed")
	}
	claims, err := part(parts[1])
	if err != nil {
		return nil, refuse("format", "%v", err)
	}
	t := &oidc.IDToken{Value: raw, Audience: audience}
	for name, to := range map[string]*string{"iss": &t.Issuer, "sub": &t.Subject} {
		if *to, err = text(claims, name); err != nil || *to == "" || len(*to) > 1024 || strings.ContainsFunc(*to, unseen) {
			return nil, refuse(name, "missing or not a name")
		}
	}
	for name, to := range map[string]*time.Time{"exp": &t.Expires, "iat": &t.IssuedAt} {
		var n float64
		value, ok := claims[name]
		switch {
		case !ok && name == "iat":
			continue
		case !ok || json.Unmarshal(value, &n) != nil || n <= 0 || n > 1<<40:
			return nil, refuse(name, "missing or not a time: a token without an end is not for jobs")
		}
		*to = time.Unix(int64(n), 0)
	}
	switch {
	case !forAudience(claims["aud"], audience):
		return nil, refuse("aud", "it is not for %q: make the job's token for the audience of the federation policy", audience)
	case !now.Before(t.Expires):
		return nil, errExpired
	case t.Expires.After(now.Add(longest)):
		return nil, refuse("exp", "it lives until %s, longer than a day: give the job a short-lived one", stamp(t.Expires))
	}
	return t, nil
}

// part decodes one part of a JWT.
func part(encoded string) (map[string]json.RawMessage, error) {
	data, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return nil, errors.New("not base64url")
	}
	m := map[string]json.RawMessage{}
	err = strictjson.Members(data, func(name, value []byte) error {
		m[string(name)] = value
		return nil
	})
	return m, err
}

func text(m map[string]json.RawMessage, name string) (string, error) {
	var s string
	err := json.Unmarshal(m[name], &s)
	return s, err
}

func forAudience(aud json.RawMessage, want string) bool {
	var one string
	if json.Unmarshal(aud, &one) == nil {
		return one == want
	}
	var list []string
	return json.Unmarshal(aud, &list) == nil && slices.Contains(list, want)
}

// unseen reports whether r steers what prints it.
func unseen(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Format prints what is no secret, whatever the verb.
func (s *Session) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "session %s of the job of %s until %s", s.id, s.source, stamp(s.expires))
}
