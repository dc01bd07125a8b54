package keypolicy

// Profile is what a rule asks of a key. Its zero value asks for user
// verification and for nothing else.
//
// Whatever a profile asks about the model (every field down to DenyModels) holds
// only for a key whose attestation is [Rooted]; for any other key it is false,
// because what such a key says of its model is a claim that costs nothing.
type Profile struct {
	Attested      bool     // the attestation chains to a root we hold
	DeviceBound   bool     // the key cannot be synced to another device
	Hardware      bool     // the key cannot be copied out of the authenticator
	FIPS          bool     // validated to FIPS 140: see Evidence.FIPS and FIPSModels
	FIPSModels    []string // names of model groups that count as validated whatever the metadata knows
	Certification Level    // at least this level
	Attachment    string   // "platform" or "cross-platform", as the metadata has it; empty: either
	AllowModels   []string // names of model groups: no other model
	DenyModels    []string // names of model groups: none of these

	// UndesiredStatus are status reports of the metadata that refuse a key, beside
	// those that always do: see [UndesiredStatus].
	UndesiredStatus []string

	// InsecureTolerateStatus lets keys in whose model has these status reports:
	// each says that the model is broken, or that its maker has given it up.
	InsecureTolerateStatus []string
	// InsecureNoUserVerification lets in keys that did not verify their holder:
	// whoever finds such a key can use it.
	InsecureNoUserVerification bool
	// InsecureStaleMetadata goes on relying on metadata past the date on which a
	// newer one was due: a model that has been revoked since then is let in.
	InsecureStaleMetadata bool
	// InsecureDenyClaims lets DenyModels judge keys without a rooted attestation
	// by what they claim to be. A denied model gets in by claiming another name,
	// and somebody else's key can be made to look denied.
	InsecureDenyClaims bool
}

// AnyPasskey asks for user verification only. Synced passkeys, which attest
// nothing, pass.
func AnyPasskey() Profile { return Profile{} }

// DeviceBound asks for a key that stays where it is. That the key says so (its
// backup flag) is not enough: the attestation has to be rooted, too.
func DeviceBound() Profile { return Profile{Attested: true, DeviceBound: true} }

// AttestedHardware asks for a device-bound key in hardware.
func AttestedHardware() Profile { return Profile{Attested: true, DeviceBound: true, Hardware: true} }

// FIPS asks for a device-bound key in hardware that is validated to FIPS 140.
func FIPS() Profile { return Profile{Attested: true, DeviceBound: true, Hardware: true, FIPS: true} }

// ready are the profiles as a file names them.
var ready = []struct {
	name    string
	profile func() Profile
}{
	{"any-passkey", AnyPasskey},
	{"device-bound", DeviceBound},
	{"attested-hardware", AttestedHardware},
	{"fips", FIPS},
}
