package fido_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/keypolicy"
	"github.com/lakekey/lakekey/fido/mds"
)

// genuine says what a production BLOB knows about the registrations of real keys
// that go through: the model, what it is at the time of the BLOB, and why a key is
// not rooted where it is not.
var genuine = map[string]struct {
	model string
	fips  bool
	lacks string
}{
	"YubiKeyNeo":           {model: "YubiKey NEO"}, // by the key identifier of its certificate, as all U2F keys whose certificate names no model
	"YubiKey4":             {model: "YK4 Series Key by Yubico"},
	"YubiKey5":             {model: "YubiKey 5 Series with NFC"},
	"YubiKey5Nfc":          {model: "YubiKey 5 Series with NFC"},
	"YubiKey5NfcPost5cNfc": {model: "YubiKey 5 Series with NFC"}, // U2F, by the AAGUID in its certificate
	"YubiKey5cNfc":         {model: "YubiKey 5 Series with NFC"},
	"YubiKey5Nano":         {model: "YubiKey 5 Series"},
	"YubiKey5Ci":           {model: "YubiKey 5 Series with Lightning"},
	"SecurityKey":          {model: "Security Key by Yubico"}, // its certificate's signature has unused bits, which count
	"SecurityKey2":         {model: "Security Key by Yubico"},
	"SecurityKeyNfc":       {model: "Security Key by Yubico with NFC"},
	"YubikeyFips5Nfc":      {model: "YubiKey 5 FIPS Series with NFC", fips: true},
	"Yubikey5ciFips":       {model: "YubiKey 5 FIPS Series with Lightning", fips: true},
	"YubikeyBio_5_5_4":     {model: "YubiKey Bio Series"},
	"YubikeyBio_5_5_5":     {model: "YubiKey Bio Series"},
	"YubikeyBio_5_5_6":     {model: "YubiKey Bio Series"},
	"CredPropsEmpty":       {model: "YubiKey 5 FIPS Series with NFC", fips: true},
	"CredPropsRkTrue":      {model: "YubiKey 5 FIPS Series with NFC", fips: true},

	// The metadata has no entry for Apple's, which are rooted where a relying party
	// pins Apple's authority.
	"AppleAttestationIos":   {lacks: "apple, whose certificate chains to no root that we hold"},
	"AppleAttestationMacos": {lacks: "apple, whose certificate chains to no root that we hold"},
	// These have the format none.
	"LargeBlobWrite": {lacks: "no attestation"},
	"LargeBlobRead":  {lacks: "no attestation"},
}

// blobDate is a day on which blob no. 112 was current and its signer valid.
var blobDate = time.Date(2024, 11, 15, 0, 0, 0, 0, time.UTC)

// blob112 is a production metadata BLOB, verified in its time.
func blob112(t *testing.T) *mds.Blob {
	t.Helper()
	unzip, err := gzip.NewReader(bytes.NewReader(vectorFile(t, "mds3_blob_112.jwt.gz")))
	require.NoError(t, err)
	text, err := io.ReadAll(unzip)
	require.NoError(t, err)
	blob, err := mds.Parse(text, mds.ParseOptions{Now: blobDate})
	require.NoError(t, err)
	require.Equal(t, 112, blob.Number)
	return blob
}

