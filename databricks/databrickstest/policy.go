package databrickstest

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// maxPrincipalPolicies: "You can create a maximum of 20 service principal
// federation policies per Databricks service principal."
// https://docs.databricks.com/aws/en/dev-tools/auth/oauth-federation-policy
const maxPrincipalPolicies = 20

// oidcPolicy says which tokens are accepted.
type oidcPolicy struct {
	Issuer       string   `json:"issuer,omitempty"`
	Audiences    []string `json:"audiences,omitempty"`
	Subject      string   `json:"subject,omitempty"`
	SubjectClaim string   `json:"subject_claim,omitempty"`
	JWKSJSON     string   `json:"jwks_json,omitempty"`
	JWKSURI      string   `json:"jwks_uri,omitempty"`
}

// policy is one federation policy.
type policy struct {
	owner       string // id of the service principal; empty for the account
	id, uid     string
	description string
	created     time.Time
	updated     time.Time
	oidc        oidcPolicy
	inline      keySet // of oidc.JWKSJSON
}

// policies holds the federation policies in order of creation. The Workspace's
// lock guards it; a policy in it is never changed, only replaced.
type policies []*policy

func (p policies) of(owner string) []*policy {
	var found []*policy
	for _, one := range p {
		if one.owner == owner {
			found = append(found, one)
		}
	}
	return found
}

func (p policies) index(owner, id string) int {
	return slices.IndexFunc(p, func(one *policy) bool { return one.owner == owner && one.id == id })
}

func (p *policies) removeOwner(owner string) {
	*p = slices.DeleteFunc(*p, func(one *policy) bool { return one.owner == owner })
}

// policyIDText: "The identifier must contain only lowercase alphanumeric
// characters, numbers, hyphens, and slashes."
var policyIDText = regexp.MustCompile(`^[a-z0-9-]+(/[a-z0-9-]+)*$`)

// validate checks the fields and reads the inline keys.
func (p *policy) validate() error {
	o := &p.oidc
	if !policyIDText.MatchString(p.id) || len(p.id) > 128 {
		return fmt.Errorf("policy_id %.80q must be lower-case letters, digits, hyphens and slashes, at most 128", p.id)
	}
	switch {
	case o.Issuer == "":
		return errors.New("oidc_policy.issuer is missing")
	case !secureURL(o.Issuer):
		return fmt.Errorf("oidc_policy.issuer %.80q must be an https URL without query or fragment (http only for localhost)", o.Issuer)
	// "Must be specified for service principal federation policies. Must not be
	// specified for account federation policies."
	case p.owner == "" && o.Subject != "":
		return errors.New("oidc_policy.subject must not be set in an account federation policy")
	case p.owner != "" && o.Subject == "":
		return errors.New("oidc_policy.subject must be set in a service principal federation policy")
	case slices.Contains(o.Audiences, ""):
		return errors.New("oidc_policy.audiences holds an empty string")
	case o.JWKSJSON != "" && o.JWKSURI != "":
		return errors.New("oidc_policy.jwks_json and jwks_uri exclude each other")
	case o.JWKSURI != "" && !secureURL(o.JWKSURI):
		return fmt.Errorf("oidc_policy.jwks_uri %.80q must be an https URL (http only for localhost)", o.JWKSURI)
	}
	p.inline = nil
	if o.JWKSJSON == "" {
		return nil
	}
	keys, err := parseKeySet([]byte(o.JWKSJSON))
	if err != nil {
		return fmt.Errorf("oidc_policy.jwks_json: %w", err)
	}
	if len(keys) == 0 {
		return errors.New("oidc_policy.jwks_json holds no key for RS256 (2048 bits or more) or ES256")
	}
	p.inline = keys
	return nil
}

// audiences is what the token's aud must meet: "If audiences is unspecified,
// defaults to your Databricks account id."
func (p *policy) audiences(accountID string) []string {
	if len(p.oidc.Audiences) == 0 {
		return []string{accountID}
	}
	return p.oidc.Audiences
}

// subjectClaim: "If unspecified, the default value is 'sub'."
func (p *policy) subjectClaim() string {
	if p.oidc.SubjectClaim == "" {
		return "sub"
	}
	return p.oidc.SubjectClaim
}

// secureURL reports whether s is an https URL, or an http URL of this machine.
func secureURL(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(s, "#") {
		return false
	}
	if u.Scheme == "https" {
		return true
	}
	return u.Scheme == "http" && loopback(u.Hostname())
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
