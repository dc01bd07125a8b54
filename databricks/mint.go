package databricks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/internal/secret"
	"github.com/lakekey/lakekey/oidc"
)

// lastCall is how close to the session's end a token is no longer worth an
// exchange: Databricks tools refuse tokens that expire within 30 s.
const lastCall = 30 * time.Second

// mint is the source behind the cache: an ID token from the session becomes an
// access token of the host. The cache runs it on a goroutine of its own, which is
// why nothing in it may wake a key.
func (s *TokenSource) mint(ctx context.Context) (*credential, time.Time, error) {
	audience, err := s.tokenAudience(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	id, err := s.session.IDToken(ctx, audience)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("taking an ID token for %s: %w", s.config.Host, err)
	}
	end := s.session.Expires()
	if end.Sub(s.now()) < lastCall {
		return nil, time.Time{}, fmt.Errorf("taking a token for %s: %w", s.config.Host, &oidc.LoginRequiredError{Reason: "the session is about to end"})
	}
	token, err := s.exchange(ctx, id)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("exchanging an ID token with %s: %w", s.config.Host, err)
	}
	s.issued.add(token.Value)
	// Past its session's end a token is not handed out, and nobody is told that it
	// could be kept, however long the host would still take it.
	if end.Before(token.Expires) {
		token.Expires = end
	}
	c := &credential{token: token, authorization: secret.New("Bearer " + token.Value.Reveal())}
	return c, token.Expires, nil
}

func (s *TokenSource) now() time.Time {
	if s.config.Now == nil {
		return time.Now()
	}
	return s.config.Now()
}

func (s *TokenSource) tokenAudience(ctx context.Context) (string, error) {
	if s.config.Audience != "" {
		return s.config.Audience, nil
	}
	if s.audience == "" {
		audience, err := s.defaultAudience(ctx)
		if err != nil {
			return "", err
		}
		s.audience = audience
	}
	return s.audience, nil
}

// exchange is one RFC 8693 request and the question whose token came of it,
// between two records of both.
func (s *TokenSource) exchange(ctx context.Context, id *oidc.IDToken) (*oidc.Token, error) {
	record := audit.Event{
		Type:      "databricks.exchange",
		User:      id.Subject,
		SessionID: s.session.ID(),
		ClientID:  s.config.ClientID,
		Audience:  id.Audience,
		Scope:     strings.Join(s.config.Scopes, " "),
		Host:      s.config.Host,
		ACR:       id.ACR,
		AMR:       id.AMR,
	}
	var intent *audit.Intent
	if s.config.Audit != nil {
		var err error
		if intent, err = s.config.Audit.Begin(ctx, record); err != nil {
			return nil, fmt.Errorf("recording the intent: %w", err)
		}
	}
	token, err := s.exchanger.Exchange(ctx, oidc.ExchangeRequest{
		SubjectToken: id.Value,
		ClientID:     s.config.ClientID,
		Scopes:       s.config.Scopes,
	})
	if err == nil {
		// An access token need not be a JWT with a jti; its hash names it.
		sum := sha256.Sum256([]byte(token.Value.Reveal()))
		record.TokenHash = hex.EncodeToString(sum[:])
		if s.config.AccountID == "" && !s.config.InsecureSkipIdentity {
			err = s.identify(ctx, token.Value, s.config.expected(id))
		}
	}
	if intent != nil {
		outcome := audit.OK
		if err != nil {
			outcome, record.Reason = outcomeOf(err)
		}
		if auditErr := intent.End(ctx, outcome, record); auditErr != nil {
			// The token exists, but nobody gets it.
			return nil, errors.Join(fmt.Errorf("recording the result: %w", auditErr), err)
		}
	}
	if err != nil {
		s.config.Logger.WarnContext(ctx, "exchange failed", "host", s.config.Host, "error", err)
		return nil, err
	}
	s.config.Logger.InfoContext(ctx, "exchanged", "host", s.config.Host, "scopes", s.config.Scopes, "expires", token.Expires)
	return token, nil
}

// outcomeOf is err in the few words that a record has room for.
func outcomeOf(err error) (audit.Outcome, string) {
	var refused *oidc.ExchangeError
	var other *IdentityError
	switch {
	case errors.As(err, &other) && other.Got != "":
		return audit.Denied, "wrong_identity"
	case other != nil:
		return audit.Denied, "unknown_identity"
	case errors.As(err, &refused) && refused.Status >= 400 && refused.Status < 500 && refused.Code != "":
		return audit.Denied, refused.Code
	case errors.As(err, &refused):
		return audit.Failed, fmt.Sprintf("http_%d", refused.Status)
	case errors.Is(err, context.DeadlineExceeded):
		return audit.Failed, "timeout"
	default:
		return audit.Failed, "unreachable"
	}
}