func TestGenuineKeys(t *testing.T) {
	refused := map[string]string{
		"yubico-Mldsa44": "cannot verify ML-DSA-44", "yubico-Mldsa44/assert": "cannot verify ML-DSA-44",
		"yubico-Mldsa65": "cannot verify ML-DSA-65", "yubico-Mldsa65/assert": "cannot verify ML-DSA-65",
		"yubico-Mldsa87": "cannot verify ML-DSA-87", "yubico-Mldsa87/assert": "cannot verify ML-DSA-87",
	}
	metadata := fixed{blob: blob112(t)}
	registered, signedIn, rooted := 0, 0, map[keypolicy.Verdict]int{}
	for _, v := range readVectors(t, "webauthn_real_keys.json", 48) {
		t.Run(v.ID, func(t *testing.T) {
			inItsTime(t, v, func(t *testing.T, clock func() time.Time) {
				c, proof, err := replay(t, v, fido.Config{Metadata: metadata, Now: clock})
				if !checkVector(t, v, refused, err) {
					var unsupported *fido.UnsupportedAlgorithmError
					require.ErrorAs(t, err, &unsupported)
					require.ErrorContains(t, err, "Go 1.27")
					return
				}
				if proof != nil {
					signedIn++
					require.Equal(t, []byte(v.Credential.ID), proof.CredentialID)
					require.True(t, proof.UserPresent)
					return
				}
				registered++
				rooted[c.Evidence.Verdict]++
				want, known := genuine[strings.TrimPrefix(v.ID, "yubico-")]
				require.True(t, known)
				require.Equal(t, want.lacks == "", c.Evidence.Verdict == keypolicy.Rooted, c.Evidence.Note)
				require.Equal(t, want.model, c.Evidence.Model)
				require.Equal(t, want.fips, c.Evidence.FIPS)
				require.Equal(t, want.lacks == "", c.Evidence.Hardware)
				require.Contains(t, c.Evidence.Note, want.lacks)
				if strings.HasPrefix(c.Evidence.Format, "apple") {
					c, _, err := replay(t, v, fido.Config{Now: clock, Roots: []fido.Root{{Certificate: certificatesIn(t, v)[1], Hardware: true}}})
					require.NoError(t, err)
					require.Equal(t, keypolicy.Rooted, c.Evidence.Verdict)
					require.True(t, c.Evidence.Hardware)
				}
				require.Equal(t, expectedAs(want.model, want.fips), acceptedAs(t, v, metadata, clock), v.ID)
				require.Equal(t, v.Info.Format, c.Evidence.Format)
				require.Equal(t, v.Info.SignCount, c.SignCount)
				require.Equal(t, v.Info.Flags&(1<<2) != 0, c.UserVerified)
				require.Equal(t, v.Info.Flags&(1<<3) != 0, c.BackupEligible)
				require.Equal(t, []byte(v.Info.CredentialPublicKey), c.PublicKey)
				if c.Evidence.Format != "fido-u2f" {
					require.Equal(t, v.Info.AAGUID, strings.ReplaceAll(c.Evidence.AAGUID.String(), "-", ""))
				}
			})
		})
	}
	require.Equal(t, 22, registered)
	require.Equal(t, 20, signedIn)
	require.Equal(t, map[keypolicy.Verdict]int{keypolicy.Rooted: 18, keypolicy.None: 4}, rooted)
}

// realProfiles are asked of real keys, which were registered without user
// verification.
var realProfiles = []keypolicy.Profile{keypolicy.AnyPasskey(), keypolicy.DeviceBound(), keypolicy.AttestedHardware(), keypolicy.FIPS()}

// acceptedAs returns which profiles accept the key.
func acceptedAs(t *testing.T, v vector, metadata fido.Metadata, clock func() time.Time) (accepted []bool) {
	t.Helper()
	for _, p := range realProfiles {
		p.InsecureNoUserVerification = true
		_, _, err := replay(t, v, fido.Config{Metadata: metadata, Policy: policyOf(t, p), Now: clock})
		var refused *fido.PolicyError
		require.True(t, err == nil || errors.As(err, &refused), "%v", err)
		accepted = append(accepted, err == nil)
	}
	return accepted
}

func expectedAs(model string, fips bool) []bool { return []bool{true, model != "", model != "", fips} }

// TestProductionMetadataAtItsTime looks at the real keys again on a day on which
// the BLOB was current: its reports are about then.
func TestProductionMetadataAtItsTime(t *testing.T) {
	metadata := fixed{blob: blob112(t)}
	levels := map[keypolicy.Level]int{}
	for _, v := range readVectors(t, "webauthn_real_keys.json", 48) {
		if v.Kind != "registration" || genuine[strings.TrimPrefix(v.ID, "yubico-")].model == "" {
			continue
		}
		t.Run(v.ID, func(t *testing.T) {
			inItsTime(t, v, func(t *testing.T, clock func() time.Time) {
				store := fido.NewMemoryStore()
				_, _, err := replayIn(t, v, fido.Config{Now: clock}, store)
				require.NoError(t, err)
				rp, err := fido.New(fido.Config{ID: v.RPID, Origins: v.Origins, InsecureNoAudit: true, Metadata: metadata, UserVerification: "discouraged", Now: func() time.Time { return blobDate }}, store)
				require.NoError(t, err)
				r, err := rp.Reevaluate(t.Context(), fido.ReevaluateOptions{Quarantine: true})
				require.NoError(t, err)
				require.Zero(t, r.Quarantined)
				require.Len(t, r.Findings, 1, "what the metadata knows is news")
				e := r.Findings[0].Credential.Evidence
				require.Equal(t, keypolicy.Rooted, e.Verdict)
				require.NotEmpty(t, e.Status)
				require.Equal(t, "cross-platform", e.Attachment)
				levels[e.Certification]++
			})
		})
	}
	require.Equal(t, map[keypolicy.Level]int{keypolicy.Functional: 2, keypolicy.L1: 12, keypolicy.L2: 4}, levels)
}
