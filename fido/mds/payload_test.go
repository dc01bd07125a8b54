package mds_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/mds"
	"github.com/lakekey/lakekey/fido/mds/mdstest"
)

func TestPayloadThatIsNone(t *testing.T) {
	ca := mdstest.New(t, mdstest.Options{})
	for text, reason := range map[string]string{
		``:     "not a JSON object",
		`null`: "not a JSON object",
		`[]`:   "not a JSON object",
		`{`:    "payload",
		`{"nextUpdate":"2030-01-01","entries":[]}`:                            "no number",
		`{"no":1,"entries":[]}`:                                               "nextUpdate",
		`{"no":1,"nextUpdate":"2030-01-01"}`:                                  "no entries",
		`{"no":-1,"nextUpdate":"2030-01-01","entries":[]}`:                    "number",
		`{"no":"1","nextUpdate":"2030-01-01","entries":[]}`:                   "number",
		`{"no":1.5,"nextUpdate":"2030-01-01","entries":[]}`:                   "number",
		`{"no":1e3,"nextUpdate":"2030-01-01","entries":[]}`:                   "number",
		`{"no":99999999999,"nextUpdate":"2030-01-01","entries":[]}`:           "number",
		`{"no":1,"nextUpdate":"tomorrow","entries":[]}`:                       "date",
		`{"no":1,"nextUpdate":20300101,"entries":[]}`:                         "date",
		`{"no":1,"nextUpdate":"2030-01-01","entries":{}}`:                     "not a list",
		`{"no":1,"nextUpdate":"2030-01-01","entries":null}`:                   "not a list",
		`{"no":1,"nextUpdate":"2030-01-01","legalHeader":1,"entries":[]}`:     "legalHeader",
		`{"no":1,"nextUpdate":"2030-01-01","entries":[],"no":2}`:              "twice",
		`{"no":1,"nextUpdate":"2030-01-01","entries":[],"entries":[]}`:        "twice",
		`{"no":1,"nextUpdate":"2030-01-01","entries":[{]}`:                    "entry 0",
		`{"no":1,"nextUpdate":"2030-01-01","entries":[]} {"no":2}`:            "follows",
		`{"no":1,"nextUpdate":"2030-01-01","entries":[]`:                      "payload",
		`{"no":1,"nextUpdate":"2030-01-01","entries":[` + many(20_001) + `]}`: "more than",
	} {
		b, err := mds.Parse(ca.Sign(t, ca.Header(), []byte(text)), mds.ParseOptions{Roots: ca.Roots()})
		requireRefused(t, b, err, "payload")
		require.ErrorContains(t, err, reason)
	}
	b, err := mds.Parse(ca.Sign(t, ca.Header(), []byte(`{"later":[1],"no":1,"nextUpdate":"2030-01-01T10:00:00Z","entries":[]}`)), mds.ParseOptions{Roots: ca.Roots()})
	require.NoError(t, err, "unknown members are for later versions")
	require.Equal(t, 10, b.NextUpdate.Hour())
}

func many(n int) string { return strings.TrimSuffix(strings.Repeat("0,", n), ",") }

