package mdstest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/mds"
	"github.com/lakekey/lakekey/fido/mds/mdstest"
)

// TestKit shows what a test of a policy does with the kit.
func TestKit(t *testing.T) {
	ca := mdstest.New(t, mdstest.Options{})
	model := [16]byte{1}
	source := ca.Source(t, mdstest.Payload{Number: 3, Entries: []mdstest.Entry{{
		AAGUID: model, Description: "Model One", Roots: ca.Roots(), Certifications: map[string]int{"FIPS-CMVP-3": 2},
		Status: []mds.StatusReport{{Status: mds.CertifiedL2, EffectiveDate: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)}},
	}}})
	blob, err := source.Current(t.Context())
	require.NoError(t, err)
	require.Empty(t, blob.Problems)
	e, ok := blob.Entry(model)
	require.True(t, ok)
	require.Equal(t, "Model One", e.Description)
	require.Equal(t, ca.Roots(), e.Roots)
	require.Equal(t, mds.Level2, e.LevelAt(time.Now()))
	require.Equal(t, 2, e.FIPS140At(time.Now()))
	require.Equal(t, []string{"hardware", "secure_element"}, e.KeyProtection)
	require.Equal(t, [][]string{{"passcode_external"}}, e.UserVerificationMethods)
	require.Equal(t, "fido2", e.ProtocolFamily)

	ski := [20]byte{2}
	blob = ca.Parse(t, mdstest.Payload{Number: 4, Entries: []mdstest.Entry{{KeyIdentifiers: [][20]byte{ski}}}})
	e, ok = blob.EntryByKeyIdentifier(ski[:])
	require.True(t, ok)
	require.Equal(t, "u2f", e.ProtocolFamily)
}
