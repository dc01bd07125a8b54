package databricks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lakekey/lakekey/internal/secret"
	"github.com/lakekey/lakekey/oidc"
)

const (
	mePath    = "/api/2.0/preview/scim/v2/Me"
	meLimit   = 1 << 20 // with a member for every group
	meTimeout = 10 * time.Second
	meTries   = 4
	mePause   = 250 * time.Millisecond
)

// IdentityError says that a workspace gave a token which is not the expected
// identity's, so that nobody gets it. A federation policy maps the session to
// somebody else, or, when Got is empty, the workspace would not say to whom.
type IdentityError struct {
	Host   string
	Want   string // a user name, or the application id of a service principal
	Got    string
	Status int // of HTTP, when Got is empty
}

// Error implements error.
func (e *IdentityError) Error() string {
	if e.Got == "" {
		return fmt.Sprintf("databricks: %s does not say whose its token is (HTTP %d), which should be %s's: a token that cannot be checked is not used", e.Host, e.Status, e.Want)
	}
	return fmt.Sprintf("databricks: the token of %s is %s's and not %s's: check the federation policy, or name who is expected in Config.Identity", e.Host, e.Got, e.Want)
}

// Lasting reports that trying again does not help: somebody must mend a policy.
// Package metadata tells tools so at once.
func (*IdentityError) Lasting() bool { return true }

// expected is who the token must be for.
func (c Config) expected(id *oidc.IDToken) string {
	switch {
	case c.Identity != "":
		return c.Identity
	case c.ClientID != "":
		return c.ClientID
	default:
		return id.Subject
	}
}

// identify asks the workspace whose token it gave, and fails unless that is want.
// Which identity a session becomes is decided by policies that other people edit:
// a wrong claim in one of them must not make one person another.
//
// Any scope is enough to ask: the documentation lists MeScim under each of them.
// https://docs.databricks.com/api/workspace/scopes
func (s *TokenSource) identify(ctx context.Context, token secret.Value, want string) error {
	ctx, cancel := context.WithTimeout(ctx, meTimeout)
	defer cancel()
	for try := 1; ; try++ {
		got, pause, err := s.me(ctx, token)
		switch {
		case err == nil && sameIdentity(got, want):
			return nil
		case err == nil:
			return &IdentityError{Host: s.config.Host, Want: want, Got: got}
		case pause == 0 || try == meTries:
			if refused, ok := errors.AsType[*IdentityError](err); ok {
				refused.Want = want
			}
			return err
		}
		// What was just minted is worth a little patience: without it, it is lost.
		timer := time.NewTimer(max(pause, mePause<<(try-1)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("asking %s whose the token is: %w", s.config.Host, ctx.Err())
		}
	}
}

// Check asks the workspace whether the token in memory still counts, and forgets
// it if not: an admin may have revoked it, and whoever got it from here only sees
// a 401. Where nothing is known, nothing is forgotten. It returns what
// [TokenSource.Token] returns, and nil for what cannot be asked.
func (s *TokenSource) Check(ctx context.Context) error {
	c, err := s.credential(ctx)
	if err != nil || s.config.AccountID != "" || s.config.InsecureSkipIdentity {
		return err
	}
	_, _, err = s.me(ctx, c.token.Value)
	if refused, ok := errors.AsType[*IdentityError](err); ok && refused.Status == http.StatusUnauthorized {
		s.config.Logger.InfoContext(ctx, "the token was revoked", "host", s.config.Host)
		s.Invalidate(c.token.Value)
	}
	return nil
}

// sameIdentity compares names as Databricks does: user names are e-mail
// addresses and application ids are UUIDs, neither of which has a case.
func sameIdentity(got, want string) bool { return want != "" && strings.EqualFold(got, want) }

// me is one question. A pause above zero means that it is worth another.
func (s *TokenSource) me(ctx context.Context, token secret.Value) (name string, pause time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.config.Host+mePath, nil)
	if err != nil {
		return "", 0, fmt.Errorf("databricks: asking %s: %v", s.config.Host, err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", s.agent)
	req.Header.Set("Authorization", "Bearer "+token.Reveal())
	client := &http.Client{Transport: s.config.Transport, CheckRedirect: noRedirect}
	resp, err := client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return "", 0, fmt.Errorf("asking %s whose the token is: %w", s.config.Host, ctx.Err())
		}
		return "", mePause, fmt.Errorf("databricks: asking whose the token is: %v", err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500:
		return "", patience(resp.Header.Get("Retry-After")), fmt.Errorf("databricks: %s%s answered HTTP %d, so it is not known whose the token is; try again", s.config.Host, mePath, resp.StatusCode)
	case resp.StatusCode != http.StatusOK:
		return "", 0, &IdentityError{Host: s.config.Host, Status: resp.StatusCode}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, meLimit+1))
	if err != nil {
		return "", mePause, fmt.Errorf("databricks: reading whose the token of %s is: %v", s.config.Host, err)
	}
	if name, err = parseMe(body); err != nil {
		return "", 0, fmt.Errorf("databricks: %s%s: %v", s.config.Host, mePath, err)
	}
	return name, 0, nil
}

// parseMe reads the user name of a SCIM resource, which is never empty. For a
// service principal it is the application id.
func parseMe(body []byte) (string, error) {
	if len(body) > meLimit {
		return "", fmt.Errorf("the answer is larger than %d bytes", meLimit)
	}
	var me struct {
		UserName string `json:"userName"`
	}
	if err := json.Unmarshal(body, &me); err != nil {
		return "", errors.New("the answer is not the JSON it should be")
	}
	if me.UserName == "" {
		return "", errors.New("the answer names no user")
	}
	return me.UserName, nil
}

// patience is what a busy host asks for, at most 5 s of it.
func patience(retryAfter string) time.Duration {
	n, err := strconv.ParseUint(strings.TrimSpace(retryAfter), 10, 31)
	if err != nil {
		return mePause
	}
	return min(max(time.Duration(n)*time.Second, mePause), 5*time.Second)
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
