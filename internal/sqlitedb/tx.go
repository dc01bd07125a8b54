package sqlitedb

import (
	"context"
	"database/sql"
)

// Tx is the transaction in which a change is made. It is valid until the
// function that it was given to returns.
//
// Its methods are those of [sql.Tx], but for two things. Statements stay
// prepared, so they must be constants. And a context that ends does not stop
// them: SQLite would roll back the transaction, which is not the change's alone.
type Tx struct {
	group *group
}

// ExecContext executes a statement that returns no rows.
func (tx *Tx) ExecContext(ctx context.Context, statement string, args ...any) (sql.Result, error) {
	s, err := tx.group.prepared(statement)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(context.WithoutCancel(ctx), args...)
}

// QueryContext executes a statement that returns rows.
func (tx *Tx) QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	s, err := tx.group.prepared(statement)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(context.WithoutCancel(ctx), args...)
}

// QueryRowContext executes a statement that returns at most one row.
func (tx *Tx) QueryRowContext(ctx context.Context, statement string, args ...any) *sql.Row {
	ctx = context.WithoutCancel(ctx)
	s, err := tx.group.prepared(statement)
	if err != nil { // a Row with this error only the database can make
		return tx.group.conn.QueryRowContext(ctx, statement, args...)
	}
	return s.QueryRowContext(ctx, args...)
}

// script executes several statements, once.
func (tx *Tx) script(ctx context.Context, statements string) error {
	_, err := tx.group.conn.ExecContext(context.WithoutCancel(ctx), statements)
	return err
}
