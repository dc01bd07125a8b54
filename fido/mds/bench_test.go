package mds_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/mds"
)

// BenchmarkParse verifies and reads the production blob no. 112: 4 MB, 265
// models, 361 roots.
func BenchmarkParse(b *testing.B) {
	blob := productionBlob(b)
	b.SetBytes(int64(len(blob)))
	b.ReportAllocs()
	for b.Loop() {
		_, err := mds.Parse(blob, mds.ParseOptions{Now: inItsTime})
		require.NoError(b, err)
	}
}

func BenchmarkEntry(b *testing.B) {
	blob, err := mds.Parse(productionBlob(b), mds.ParseOptions{Now: inItsTime})
	require.NoError(b, err)
	yubikey := aaguid(b, "c1f9a0bc-1dd2-404a-b27f-8e29047a43fd")
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := blob.Entry(yubikey); !ok {
			b.Fatal("it is not there")
		}
	}
}

// BenchmarkJudge is what a policy asks about one key.
func BenchmarkJudge(b *testing.B) {
	blob, err := mds.Parse(productionBlob(b), mds.ParseOptions{Now: inItsTime})
	require.NoError(b, err)
	e, _ := blob.Entry(aaguid(b, "c1f9a0bc-1dd2-404a-b27f-8e29047a43fd"))
	b.ReportAllocs()
	for b.Loop() {
		_, bad := e.CompromisedAt(inItsTime, nil)
		if bad || e.LevelAt(inItsTime) != mds.Level2 || e.FIPS140At(inItsTime) != 2 {
			b.Fatal("not what it is")
		}
	}
}
