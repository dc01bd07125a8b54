package assurance

import (
	"fmt"
	"regexp"
	"slices"
)

// Level is one of the two values of OpenID Connect EAP ACR Values 1.0.
// https://openid.net/specs/openid-connect-eap-acr-values-1_0.html
type Level string

// The levels. Empty, where one is wanted, is either of them.
const (
	PhishingResistant Level = "phr"
	HardwareProtected Level = "phrh" // phr, and the secret is held by hardware
)

func (l Level) values() []string {
	switch l {
	case "":
		// In the order of preference in which acr_values is read (OpenID Connect Core
		// 1.0 §3.1.2.1): asked for phr first, a provider says phr of hardware, too.
		// https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest
		return []string{string(HardwareProtected), string(PhishingResistant)}
	case PhishingResistant, HardwareProtected:
		return []string{string(l)}
	}
	return nil
}

// keyMethods are the values of amr that a key, and nothing without one, leaves:
// RFC 8176 §2 (hwk, swk, sc), and pop of EAP ACR Values. None of them says that the
// key knows for which site it signs; that is what acr adds.
// https://www.rfc-editor.org/rfc/rfc8176#section-2
var keyMethods = []string{"pop", "hwk", "swk", "sc"}

const (
	signedHere = "Somebody used a key that signs for the provider's own site only, so that a page which imitates it gets nothing"
	onItsWord  = "It is the provider's word; nothing here sees the key."
)

// wrong is a profile whose options say nothing that could be checked.
func wrong(name, format string, args ...any) Profile {
	return Profile{rules: &rules{
		Name: name, Refuses: fmt.Sprintf(format, args...), proves: "Nothing: the profile accepts nothing.", cannot: "Anything.",
	}}
}

func eap(l Level) *rules {
	r := &rules{
		Name: "EAP", ACR: l.values(), AMR: keyMethods, proves: signedHere + ".",
		cannot: onItsWord + " What kind of key it was, and who made it, is not said.",
	}
	if l == HardwareProtected {
		r.proves = signedHere + ", and whose secret hardware holds."
	}
	return r
}

// EAP is for any provider that follows OpenID Connect EAP ACR Values 1.0: acr is
// the level, exactly, and amr names a key.
func EAP(l Level) Profile {
	if l.values() == nil {
		return wrong("EAP", "the level %.40q is not phr or phrh", string(l))
	}
	return Profile{rules: eap(l)}
}

// Lakekey is for lakekey's own issuer, package issuer. phrh means there that the
// key's attestation chains to a root which the issuer's operator holds.
func Lakekey(l Level) Profile {
	p := EAP(l)
	if p.Refusal() != nil {
		return wrong("lakekey", "the level %.40q is not phr or phrh", string(l))
	}
	p.rules.Name = "lakekey"
	p.rules.cannot = "Which key it was stands in the issuer's audit log, not in the token. By phr, the key may be one that was copied between a person's devices."
	return p
}

// Okta is for the Identity Engine. phr is reached by passkeys and security keys,
// phrh by Okta Verify only: a security key does not reach it, whatever it is made
// of. Empty is phr.
// https://developer.okta.com/docs/guides/step-up-authentication/main/
func Okta(l Level) Profile {
	if l == "" {
		l = PhishingResistant
	}
	if l.values() == nil {
		return wrong("Okta", "the level %.40q is not phr or phrh", string(l))
	}
	return Profile{rules: &rules{
		Name: "Okta", ACR: l.values(),
		proves: signedHere + ": at Okta, phr is a passkey or a security key, phrh is Okta Verify.",
		cannot: onItsWord + " Where Okta trusts the claims of another provider (trustClaims), it is that one's word. Whether the key is hardware is not said by phr. Classic Engine knows none of this, and ignores acr_values without a word.",
	}}
}

// EntraOptions are about one tenant of Microsoft Entra ID.
type EntraOptions struct {
	Tenant  string // its id, as tid has it; required
	Context string // c1 to c99: the authentication context that asks for a key; required
}

var (
	tenantID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	context  = regexp.MustCompile(`^c[1-9][0-9]?$`)
)

// Entra is for one tenant of Microsoft Entra ID, whose administrators made an
// authentication context, and a Conditional Access policy on it for all users with
// the authentication strength "Phishing-resistant MFA". The application must have
// auth_time and acrs as optional claims of its ID tokens.
// https://learn.microsoft.com/en-us/entra/identity-platform/developer-guide-conditional-access-authentication-context
func Entra(o EntraOptions) Profile {
	switch {
	case !tenantID.MatchString(o.Tenant):
		return wrong("Entra", "EntraOptions.Tenant is not the id of a tenant, in lower case")
	case !context.MatchString(o.Context):
		return wrong("Entra", "EntraOptions.Context is not one of c1 to c99")
	}
	return Profile{rules: &rules{
		Name: "Entra", ACRS: o.Context, Tenant: o.Tenant, AlwaysClaims: true,
		proves: "The tenant's policies for the authentication context " + o.Context + " were met.",
		cannot: "Whether there is a policy for the context, what it asks for, and whom it leaves out: Entra puts the context into tokens of people to whom no policy applies. Look in Conditional Access that all users need \"Phishing-resistant MFA\" for " + o.Context + ".",
	}}
}

// KeycloakOptions say how a realm was set up.
type KeycloakOptions struct {
	ACR       string // of the realm's ACR to LoA mapping; empty: phr
	Reference string // the Authenticator Reference of the WebAuthn execution, as amr has it; empty: hwk
}

