package oidc

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/lakekey/lakekey/oidc/assurance"
)

// LoginRequiredError says that only a person with a key can go on: the session
// is over, was revoked or closed.
type LoginRequiredError struct {
	Reason  string // why, for a person
	Command string // what to run, if the program that signed in said so
}

func (e *LoginRequiredError) Error() string {
	if e.Command == "" {
		return "oidc: sign in again: " + e.Reason
	}
	return fmt.Sprintf("oidc: sign in again: %s; run: %s", e.Reason, e.Command)
}

// ExchangeError is the answer of an issuer or token endpoint that refused.
type ExchangeError struct {
	Endpoint    string // "token", "authorization challenge" or "revocation"
	Status      int    // of HTTP
	Code        string // RFC 6749 §5.2: invalid_grant, invalid_target, …; empty if the answer had none
	Description string // error_description, shortened and cleaned of what could be a secret

	// RetryAfter is how long the endpoint asked to be left alone. Zero: it did
	// not say.
	RetryAfter time.Duration
}

func (e *ExchangeError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "oidc: the %s endpoint answered %d", e.Endpoint, e.Status)
	if e.Code != "" {
		b.WriteString(" " + e.Code)
	}
	if e.Description != "" {
		b.WriteString(": " + e.Description)
	}
	return b.String()
}

// IDTokenError says which check an ID token failed. A token that fails one check
// may fail others too.
type IDTokenError struct {
	Check  string // the claim or header at fault, or "signature", "key", "size", "format"
	Reason string

	cause *assurance.Error
}

// Unwrap returns the [*assurance.Error] if the token is good and proves too little.
func (e *IDTokenError) Unwrap() error {
	if e.cause == nil {
		return nil
	}
	return e.cause
}

// unproven is the refusal of a token that proves too little.
func unproven(err error) error {
	short, ok := errors.AsType[*assurance.Error](err)
	if !ok {
		return refuse("format", "%v", err)
	}
	e := &IDTokenError{Check: short.Claim, Reason: short.Reason, cause: short}
	if short.Want != "" {
		e.Reason = fmt.Sprintf("%.80q, asked for %q: %s", clean(short.Got), short.Want, short.Reason)
	}
	return e
}

func (e *IDTokenError) Error() string {
	return fmt.Sprintf("oidc: ID token refused: %s: %s", e.Check, e.Reason)
}

func refuse(check, format string, args ...any) error {
	return &IDTokenError{Check: check, Reason: fmt.Sprintf(format, args...)}
}

// sealed ends err's chain, except that a context's end stays recognisable:
// errors of the network are nothing a caller decides on.
func sealed(ctx context.Context, doing string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("oidc: %s: %w", doing, ctx.Err())
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("oidc: %s: no answer in time", doing)
	}
	return fmt.Errorf("oidc: %s: %v", doing, err)
}

// A server that repeats what it was sent must not carry it into our errors and
// from there into a log: JWTs, and any long run of letters a token is made of.
var tokenLike = regexp.MustCompile(`eyJ[A-Za-z0-9_.=-]*|[A-Za-z0-9_~+=-]{40,}`)

const maxDescription = 300

// clean makes text that a server chose fit for an error: printable ASCII, which
// is all that RFC 6749 §5.2 allows, short, and free of the secrets of the request
// that it answers.
// https://www.rfc-editor.org/rfc/rfc6749#section-5.2
func clean(text string, secrets ...string) string {
	for _, s := range secrets {
		if s != "" {
			text = strings.ReplaceAll(text, s, "[redacted]")
		}
	}
	text = tokenLike.ReplaceAllString(text, "[redacted]")
	text = strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxDescription {
		text = text[:maxDescription] + "..."
	}
	return text
}

var errorCode = regexp.MustCompile(`^[A-Za-z0-9_.:/-]{1,64}$`)

// cleanCode returns an error code as it is, or nothing if it is not one.
func cleanCode(code string) string {
	if !errorCode.MatchString(code) || tokenLike.MatchString(code) {
		return ""
	}
	return code
}
