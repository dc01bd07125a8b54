package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/fidotest"
	"github.com/lakekey/lakekey/fido/sqlite"
)

func open(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestStoreInMemory(t *testing.T) {
	fidotest.TestStore(t, func(t *testing.T) fido.Store { return open(t, ":memory:") })
}

func TestStoreInFile(t *testing.T) {
	fidotest.TestStore(t, func(t *testing.T) fido.Store { return open(t, filepath.Join(t.TempDir(), "keys.db")) })
}

func TestStoreThroughTwoHandles(t *testing.T) {
	fidotest.TestStore(t, func(t *testing.T) fido.Store {
		path := filepath.Join(t.TempDir(), "keys.db")
		return &alternating{stores: []fido.Store{open(t, path), open(t, path)}}
	})
}

func TestStoreSurvivesReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	first := open(t, path)
	seed, err := first.Swap(t.Context(), "seed", nil, []byte{1})
	require.NoError(t, err)
	again, err := open(t, path).Swap(t.Context(), "seed", nil, []byte{2})
	require.NoError(t, err)
	require.Equal(t, seed, again)
}
