package issuer

import (
	"net/http"
	"slices"
	"strings"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/keypolicy"
)

// The acr values of OpenID Connect EAP ACR Values 1.0. phrh includes phr.
// https://openid.net/specs/openid-connect-eap-acr-values-1_0.html
const (
	acrPhishingResistant = "phr"
	acrHardware          = "phrh"
)

// maxACRValues bounds a list of which two values can mean something here.
const maxACRValues = 16

// hardware reports whether the key that made the proof is known to keep its
// secret in hardware: an attestation that chains to a root we hold says so, and
// the key does not say that its secret can be copied to another device.
func hardware(p *fido.Proof) bool {
	return p.Evidence.Verdict == keypolicy.Rooted && p.Evidence.Hardware && !p.BackupEligible && !p.BackupState
}

// acr returns the value to put into tokens for a proof when the client asked
// for the values in requested, in its order of preference, or for none. It is
// never stronger than what was proven, and "" if nothing asked for was: a
// client that names acr_values means them, and gets no token instead of a
// weaker one (fail closed, though OpenID Connect Core §5.5.1.1 would let us).
func acr(p *fido.Proof, requested []string) string {
	if len(requested) == 0 {
		if hardware(p) {
			return acrHardware
		}
		return acrPhishingResistant
	}
	for _, v := range requested {
		if v == acrPhishingResistant || v == acrHardware && hardware(p) {
			return v
		}
	}
	return ""
}

// amr lists the methods of RFC 8176 that the proof is evidence of, and no
// others. User verification does not say by what, PIN or finger: so it is
// "mfa" beside "user", never "pin" or "fpt". "pop" is EAP's word for a key of
// which nobody proved where it is kept.
func amr(p *fido.Proof) []string {
	methods := []string{"pop"}
	if hardware(p) {
		methods[0] = "hwk"
	}
	if p.UserPresent {
		methods = append(methods, "user")
	}
	if p.UserVerified {
		methods = append(methods, "mfa")
	}
	return methods
}

// parseACRValues reads acr_values, and refuses at once, before anybody touches
// a key, what this issuer can never prove.
func parseACRValues(s string) ([]string, error) { return provableACR(strings.Fields(s)) }

// provableACR returns those of the values that could be proven.
func provableACR(values []string) ([]string, error) {
	if len(values) > maxACRValues {
		return nil, refuse(http.StatusBadRequest, "invalid_request", "too many acr_values")
	}
	provable := slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v != acrPhishingResistant && v != acrHardware })
	if len(values) > 0 && len(provable) == 0 {
		return nil, unmet("this issuer can prove the acr values phr and phrh; none of those asked for is one of them")
	}
	return provable, nil
}

// unmet is the error of OpenID Connect Core Error Code
// unmet_authentication_requirements 1.0.
// https://openid.net/specs/openid-connect-unmet-authentication-requirements-1_0.html
func unmet(why string) *refusal {
	return refuse(http.StatusBadRequest, "unmet_authentication_requirements", why)
}
