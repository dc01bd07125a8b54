package mds_test

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/mds"
	"github.com/lakekey/lakekey/fido/mds/mdstest"
)

// vectorFile reads a file of other people's test data, which is not part of this
// repository. It skips if there is no such data, and fails if there should be.
func vectorFile(t testing.TB, name string) []byte {
	t.Helper()
	dir, set := os.LookupEnv("LAKEKEY_VECTORS")
	if !set {
		root, err := os.Getwd()
		require.NoError(t, err)
		for {
			if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
				break
			}
			require.NotEqual(t, root, filepath.Dir(root), "no go.mod above the test")
			root = filepath.Dir(root)
		}
		dir = filepath.Join(root, "..", "shared", "vectors")
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			t.Skip("no vectors: set LAKEKEY_VECTORS to the directory that holds " + name)
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return b
}

// inItsTime is when the production blob no. 112 was current.
var inItsTime = time.Date(2024, 11, 15, 0, 0, 0, 0, time.UTC)

func productionBlob(t testing.TB) []byte {
	t.Helper()
	unzip, err := gzip.NewReader(bytes.NewReader(vectorFile(t, "mds3_blob_112.jwt.gz")))
	require.NoError(t, err)
	blob, err := io.ReadAll(unzip)
	require.NoError(t, err)
	return blob
}

func aaguid(t testing.TB, text string) (a [16]byte) {
	t.Helper()
	n, err := hex.Decode(a[:], []byte(strings.ReplaceAll(text, "-", "")))
	require.NoError(t, err)
	require.Equal(t, 16, n)
	return a
}

func day(text string) time.Time {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		panic(err)
	}
	return t
}

var model = [16]byte{1, 2, 3}

// payload is one model in blob number n.
func payload(n int) mdstest.Payload {
	return mdstest.Payload{Number: n, Entries: []mdstest.Entry{{AAGUID: model, Description: "Key"}}}
}

// requireRefused checks that a blob is refused for this reason, and that nothing
// of it comes out.
func requireRefused(t testing.TB, b *mds.Blob, err error, check string) {
	t.Helper()
	require.Nil(t, b)
	var refused *mds.VerificationError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, check, refused.Check, err)
}

func writeFile(t testing.TB, path string, text []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, text, 0o600))
}
