package fido

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/keypolicy"
	"github.com/lakekey/lakekey/internal/origin"
)

// Config says who the relying party is and what it accepts. ID, Origins and
// Audit are required; for the rest the zero value is the strict choice.
type Config struct {
	ID      string   // the RP ID: the domain to which credentials are bound
	Name    string   // shown to people; empty means ID
	Origins []string // where ceremonies may take place, such as "https://login.example.com"; each host is ID or below it

	// RelatedOrigins are origins in other domains where people may use their keys for
	// ID as well, such as "https://example.de" beside example.com. Whoever runs such a
	// site is trusted as whoever runs the others is. Browsers let it if
	// https://ID/.well-known/webauthn names it, which fido/web serves.
	// https://www.w3.org/TR/webauthn-3/#sctn-related-origins
	RelatedOrigins []string

	Audit           *audit.Log // where ceremonies and credentials are recorded
	InsecureNoAudit bool       // do without: nobody will know who had which key

	// UserVerification is what keys are asked for: "required" (also when empty),
	// "preferred" or "discouraged". Only when it is required is a response
	// without it refused; else see Proof.UserVerified.
	UserVerification string

	// Attestation is what keys are asked to say about themselves: "direct" (also
	// when empty), "none", "indirect" or "enterprise".
	Attestation string

	// Roots are certificates that make an attestation count, beside those that the
	// Metadata has for each model. Without either, no verdict is
	// [keypolicy.Rooted].
	Roots []Root

	// Policy decides which keys are good enough for whom, at registration and at
	// every sign-in; nil: any that verifies its user, if that is required, and whose
	// model is not reported as broken. A change of it is recorded when the relying
	// party is made.
	Policy *keypolicy.Policy

	// Metadata is what is known about key models; nil: nothing beyond Roots. While
	// it answers with an error, rules that need it are not fulfilled.
	Metadata Metadata

	// Algorithms are asked of keys in this order; those that this build cannot
	// verify are left out. Empty means all that it can.
	Algorithms []Algorithm

	// MaxCredentials is how many keys that are not revoked a person may have where
	// the policy's rule for them does not say; 0 means ten.
	MaxCredentials int

	Notifier Notifier // tells people and administrators what has happened to keys; nil: nobody is told

	CounterPolicy   CounterPolicy
	CeremonyTimeout time.Duration    // how long a person has for a ceremony; 0 means five minutes
	Now             func() time.Time // nil means time.Now
	Logger          *slog.Logger     // nil: nothing is logged
}

// CounterPolicy says what happens when a sign counter does not go up, which
// means that two copies of a key exist, or that a key is broken.
// https://www.w3.org/TR/webauthn-3/#sctn-sign-counter
type CounterPolicy uint8

// The policies. All of them leave a record of it.
const (
	CounterRefuse        CounterPolicy = iota // refuse the sign-in and quarantine the credential
	InsecureCounterAllow                      // let the person in: a copied key works
)

const (
	defaultCeremonyTimeout = 5 * time.Minute
	defaultMaxCredentials  = 10
)

// check returns c with its defaults filled in.
func (c Config) check() (Config, error) {
	if err := protocol.ValidateRPID(c.ID); err != nil || strings.ToLower(c.ID) != c.ID {
		return c, fmt.Errorf("fido: %q is no RP ID: use a domain name in lower case, or localhost", c.ID)
	}
	if c.Name == "" {
		c.Name = c.ID
	}
	if len(c.Origins) == 0 {
		return c, errors.New("fido: no origin configured")
	}
	c.Origins = slices.Clone(c.Origins)
	for i, o := range c.Origins {
		var err error
		if c.Origins[i], err = checkOrigin(o, c.ID); err != nil {
			return c, err
		}
	}
	for _, raw := range c.RelatedOrigins {
		o, err := origin.Parse(raw)
		if err != nil {
			return c, fmt.Errorf("fido: related origin %q: %w", raw, err)
		}
		if _, inside := checkOrigin(o, c.ID); inside == nil || !strings.HasPrefix(o, "https://") {
			return c, fmt.Errorf("fido: related origin %q: must be https in another domain than %q; those in it are Origins", raw, c.ID)
		}
		c.Origins = append(c.Origins, o) // where a ceremony took place makes no other difference
	}
	if c.Audit == nil && !c.InsecureNoAudit {
		return c, errors.New("fido: no audit log configured")
	}
	if c.Audit != nil && c.InsecureNoAudit {
		return c, errors.New("fido: an audit log and InsecureNoAudit exclude each other")
	}
	var ok bool
	if c.UserVerification, ok = oneOf(c.UserVerification, "required", "preferred", "discouraged"); !ok {
		return c, fmt.Errorf("fido: unknown user verification %q", c.UserVerification)
	}
	if c.Attestation, ok = oneOf(c.Attestation, "direct", "none", "indirect", "enterprise"); !ok {
		return c, fmt.Errorf("fido: unknown attestation conveyance %q", c.Attestation)
	}
	c.Roots = slices.Clone(c.Roots)
	for _, r := range c.Roots {
		if r.Certificate == nil {
			return c, errors.New("fido: an attestation root without a certificate")
		}
	}
	wanted := c.Algorithms
	if c.Algorithms = offer(wanted); len(c.Algorithms) == 0 {
		return c, &UnsupportedAlgorithmError{Algorithm: wanted[0]}
	}
	if c.CounterPolicy > InsecureCounterAllow {
		return c, fmt.Errorf("fido: unknown counter policy %d", c.CounterPolicy)
	}
	if c.MaxCredentials < 0 {
		return c, errors.New("fido: the limit of keys per person is negative")
	}
	if c.MaxCredentials == 0 {
		c.MaxCredentials = defaultMaxCredentials
	}
	if c.CeremonyTimeout == 0 {
		c.CeremonyTimeout = defaultCeremonyTimeout
	}
	if c.CeremonyTimeout < 0 {
		return c, errors.New("fido: the ceremony timeout is negative")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// oneOf returns value, or the first choice if it is empty, and whether it is one
// of them.
func oneOf(value string, choices ...string) (string, bool) {
	if value == "" {
		return choices[0], true
	}
	return value, slices.Contains(choices, value)
}

// checkOrigin spells an origin as clients do, and makes sure that a client there
// could use rpID at all: its host must be rpID or a subdomain of it.
// https://www.w3.org/TR/webauthn-3/#relying-party-identifier
func checkOrigin(raw, rpID string) (string, error) {
	o, err := origin.Parse(raw)
	if err != nil {
		return "", fmt.Errorf("fido: origin %q: %w", raw, err)
	}
	u, err := url.Parse(o)
	if err != nil {
		return "", fmt.Errorf("fido: origin %q: %v", raw, err)
	}
	if host := u.Hostname(); host != rpID && !strings.HasSuffix(host, "."+rpID) {
		return "", fmt.Errorf("fido: origin %q does not lie in the domain %q", raw, rpID)
	}
	return o, nil
}
