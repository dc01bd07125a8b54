package mds_test

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/mds"
)

// TestProductionBlob reads blob no. 112 of the FIDO Alliance at a time when it was
// current. What is expected of it was counted with another JSON reader.
func TestProductionBlob(t *testing.T) {
	b, err := mds.Parse(productionBlob(t), mds.ParseOptions{Now: inItsTime})
	require.NoError(t, err)
	require.Equal(t, 112, b.Number)
	require.Equal(t, day("2024-12-01"), b.NextUpdate)
	require.Contains(t, b.LegalHeader, "https://fidoalliance.org/metadata/metadata-legal-terms/")
	require.Equal(t, 265, b.Len())

	families, statuses, levels, fips, fipsModels, roots, keyIDs := map[string]int{}, map[mds.Status]int{}, map[mds.Level]int{}, 0, 0, 0, map[[20]byte]bool{}
	for e := range b.All() {
		families[e.ProtocolFamily]++
		levels[e.LevelAt(inItsTime)]++
		roots += len(e.Roots)
		for _, r := range e.Status {
			statuses[r.Status]++
			require.False(t, r.EffectiveDate.IsZero())
		}
		for _, id := range e.KeyIdentifiers {
			keyIDs[id] = true
			found, ok := b.EntryByKeyIdentifier(id[:])
			require.True(t, ok)
			require.Same(t, e, found)
		}
		if e.AAGUID != [16]byte{} {
			found, ok := b.Entry(e.AAGUID)
			require.True(t, ok)
			require.Same(t, e, found)
		}
		if strings.Contains(e.Description, "FIPS") {
			fipsModels++
			if e.FIPS140At(inItsTime) == 2 {
				fips++
			}
			require.Equal(t, e.ProtocolFamily == "fido2", e.FIPS140At(inItsTime) == 2)
		} else {
			require.Zero(t, e.FIPS140At(inItsTime), e.Description)
		}
	}
	require.Equal(t, map[string]int{"fido2": 178, "u2f": 70, "uaf": 17}, families)
	require.Equal(t, map[mds.Status]int{"FIDO_CERTIFIED": 204, "FIDO_CERTIFIED_L1": 169, "NOT_FIDO_CERTIFIED": 61, "FIDO_CERTIFIED_L2": 37, "REVOKED": 1}, statuses)
	require.Equal(t, 11, fipsModels)
	require.Equal(t, 8, fips)
	require.Len(t, keyIDs, 135)
	require.Equal(t, 361-4, roots)
	require.Len(t, b.Problems, 5)
	for i, want := range []string{
		"entry 56 (4c0cf95d-2f40-43b5-ba42-4c83a11c04ba): attestation root 1 cannot be read: x509: trailing data",
		"entry 115 (e077926504cd75eb405a45be160f783044e3f5a2): attestation root 0 cannot be read: x509: negative serial number",
		"entry 158 (34f5766d-1536-4a24-9033-0e294e510fb0): authenticatorGetInfo is not used: it is about the model \"d8522d9f575b486688a9ba99fa02f35b\"",
		"entry 173 (4b3b80c3dab13dba48be234f30400b28483f6e43): attestation root 1 cannot be read: x509: negative serial number",
		"entry 223 (bb405265-40cf-4115-93e5-a332c1968d8c): attestation root 1 cannot be read: x509: negative serial number",
	} {
		require.Equal(t, want, b.Problems[i].String())
	}
	require.Equal(t, map[mds.Level]int{mds.LevelNone: 61, mds.LevelFunctional: 16, mds.Level1: 151, mds.Level2: 37}, levels)

	yubikey, ok := b.Entry(aaguid(t, "c1f9a0bc-1dd2-404a-b27f-8e29047a43fd"))
	require.True(t, ok)
	require.Equal(t, "YubiKey 5 FIPS Series with NFC", yubikey.Description)
	require.Equal(t, map[string]int{"FIPS-CMVP-2": 2, "FIPS-CMVP-2-PHY": 3}, yubikey.Certifications)
	require.Equal(t, mds.Level2, yubikey.LevelAt(inItsTime))
	require.Equal(t, []string{"hardware", "secure_element"}, yubikey.KeyProtection)
	require.Equal(t, "Yubico U2F Root CA Serial 457200631", yubikey.Roots[0].Subject.CommonName)
	_, compromised := yubikey.CompromisedAt(inItsTime, nil)
	require.False(t, compromised)

	truu, ok := b.Entry(aaguid(t, "ba86dc56-635f-4141-aef6-00227b1b9af6"))
	require.True(t, ok)
	report, compromised := truu.CompromisedAt(inItsTime, nil)
	require.True(t, compromised)
	require.Equal(t, mds.Revoked, report.Status)
	require.Equal(t, 1, report.AuthenticatorVersion)
	_, compromised = truu.CompromisedAt(day("2023-12-19"), nil)
	require.False(t, compromised, "it was revoked on the next day")

	_, ok = b.Entry([16]byte{})
	require.False(t, ok)
	rsa, err := hex.DecodeString("2806df6c60b1656a78f97a28e168e5ec8d2937b4")
	require.NoError(t, err)
	ds100, ok := b.EntryByKeyIdentifier(rsa)
	require.True(t, ok)
	require.Equal(t, "RSA DS100", ds100.Description)
	_, ok = b.EntryByKeyIdentifier(rsa[:19])
	require.False(t, ok)
}

