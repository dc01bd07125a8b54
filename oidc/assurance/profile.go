package assurance

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// leeway is how far the provider's clock and ours may be apart.
const leeway = time.Minute

// Profile is what a sign-in at one kind of identity provider must prove. The zero
// value is EAP(""): resistant to phishing, by either level of the standard.
type Profile struct {
	rules  *rules
	within time.Duration
}

// rules are a profile as data, so that two that differ in anything have different
// keys.
type rules struct {
	Name    string
	Refuses string `json:",omitzero"` // why nothing is accepted
	Weak    bool   `json:",omitzero"` // a page that imitates the provider's is enough to get what this asks for

	ACR    []string `json:",omitzero"` // one of these must be acr
	Wish   []string `json:",omitzero"` // acr_values that the token does not repeat
	AMR    []string `json:",omitzero"` // one of these must be in amr
	ACRS   string   `json:",omitzero"` // must be in acrs
	Tenant string   `json:",omitzero"` // must be tid
	Claim  string   `json:",omitzero"` // a claim of the tenant's own …
	Value  string   `json:",omitzero"` // … and what it must say

	AlwaysClaims bool `json:",omitzero"` // takes the claims parameter without announcing it

	proves, cannot string
}

func (p Profile) r() *rules {
	if p.rules == nil {
		return eap("")
	}
	return p.rules
}

// Within is the same profile for sign-ins that happened up to age ago: the person
// is then asked again only if the last time is longer ago. Without it, every sign-in
// must be a fresh one. More than a day is a day.
func (p Profile) Within(age time.Duration) Profile {
	p.within = min(max(age, 0), 24*time.Hour)
	return p
}

// Age is how old a sign-in may be.
func (p Profile) Age() time.Duration { return p.within }

// Name is the profile's, for people.
func (p Profile) Name() string { return p.r().Name }

// Key is everything the profile demands, as text that is equal for equal demands
// and for no others: what caches and stores of sessions keep them apart by.
func (p Profile) Key() string {
	text, _ := json.Marshal(p.r()) // strings only
	return string(text) + " within " + p.within.String()
}

// String is Name.
func (p Profile) String() string { return p.Name() }

// PhishingResistant reports whether whoever is accepted signed in by something that
// a page which only imitates the provider's cannot use.
func (p Profile) PhishingResistant() bool { return !p.r().Weak }

// Proves says in words what an accepted sign-in proves.
func (p Profile) Proves() string { return p.r().proves }

// CannotProve says in words what it leaves open.
func (p Profile) CannotProve() string { return p.r().cannot }

// Refusal returns why the profile accepts nothing, or nil.
func (p Profile) Refusal() error {
	if why := p.r().Refuses; why != "" {
		return &Error{Profile: p.Name(), Reason: why}
	}
	return nil
}

// Reads are the claims, beside the registered ones, that Check wants in
// Claims.Named.
func (p Profile) Reads() []string {
	if c := p.r().Claim; c != "" {
		return []string{c}
	}
	return nil
}

// Support is what a provider announces in its discovery document.
type Support struct {
	ACRs   []string // acr_values_supported; empty: not said
	Claims bool     // claims_parameter_supported
}

// Parameters are those of an authorization request that ask for what Check wants:
// acr_values, claims and max_age together, because providers that know one of them
// need not know the others. It returns an error if the provider says that it cannot.
func (p Profile) Parameters(s Support) (url.Values, error) {
	if err := p.Refusal(); err != nil {
		return nil, err
	}
	r := p.r()
	wanted := slices.Concat(r.ACR, r.Wish)
	if len(s.ACRs) > 0 && len(wanted) > 0 {
		// Some providers (Keycloak) show an error page of their own, and never send
		// the browser back, if they are asked for a value that they do not know.
		known := slices.DeleteFunc(slices.Clone(wanted), func(v string) bool { return !slices.Contains(s.ACRs, v) })
		if len(known) == 0 {
			return nil, &Error{Profile: r.Name, Claim: "acr_values_supported", Want: strings.Join(wanted, " or "), Reason: "the provider does not offer it"}
		}
		wanted = known
	}
	v := url.Values{"max_age": {strconv.Itoa(int(p.within / time.Second))}}
	if len(wanted) > 0 {
		v.Set("acr_values", strings.Join(wanted, " "))
	}
	if s.Claims || r.AlwaysClaims {
		// acr_values is a wish; what is essential here, the provider must meet or
		// refuse, OpenID Connect Core 1.0 §5.5.1.1.
		// https://openid.net/specs/openid-connect-core-1_0.html#acrSemantics
		token := map[string]any{"auth_time": map[string]any{"essential": true}}
		if len(r.ACR) > 0 {
			token["acr"] = map[string]any{"essential": true, "values": wanted}
		}
		if r.ACRS != "" {
			// https://learn.microsoft.com/en-us/entra/identity-platform/developer-guide-conditional-access-authentication-context
			token["acrs"] = map[string]any{"essential": true, "value": r.ACRS}
		} else {
			token["amr"] = nil
		}
		claims, err := json.Marshal(map[string]any{"id_token": token})
		if err != nil {
			return nil, errors.New("assurance: the claims parameter cannot be written")
		}
		v.Set("claims", string(claims))
	}
	return v, nil
}

