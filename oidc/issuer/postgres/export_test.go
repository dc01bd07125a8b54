package postgres

import (
	"context"

	"github.com/lakekey/lakekey/internal/postgresdb"
)

// OpenOld opens a database as the version did that had n migrations.
func OpenOld(ctx context.Context, address string, n int) (*postgresdb.DB, error) {
	return postgresdb.Open(ctx, address, postgresdb.Component{Name: component.Name, Migrations: component.Migrations[:n]})
}