// notKeys are values of amr that RFC 8176 gives to what can be had without a key.
var notKeys = []string{"face", "fpt", "geo", "iris", "kba", "mca", "mfa", "otp", "pin", "pwd", "rba", "retina", "sms", "tel", "user", "vbm", "wia"}

// Keycloak is for a realm in which a level of authentication asks for WebAuthn. acr
// says which level was reached, and so says nothing of what was used for it: whoever
// has just registered a first key behind a password gets it, too. So amr must name
// the key: the execution needs an Authenticator Reference, and the client the amr
// mapper.
// https://www.keycloak.org/docs/latest/server_admin/#_step-up-flow
func Keycloak(o KeycloakOptions) Profile {
	if o.ACR == "" {
		o.ACR = string(PhishingResistant)
	}
	if o.Reference == "" {
		o.Reference = "hwk"
	}
	switch {
	case o.ACR == "0":
		return wrong("Keycloak", "KeycloakOptions.ACR 0 is what Keycloak says of a cookie")
	case slices.Contains(notKeys, o.Reference):
		return wrong("Keycloak", "KeycloakOptions.Reference %q is no word for a key", o.Reference)
	}
	return Profile{rules: &rules{
		Name: "Keycloak", ACR: []string{o.ACR}, AMR: []string{o.Reference},
		proves: "The level " + o.ACR + " was reached, by an execution that the realm calls " + o.Reference + ".",
		cannot: onItsWord + " That the execution called " + o.Reference + " is WebAuthn is how the realm was set up; look there. What kind of key it was is not said.",
	}}
}

// Auth0Options say how a tenant says that a key was used, which Auth0 does not do
// by itself.
type Auth0Options struct {
	// Claim is set to Value by an Action after login, if event.authentication.methods
	// says that a key was used. It is a URL of the tenant's own.
	Claim, Value string

	// InsecureMFAOnly accepts any second factor, such as a code by SMS, which
	// whoever imitates the page can ask for.
	InsecureMFAOnly bool
}

const auth0MFA = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"

// Auth0 is for a tenant of Auth0. By itself it says of a sign-in that there was a
// second factor, and not which.
// https://auth0.com/docs/secure/multi-factor-authentication/step-up-authentication/configure-step-up-authentication-for-web-apps
func Auth0(o Auth0Options) Profile {
	switch {
	case (o.Claim == "") != (o.Value == ""):
		return wrong("Auth0", "Auth0Options.Claim and Value belong together")
	case o.Claim == "" && !o.InsecureMFAOnly:
		return wrong("Auth0", "Auth0 says that there was a second factor, not that it was a key: have an Action set a claim, and name it in Auth0Options.Claim and Value")
	case o.Claim != "" && o.InsecureMFAOnly:
		return wrong("Auth0", "Auth0Options.InsecureMFAOnly is for tenants without such a claim")
	case o.Claim != "" && reserved(o.Claim):
		return wrong("Auth0", "Auth0Options.Claim %.80q is not a claim of the tenant's own", o.Claim)
	}
	r := &rules{
		Name: "Auth0", Wish: []string{auth0MFA}, AMR: []string{"mfa"}, Claim: o.Claim, Value: o.Value, Weak: o.InsecureMFAOnly,
		proves: "There was a second factor, and the tenant's Action set " + o.Claim + " to " + o.Value + ".",
		cannot: "That the Action sets the claim for keys only: look at it.",
	}
	if o.InsecureMFAOnly {
		r.proves, r.cannot = "There was a second factor.", "That it was a key: it may have been a code that somebody was talked into typing elsewhere."
	}
	return Profile{rules: r}
}

// reserved reports whether a claim is one that has a meaning already. Those of a
// tenant are URLs.
func reserved(claim string) bool { return !namespaced.MatchString(claim) }

var namespaced = regexp.MustCompile(`^https?://[!-~]{1,200}$`)

// PingOptions say how journeys or policies were mapped.
type PingOptions struct {
	ACR string // the key that is mapped to the journey which asks for WebAuthn; required
	AMR string // what its WebAuthn node is mapped to; required
}

// Ping is for PingAM and PingOne Advanced Identity Cloud, where an administrator
// mapped an acr to a journey, and amr to its nodes.
// https://docs.pingidentity.com/pingam/8/am-oidc1/oidc-authentication-requirements.html
func Ping(o PingOptions) Profile {
	switch {
	case o.ACR == "" || o.AMR == "":
		return wrong("Ping", "PingOptions.ACR and AMR are what an administrator mapped the journey and its WebAuthn node to: both are needed")
	case slices.Contains(notKeys, o.AMR):
		return wrong("Ping", "PingOptions.AMR %q is no word for a key", o.AMR)
	}
	return Profile{rules: &rules{
		Name: "Ping", ACR: []string{o.ACR}, AMR: []string{o.AMR},
		proves: "The journey " + o.ACR + " was passed, and its node " + o.AMR + " was used.",
		cannot: onItsWord + " That the node is WebAuthn is how the journey was mapped; look there.",
	}}
}

// Google accepts nothing: Google's ID tokens have no acr, amr or auth_time, and
// neither prompt=login nor max_age makes it ask again.
func Google() Profile {
	return wrong("Google", "Google's ID tokens say neither how nor when a person signed in (no acr, amr, auth_time), so they cannot prove a key: sign in at lakekey's own issuer, which asks for the key itself")
}
