package sqlite_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/audit/audittest"
	"github.com/lakekey/lakekey/fido/audit/sqlite"
)

func TestDatabase(t *testing.T) {
	audittest.TestDatabase(t, func(t *testing.T) func() audit.Database {
		path := filepath.Join(t.TempDir(), "log.db")
		return func() audit.Database {
			db, err := sqlite.Open(context.Background(), path)
			require.NoError(t, err)
			return db
		}
	})
}
