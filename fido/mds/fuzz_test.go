package mds_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/mds"
	"github.com/lakekey/lakekey/fido/mds/mdstest"
)

// FuzzParse: a blob that nobody signed is refused, and nothing of it comes out.
func FuzzParse(f *testing.F) {
	ca := mdstest.New(f, mdstest.Options{})
	blob := ca.Blob(f, payload(7))
	f.Add(string(blob))
	f.Add(string(blob) + "\n")
	f.Add("..")
	f.Add("e30.e30.")
	f.Fuzz(func(t *testing.T, text string) {
		b, err := mds.Parse([]byte(text), mds.ParseOptions{Roots: ca.Roots()})
		if strings.TrimRight(text, "\r\n") == string(blob) {
			require.NoError(t, err)
			return
		}
		require.Nil(t, b)
		var refused *mds.VerificationError
		require.ErrorAs(t, err, &refused)
		require.NotEmpty(t, refused.Check)
	})
}

// FuzzPayload: whatever a signed payload says, every entry that is listed is
// found again under its names, or another of that name is, and no part is lost
// without being reported.
func FuzzPayload(f *testing.F) {
	for _, seed := range []string{
		`{"no":1,"nextUpdate":"2030-01-01","entries":[]}`,
		`{"no":1,"nextUpdate":"2030-01-01","legalHeader":"x","entries":[{"aaguid":"01000000-0000-0000-0000-000000000000","statusReports":[{"status":"REVOKED","effectiveDate":"2020-01-01","sunsetDate":"2021-01-01"}],"timeOfLastStatusChange":"2020-01-01"}]}`,
		`{"no":1,"nextUpdate":"2030-01-01","entries":[{"attestationCertificateKeyIdentifiers":["2806df6c60b1656a78f97a28e168e5ec8d2937b4"],"metadataStatement":{"description":"x","attestationRootCertificates":["AAAA"],"userVerificationDetails":[[{"userVerificationMethod":"none"}]],"authenticatorGetInfo":{"certifications":{"FIPS-CMVP-2":2},"options":{"rk":true}}}},7]}`,
		`{"no":1,"nextUpdate":"2030-01-01","entries":[{"aaid":"1234#5678","biometricStatusReports":[{"certLevel":1,"modality":"fingerprint_internal","effectiveDate":"2020-01-01"}]}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		b, err := mds.ReadPayload(payload)
		if err != nil {
			require.Nil(t, b)
			return
		}
		require.GreaterOrEqual(t, b.Number, 0)
		require.False(t, b.NextUpdate.IsZero())
		at := b.NextUpdate
		for e := range b.All() {
			require.True(t, e.AAID != "" || e.AAGUID != [16]byte{} || len(e.KeyIdentifiers) > 0, "an entry has a name")
			found, ok := b.Entry(e.AAGUID)
			require.Equal(t, e.AAGUID != [16]byte{}, ok)
			if _, bad := e.CompromisedAt(at, nil); bad && ok {
				anyBad := false
				for _, r := range found.Status {
					anyBad = anyBad || r.Status.Compromising()
				}
				require.True(t, anyBad, "a warning is not hidden behind another entry")
			}
			for _, id := range e.KeyIdentifiers {
				_, ok := b.EntryByKeyIdentifier(id[:])
				require.True(t, ok)
			}
			for _, r := range e.Status {
				require.NotEmpty(t, r.Status)
			}
			require.LessOrEqual(t, e.FIPS140At(at), 4)
			require.LessOrEqual(t, e.LevelAt(at), mds.Level3Plus)
		}
		listed := strings.Count(string(payload), "{") // an upper bound
		require.LessOrEqual(t, b.Len(), listed)
	})
}

// FuzzRevocationList: a list that its authority did not sign says nothing.
func FuzzRevocationList(f *testing.F) {
	ca := mdstest.New(f, mdstest.Options{})
	now := day("2029-12-15")
	good, revoked := ca.CRL(f, false, false, day("2029-12-01"), day("2030-01-01")), ca.CRL(f, false, true, day("2029-12-01"), day("2030-01-01"))
	f.Add(good)
	f.Add(revoked)
	f.Fuzz(func(t *testing.T, list []byte) {
		listed, err := mds.Listed(list, ca.Chain()[0], ca.Chain()[1], "here", now)
		switch string(list) {
		case string(good):
			require.NoError(t, err)
			require.False(t, listed)
		case string(revoked):
			require.NoError(t, err)
			require.True(t, listed)
		default:
			require.Error(t, err)
			require.False(t, listed)
		}
	})
}