func TestProductionBlobOutOfItsTime(t *testing.T) {
	blob := productionBlob(t)
	for _, now := range []time.Time{{}, day("2024-06-26"), day("2025-07-29")} {
		b, err := mds.Parse(blob, mds.ParseOptions{Now: now})
		requireRefused(t, b, err, "chain")
	}
	for _, now := range []time.Time{day("2024-06-27"), day("2025-07-28")} {
		_, err := mds.Parse(blob, mds.ParseOptions{Now: now})
		require.NoError(t, err)
	}
	b, err := mds.Parse(blob, mds.ParseOptions{Now: inItsTime, Hosts: []string{"mds.example.org"}})
	requireRefused(t, b, err, "host")
}

// TestSpecificationExample: the example of the standard is signed by an authority
// of its own.
func TestSpecificationExample(t *testing.T) {
	text := strings.Join(strings.Fields(string(vectorFile(t, "mds3_spec_example.jwt"))), "")
	at := day("2022-01-01")
	b, err := mds.Parse([]byte(text), mds.ParseOptions{Now: at})
	requireRefused(t, b, err, "chain")

	chain, err := mds.SignedBy([]byte(text))
	require.NoError(t, err, "ES256 of other people's making")
	require.Len(t, chain, 2)
	// The intermediate stands in for the root, which is not part of the example.
	b, err = mds.Parse([]byte(text), mds.ParseOptions{Now: at, Roots: chain[1:]})
	requireRefused(t, b, err, "host")

	b, err = mds.Payload([]byte(text))
	require.NoError(t, err)
	require.Equal(t, 15, b.Number)
	require.Equal(t, 2, b.Len())
	require.Empty(t, b.Problems)
	e, ok := b.Entry(aaguid(t, "0132d110-bf4e-4208-a403-ab4f5f12efe5"))
	require.True(t, ok)
	require.Equal(t, mds.Level1, e.LevelAt(at))
	require.Equal(t, mds.LevelFunctional, e.LevelAt(day("2020-11-18")))
	require.Equal(t, [][]string{{"none"}, {"presence_internal"}, {"passcode_external"}, {"passcode_external", "presence_internal"}}, e.UserVerificationMethods)
	require.Equal(t, 5, e.Firmware)
}

func TestPinnedRoots(t *testing.T) {
	roots, err := mds.PinnedRoots()
	require.NoError(t, err)
	sums := map[string]string{}
	for _, r := range roots {
		sums[mds.DigestOf(r.Raw)] = r.Subject.CommonName + " " + strings.Join(r.Subject.OrganizationalUnit, "")
		require.NoError(t, r.CheckSignatureFrom(r))
	}
	require.Equal(t, map[string]string{
		"cbb522d7b7f127ad6a0113865bdf1cd4102e7d0759af635a7cf4720dc963c53b": "GlobalSign GlobalSign Root CA - R3",
		"4fa3126d8d3a11d1c4855a4f807cbad6cf919d3a5a88b03bea2c6372d93c40c9": "GlobalSign Root R46 ",
	}, sums)
}
