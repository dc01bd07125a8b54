package authenticator

// creationExtensions are the client extension inputs that concern a security key. What
// is not read is ignored, as a browser ignores it.
type creationExtensions struct {
	CredProps          bool             `json:"credProps"`
	CredProtect        string           `json:"credentialProtectionPolicy"`
	EnforceCredProtect bool             `json:"enforceCredentialProtectionPolicy"`
	MinPINLength       bool             `json:"minPinLength"`
	PRF                *prfInputs       `json:"prf"`
	LargeBlob          *largeBlobInputs `json:"largeBlob"`
}

type requestExtensions struct {
	PRF       *prfInputs       `json:"prf"`
	LargeBlob *largeBlobInputs `json:"largeBlob"`
}