// TestBrokenEntry: whatever one entry is like, the others stay.
func TestBrokenEntry(t *testing.T) {
	ca := mdstest.New(t, mdstest.Options{})
	const statement = `"metadataStatement":{"description":"x","keyProtection":["hardware"],"authenticatorGetInfo":{"certifications":{"FIPS-CMVP-3":2}}}`
	const revoked = `"statusReports":[{"status":"REVOKED","effectiveDate":"2020-01-01"}]`
	const id = `"aaguid":"09000000-0000-0000-0000-000000000000"`
	type want struct {
		found, statement, revoked bool
		problems                  int
	}
	for text, w := range map[string]want{
		`{` + id + `,` + statement + `,` + revoked + `}`:                                       {true, true, true, 0},
		`{` + id + `,` + revoked + `}`:                                                         {true, false, true, 0},
		`{` + id + `,"later":{"a":1},` + statement + `,` + revoked + `}`:                       {true, true, true, 0},
		`{"aaguid":"09000000000000000000000000000000",` + revoked + `}`:                        {true, false, true, 0},
		`{` + id + `,"metadataStatement":"x",` + revoked + `}`:                                 {true, false, true, 1},
		`{` + id + `,"metadataStatement":{"keyProtection":1},` + revoked + `}`:                 {true, false, true, 1},
		`{` + id + `,"metadataStatement":{"aaguid":"` + zeros(1) + `"},` + revoked + `}`:       {true, false, true, 1},
		`{` + id + `,"statusReports":[{"status":"REVOKED","effectiveDate":"soon"}]}`:           {true, false, true, 1},
		`{` + id + `,"statusReports":[{"status":"REVOKED","sunsetDate":"soon"}]}`:              {true, false, true, 1},
		`{` + id + `,"statusReports":[{"status":"REVOKED","url":7}]}`:                          {true, false, true, 1},
		`{` + id + `,"statusReports":[{"status":"REVOKED","batchCertificate":"?"}]}`:           {true, false, true, 1},
		`{` + id + `,"statusReports":[{"status":"FIDO_CERTIFIED_L3","effectiveDate":"soon"}]}`: {true, false, false, 1},
		`{` + id + `,"statusReports":[{"effectiveDate":"2020-01-01"},7]}`:                      {true, false, false, 2},
		`{` + id + `,"statusReports":[{"status":"LATER"}],"biometricStatusReports":[7]}`:       {true, false, false, 1},
		`{` + id + `,"statusReports":7}`:                                                       {problems: 1},
		`{` + id + `,` + id + `,` + revoked + `}`:                                              {problems: 1},
		`{` + id + `,"AAGUID":"` + zeros(1) + `",` + revoked + `}`:                             {problems: 1},
		`{` + revoked + `}`:                                                  {problems: 1},
		`{"aaguid":"` + zeros(0) + `",` + revoked + `}`:                      {problems: 1},
		`{"aaguid":"0900",` + revoked + `}`:                                  {problems: 1},
		`{"aaguid":"0900000000000000000000000000000g",` + revoked + `}`:      {problems: 1},
		`{"aaguid":"09-000000-0000-0000-0000-000000000000",` + revoked + `}`: {problems: 1},
		`{"attestationCertificateKeyIdentifiers":["xyz"]}`:                   {problems: 2},
		`7`:    {problems: 1},
		`null`: {problems: 1},
		`{` + id + `,` + statement + `,"x":` + strings.Repeat("[", 50) + strings.Repeat("]", 50) + `}`: {problems: 1},
	} {
		t.Run(text[:min(len(text), 100)], func(t *testing.T) {
			whole := fmt.Sprintf(`{"no":1,"nextUpdate":"2030-01-01","entries":[{"aaguid":"%s"},%s,{"aaguid":"%s"}]}`, zeros(1), text, zeros(2))
			b, err := mds.Parse(ca.Sign(t, ca.Header(), []byte(whole)), mds.ParseOptions{Roots: ca.Roots()})
			require.NoError(t, err)
			for _, other := range [][16]byte{{15: 1}, {15: 2}} {
				_, ok := b.Entry(other)
				require.True(t, ok)
			}
			require.Len(t, b.Problems, w.problems, "%v", b.Problems)
			for _, p := range b.Problems {
				require.Equal(t, 1, p.Index)
			}
			e, ok := b.Entry([16]byte{9})
			require.Equal(t, w.found, ok)
			if !ok {
				require.Equal(t, 2, b.Len())
				return
			}
			require.Equal(t, w.statement, e.KeyProtection != nil)
			require.Equal(t, w.statement, e.FIPS140At(day("2024-01-01")) == 2)
			_, bad := e.CompromisedAt(day("2024-01-01"), nil)
			require.Equal(t, w.revoked, bad)
			require.Equal(t, mds.LevelNone, e.LevelAt(day("2024-01-01")))
		})
	}
}

func zeros(last int) string { return fmt.Sprintf("00000000-0000-0000-0000-%012d", last) }

func TestStatementOfOthers(t *testing.T) {
	ca := mdstest.New(t, mdstest.Options{})
	b := ca.Parse(t, mdstest.Payload{Number: 1, Entries: []mdstest.Entry{
		{AAGUID: model, Certifications: map[string]int{"FIPS-CMVP-3": 3}, Statement: map[string]any{
			"authenticatorGetInfo": map[string]any{"aaguid": strings.Repeat("11", 16), "certifications": map[string]int{"FIPS-CMVP-3": 3}},
		}},
		{AAGUID: [16]byte{7}, MultiDevice: "explicit", Statement: map[string]any{
			"authenticatorGetInfo": map[string]any{
				"certifications": map[string]any{"FIPS-CMVP-3": 2, "FIDO": "one", "FIPS-CMVP-2": nil},
				"options":        map[string]any{"rk": true, "plat": "false"}, "attestationFormats": []string{"packed"},
			},
		}},
	}})
	e, _ := b.Entry(model)
	require.Nil(t, e.Certifications, "these are another model's")
	require.Zero(t, e.FIPS140At(day("2024-01-01")))
	require.Len(t, b.Problems, 1)
	e, _ = b.Entry([16]byte{7})
	require.Equal(t, map[string]int{"FIPS-CMVP-3": 2}, e.Certifications)
	require.Equal(t, map[string]bool{"rk": true}, e.Options)
	require.Equal(t, []string{"packed"}, e.Formats)
	require.Equal(t, "explicit", e.MultiDevice)
}

// TestTwoEntriesForOneModel: the one that warns is found, in either order.
func TestTwoEntriesForOneModel(t *testing.T) {
	ca := mdstest.New(t, mdstest.Options{})
	ski := [20]byte{5}
	bad := []mds.StatusReport{{Status: mds.UserKeyRemoteCompromise}}
	good := []mds.StatusReport{{Status: mds.CertifiedL3}}
	for _, order := range [][2][]mds.StatusReport{{good, bad}, {bad, good}} {
		b := ca.Parse(t, mdstest.Payload{Number: 1, Entries: []mdstest.Entry{
			{AAGUID: model, Status: order[0]}, {AAGUID: model, Status: order[1]},
			{KeyIdentifiers: [][20]byte{ski, ski}, Status: order[0]}, {KeyIdentifiers: [][20]byte{ski}, Status: order[1]},
		}})
		require.Equal(t, 4, b.Len())
		require.Len(t, b.Problems, 2)
		require.Equal(t, 1, b.Problems[0].Index)
		require.Equal(t, 3, b.Problems[1].Index)
		e, ok := b.Entry(model)
		require.True(t, ok)
		_, compromised := e.CompromisedAt(day("2024-01-01"), nil)
		require.True(t, compromised)
		e, ok = b.EntryByKeyIdentifier(ski[:])
		require.True(t, ok)
		_, compromised = e.CompromisedAt(day("2024-01-01"), nil)
		require.True(t, compromised)
	}
}
