package postgresdb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
)

// Error is what the server, or its absence, made of a call.
type Error struct {
	What string // that was to be done
	Code string // SQLSTATE; empty if there was no answer
	Why  string // in words, with what to do where that is known

	// Unavailable says that it is the server, not what was asked: the same call
	// may work later. Whether a change that was under way has happened, only the
	// database knows.
	Unavailable bool
}

// Error implements error.
func (e *Error) Error() string {
	if e.Code == "" {
		return fmt.Sprintf("postgresdb: %s: %s", e.What, e.Why)
	}
	return fmt.Sprintf("postgresdb: %s: %s (SQLSTATE %s)", e.What, e.Why, e.Code)
}

// reasons puts the codes that an operator can do something about in words.
// https://www.postgresql.org/docs/current/errcodes-appendix.html
var reasons = map[string]struct {
	why         string
	unavailable bool
}{
	"28000": {"the server lets nobody in under this name from here: look at its pg_hba.conf", false},
	"28P01": {"the server does not accept the password", false},
	"3D000": {"there is no database of this name: create it with createdb", false},
	"42501": {"the role may not do this: grant it what is missing, or own the tables with it", false},
	"42P01": {"a table is missing that was there: was the database restored in part, or is search_path another?", false},
	"25006": {"the server only reads: is it a standby? Give the address of the primary, or target_session_attrs=read-write", true},
	"53300": {"the server has no connection left: raise its max_connections, or lower pool_max_conns in the address", true},
	"53100": {"the server's disk is full", true},
	"57P01": {"the server is shutting down", true},
	"57P02": {"the server is restarting after a crash", true},
	"57P03": {"the server is starting or stopping", true},
	"57014": {"it took longer than the statement_timeout", true},
	"55P03": {"something else held it locked for longer than the lock_timeout", true},
	"40001": {"others kept changing the same rows", true},
	"40P01": {"it and others kept waiting for each other", true},
}

// Failed says what err, which the driver returned from doing what, means. It
// passes nil, [sql.ErrNoRows] and errors that it made itself, and keeps the cause
// where the context has ended. After a lost connection, those that lie idle go
// too: they were most likely lost with it, and the next call gets a fresh one.
func (db *DB) Failed(ctx context.Context, what string, err error) error {
	if err == nil || errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if ctx.Err() != nil {
		return fmt.Errorf("postgresdb: %s: %w", what, ctx.Err())
	}
	e := explain(what, err)
	if e.Unavailable && (e.Code == "" || e.Code[:2] == "57") {
		db.forget()
	}
	return e
}

// forget closes the connections that lie idle.
func (db *DB) forget() {
	db.SetMaxIdleConns(-1)
	db.SetMaxIdleConns(db.conns)
}

func explain(what string, err error) *Error {
	if answer, ok := errors.AsType[*pgconn.PgError](err); ok {
		if r, ok := reasons[answer.Code]; ok {
			return &Error{What: what, Code: answer.Code, Why: r.why, Unavailable: r.unavailable}
		}
		// Its other fields can hold what was stored.
		return &Error{What: what, Code: answer.Code, Why: answer.Message, Unavailable: answer.Code[:2] == "08"}
	}
	if refused, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		// The configuration in it holds the password; its cause holds addresses only.
		return &Error{What: what, Why: fmt.Sprintf("no server can be reached: %v", errors.Unwrap(refused)), Unavailable: true}
	}
	if lost(err) {
		return &Error{What: what, Why: fmt.Sprintf("the connection to the server was lost: %v", err), Unavailable: true}
	}
	return &Error{What: what, Why: err.Error()}
}

func lost(err error) bool {
	_, network := errors.AsType[net.Error](err)
	return network || pgconn.SafeToRetry(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, driver.ErrBadConn)
}

// code is the SQLSTATE of an error, as the driver or this package returned it.
func code(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	if answer, ok := errors.AsType[*pgconn.PgError](err); ok {
		return answer.Code
	}
	return ""
}

// IsUnique reports whether the driver's err says that a row with the same primary
// key or unique value exists already.
func IsUnique(err error) bool { return code(err) == "23505" }
