package keypolicy

import "slices"

// statuses are those that a metadata statement can report.
// https://fidoalliance.org/specs/mds/fido-metadata-service-v3.1-ps-20250521.html#authenticatorstatus-enum
var statuses = []string{
	"NOT_FIDO_CERTIFIED", "SELF_ASSERTION_SUBMITTED", "FIDO_CERTIFIED",
	"FIDO_CERTIFIED_L1", "FIDO_CERTIFIED_L1plus", "FIDO_CERTIFIED_L2", "FIDO_CERTIFIED_L2plus", "FIDO_CERTIFIED_L3", "FIDO_CERTIFIED_L3plus",
	"FIPS140_CERTIFIED_L1", "FIPS140_CERTIFIED_L2", "FIPS140_CERTIFIED_L3", "FIPS140_CERTIFIED_L4",
	"USER_VERIFICATION_BYPASS", "ATTESTATION_KEY_COMPROMISE", "USER_KEY_REMOTE_COMPROMISE", "USER_KEY_PHYSICAL_COMPROMISE",
	"UPDATE_AVAILABLE", "RETIRED", "REVOKED",
}

var undesired = []string{
	"ATTESTATION_KEY_COMPROMISE", "RETIRED", "REVOKED", "USER_KEY_PHYSICAL_COMPROMISE", "USER_KEY_REMOTE_COMPROMISE", "USER_VERIFICATION_BYPASS",
}

// UndesiredStatus returns the status reports that refuse a key under every
// profile that does not tolerate them by name.
func UndesiredStatus() []string { return slices.Clone(undesired) }