// Claims are what a verified ID token says about a sign-in.
type Claims struct {
	ACR      string
	AMR      []string
	ACRS     []string // of Entra
	AuthTime time.Time
	Tenant   string              // tid, of Entra
	Named    map[string][]string // those of Profile.Reads: a string, or a list of them
}

// Check reports whether c proves what p demands, for a sign-in that was asked for
// at asked. It returns an [*Error].
func (p Profile) Check(c Claims, asked time.Time) error {
	if err := p.Refusal(); err != nil {
		return err
	}
	if c.AuthTime.IsZero() {
		return p.refuse("auth_time", "", "", "the token does not say when the person signed in")
	}
	if from := asked.Add(-p.within); c.AuthTime.Before(from.Add(-leeway)) {
		return p.refuse("auth_time", from.UTC().Format(time.RFC3339)+" or later", c.AuthTime.UTC().Format(time.RFC3339), "the person signed in too long ago")
	}
	return p.CheckMethod(c)
}

// CheckMethod is Check without the time: for tokens that continue a session whose
// sign-in Check accepted.
func (p Profile) CheckMethod(c Claims) error {
	if err := p.Refusal(); err != nil {
		return err
	}
	r := p.r()
	among := func(one string) func(string) bool { return func(other string) bool { return one == other } }
	switch {
	case r.Tenant != "" && c.Tenant != r.Tenant:
		return p.refuse("tid", r.Tenant, c.Tenant, "another tenant")
	case len(r.ACR) > 0 && !slices.Contains(r.ACR, c.ACR):
		// acr_values is a wish that a provider may ignore without a word (OpenID
		// Connect Core 1.0 §3.1.2.1), so what came back is compared exactly.
		// https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest
		return p.refuse("acr", strings.Join(r.ACR, " or "), c.ACR, "not what was asked for")
	case r.ACRS != "" && !slices.ContainsFunc(c.ACRS, among(r.ACRS)):
		return p.refuse("acrs", r.ACRS, strings.Join(c.ACRS, " "), "the authentication context was not reached")
	case len(r.AMR) > 0 && !slices.ContainsFunc(r.AMR, func(m string) bool { return slices.Contains(c.AMR, m) }):
		return p.refuse("amr", strings.Join(r.AMR, " or "), strings.Join(c.AMR, " "), "no such method was used")
	case r.Claim != "" && !slices.Contains(c.Named[r.Claim], r.Value):
		return p.refuse(r.Claim, r.Value, strings.Join(c.Named[r.Claim], " "), "not what the tenant's rule sets")
	}
	return nil
}

func (p Profile) refuse(claim, want, got, reason string) error {
	return &Error{Profile: p.Name(), Claim: claim, Want: want, Got: got, Reason: reason}
}

// Error says what a sign-in failed to prove, or why nothing can.
type Error struct {
	Profile string
	Claim   string // the claim at fault; empty if the profile refuses everything
	Want    string // any of these
	Got     string // as the token has it: not to be printed unquoted; empty: nothing
	Reason  string
}

func (e *Error) Error() string {
	switch {
	case e.Claim == "":
		return fmt.Sprintf("assurance: %s: %s", e.Profile, e.Reason)
	case e.Want == "":
		return fmt.Sprintf("assurance: %s: %s: %s", e.Profile, e.Claim, e.Reason)
	}
	return fmt.Sprintf("assurance: %s: %s is %.80q, wanted %.200q: %s", e.Profile, e.Claim, e.Got, e.Want, e.Reason)
}
