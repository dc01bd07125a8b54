package mds

import (
	"crypto/x509"
	"slices"
	"time"
)

// Entry is what is known about one key model. It belongs to its [Blob] and must
// not be changed.
// https://fidoalliance.org/specs/mds/fido-metadata-statement-v3.0-ps-20210518.html
type Entry struct {
	// One of these names the model: the AAGUID of FIDO2, the key identifiers of
	// U2F (SHA-1 of the public keys that attest), or the AAID of UAF.
	AAGUID         [16]byte
	KeyIdentifiers [][20]byte
	AAID           string

	Description string
	Icon        string // a data: URL, or empty
	Version     int    // the oldest firmware that the statement is true of

	// Roots are the certificates that an attestation of this model chains to. One
	// may be the attestation certificate itself. A model without any has no
	// attestation that could be checked.
	Roots []*x509.Certificate
	names []string // of the roots, see HasRoot

	// Status has the reports in the order of the blob: see [Entry.StatusAt].
	Status              []StatusReport
	TimeOfStatusChange  time.Time
	BiometricComponents []BiometricReport

	ProtocolFamily          string     // "fido2", "u2f" or "uaf"
	AttestationTypes        []string   // "basic_full", "basic_surrogate", "attca", …
	KeyProtection           []string   // "hardware", "secure_element", "tee", "software", "remote_handle"
	MatcherProtection       []string   // "on_chip", "tee", "software"
	AttachmentHint          []string   // "internal", "external", "wired", "nfc", …
	UserVerificationMethods [][]string // alternatives, each a combination that is used together
	Algorithms              []string   // "secp256r1_ecdsa_sha256_raw", …
	CryptoStrength          int        // in bits, or 0

	// MultiDevice is multiDeviceCredentialSupport of version 3.1: "unsupported",
	// "explicit", "implicit", or empty where nothing is said.
	MultiDevice string

	// What a key of this model says of itself, as its maker told the FIDO Alliance:
	// certifications such as "FIPS-CMVP-2" with their levels, attestation formats,
	// transports, versions, options, firmware.
	Certifications map[string]int
	Formats        []string
	Transports     []string
	Versions       []string
	Options        map[string]bool
	Firmware       int
}

// BiometricReport is the certification of one biometric sensor of a model.
// https://fidoalliance.org/specs/mds/fido-metadata-service-v3.0-ps-20210518.html#biometricstatusreport-dictionary
type BiometricReport struct {
	Level             int
	Modality          string
	EffectiveDate     time.Time
	CertificateNumber string
}

// HasRoot reports whether a certificate with this SHA-256, in lower-case hex, is
// one of the Roots: by such names records keep what a verdict rested on.
func (e *Entry) HasRoot(fingerprint string) bool { return slices.Contains(e.names, fingerprint) }

// compromised reports whether any report, in effect or not, is a bad one.
func (e *Entry) compromised() bool {
	for _, r := range e.Status {
		if r.Status.Compromising() {
			return true
		}
	}
	return false
}
