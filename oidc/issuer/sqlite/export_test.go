package sqlite

import (
	"context"

	"github.com/lakekey/lakekey/internal/sqlitedb"
)

// OpenOld opens a file as the version did that had n migrations.
func OpenOld(ctx context.Context, path string, n int) (*sqlitedb.DB, error) {
	return sqlitedb.Open(ctx, path, sqlitedb.Component{Name: component.Name, Migrations: component.Migrations[:n]})
}
