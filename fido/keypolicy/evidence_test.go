package keypolicy_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/keypolicy"
)

func TestEvidenceRoundTripsAsJSON(t *testing.T) {
	for _, e := range []keypolicy.Evidence{
		{},
		{
			Verdict: keypolicy.Rooted, RootedBy: "mds", AAGUID: keypolicy.AAGUID{0xee, 15: 1}, Format: "packed", Model: "Key 5", Attachment: "cross-platform",
			Hardware: true, FIPS: true, Certification: keypolicy.L2Plus, Status: []string{"FIDO_CERTIFIED_L2"}, Metadata: 112, MetadataStale: true,
			BackupEligible: true, UserVerified: true, Note: "chains", At: time.Date(2026, 11, 3, 4, 5, 6, 7, time.UTC),
		},
	} {
		b, err := json.Marshal(e)
		require.NoError(t, err)
		var back keypolicy.Evidence
		require.NoError(t, json.Unmarshal(b, &back))
		require.Equal(t, e, back)
	}
	for _, bad := range []string{`{"verdict":"trusted"}`, `{"verdict":""}`, `{"aaguid":"1"}`, `{"aaguid":"ee882879-721c-4913-9775-3dfcce97072g"}`, `{"certification":"L4"}`} {
		require.Error(t, json.Unmarshal([]byte(bad), new(keypolicy.Evidence)), bad)
	}
}

func TestEvidenceClone(t *testing.T) {
	e := keypolicy.Evidence{Status: []string{"REVOKED"}}
	e.Clone().Status[0] = "FIDO_CERTIFIED"
	require.Equal(t, []string{"REVOKED"}, e.Status)
}

func TestParseAAGUID(t *testing.T) {
	a, err := keypolicy.ParseAAGUID("EE882879-721c-4913-9775-3dfcce97072a")
	require.NoError(t, err)
	require.Equal(t, "ee882879-721c-4913-9775-3dfcce97072a", a.String())
	require.False(t, a.IsZero())
	for _, bad := range []string{"", "ee882879721c491397753dfcce97072a", "ee882879-721c-4913-9775-3dfcce97072a ", "ee882879-721c-4913-97753dfcce97072a0"} {
		_, err := keypolicy.ParseAAGUID(bad)
		require.ErrorContains(t, err, "keypolicy: ")
	}
}
