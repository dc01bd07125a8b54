package audit

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Database is where [OpenSQL] keeps a log: a database with these tables, in the
// types of its own dialect, into which nothing else writes.
//
//	audit_records (seq BIGINT PRIMARY KEY, line BYTES NOT NULL)
//	audit_head    (one INTEGER PRIMARY KEY, turns BIGINT NOT NULL,
//	               size BIGINT NOT NULL, peaks BYTES NOT NULL, checkpoint BYTES NOT NULL)
//
// Statements number their parameters $1, $2, …, and are few and constant, so that
// they can stay prepared. Packages audit/sqlite and audit/postgres have one each.
// It must be safe for concurrent use.
type Database interface {
	// Update runs fn in a transaction. It returns nil when what fn did is durable.
	// If it returns an error, fn's among them, either nothing was done, or, if
	// only the answer to the commit was lost, all of it. A row that fn has updated
	// waits, for everybody else, until the transaction is over, and then shows what
	// it has done. fn may run more than once.
	Update(ctx context.Context, fn func(Tx) error) error

	// QueryContext is that of [sql.DB]. It sees what Update has done.
	QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error)

	Close() error
}

// Tx is a transaction. A [sql.Tx] is one.
type Tx interface {
	ExecContext(ctx context.Context, statement string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, statement string, args ...any) *sql.Row
}

// OpenSQL opens the log in db, or starts one there. Any number of programs may
// have it open: their records make one chain. The newest checkpoint lies in the
// database and always covers every record. All programs sign with the same key.
// From here on db is the log's, which closes it.
//
// OpenSQL makes sure that the newest checkpoint is signed by signer, fits the
// newest record, and that there is none behind it; otherwise it fails with a
// [*TamperError]. [VerifySQL] verifies the records before that. What the
// database does not do while the log is open fails with a [*WriteError] that is
// temporary; what was tampered with, with one that is not and wraps a
// *TamperError.
//
// Who may write to the database and has an older copy of it can put it back.
// Programs that have the log open notice; others cannot, without a checkpoint
// that was kept elsewhere ([Options.OffHost]).
func OpenSQL(ctx context.Context, db Database, signer note.Signer, o Options) (*Log, error) {
	if signer == nil {
		return nil, errors.New("audit: a log needs a signer")
	}
	l := newLog(nil, signer, o)
	if err := l.checkSigner(); err != nil {
		return nil, err
	}
	l.shared = &replica{db: db, signer: signer}
	newest, err := l.shared.open(ctx)
	if err != nil {
		return nil, err
	}
	l.send(newest) // whoever wrote it may not have come to it
	return l, nil
}

// VerifySQL verifies the log in db against the checkpoint there and those in o.
func VerifySQL(ctx context.Context, db Database, key note.Verifier, o VerifyOptions) (*Report, error) {
	// The checkpoint first: the log may grow meanwhile, never shrink.
	msg, err := CheckpointSQL(ctx, db)
	if err != nil {
		return nil, err
	}
	o.Checkpoints = append([][]byte{msg}, o.Checkpoints...)
	r, err := Verify(ReadSQL(ctx, db), key, o)
	if err != nil {
		return nil, err
	}
	var size, newest int64
	if err := queryRow(ctx, db, "SELECT size, (SELECT coalesce(max(seq), 0) FROM audit_records) FROM audit_head WHERE one = 1", &size, &newest); err != nil {
		return nil, err
	}
	return r, behind(size, newest)
}

// behind fails if records stand behind the newest checkpoint: whoever put them
// there had no key.
func behind(size, newest int64) error {
	if newest <= size {
		return nil
	}
	return &TamperError{
		Kind: Inserted, Record: uint64(size) + 1, Last: uint64(newest), Line: uint64(size) + 1,
		Detail: "in a database the newest checkpoint covers every record, and this one does not",
	}
}

// CheckpointSQL returns the newest checkpoint of the log in db, as it stands
// there: whoever may write to the database could have changed it.
func CheckpointSQL(ctx context.Context, db Database) (msg []byte, err error) {
	err = queryRow(ctx, db, "SELECT checkpoint FROM audit_head WHERE one = 1", &msg)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, &TamperError{Kind: Unsigned, Detail: "the database holds no checkpoint; if no log was ever opened in it, there is nothing to verify"}
	}
	return msg, err
}

func queryRow(ctx context.Context, db Database, statement string, dst ...any) error {
	rows, err := db.QueryContext(ctx, statement)
	if err != nil {
		return failedSQL(ctx, "reading the log", err)
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return failedSQL(ctx, "reading the log", err)
		}
		return sql.ErrNoRows
	}
	if err := rows.Scan(dst...); err != nil {
		return failedSQL(ctx, "reading the log", err)
	}
	return nil
}

// failedSQL keeps the cause that a caller can act on, and seals the driver's.
func failedSQL(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("audit: %s: %w", what, ctx.Err())
	}
	return fmt.Errorf("audit: %s: %v", what, err)
}

// ReadSQL reads the records of the log in db as a file would hold them, for
// [Verify] and its like.
func ReadSQL(ctx context.Context, db Database) io.Reader { return &sqlReader{ctx: ctx, db: db} }

const pageRows = 2048 // no cursor stays open while a reader takes its time

type sqlReader struct {
	ctx  context.Context // as long as the reader lives, which is one call of its maker
	db   Database
	last int64
	page bytes.Buffer
	end  bool
}

func (r *sqlReader) Read(p []byte) (int, error) {
	if r.page.Len() == 0 && !r.end {
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	return r.page.Read(p) // io.EOF when empty
}

func (r *sqlReader) next() error {
	rows, err := r.db.QueryContext(r.ctx, "SELECT seq, line FROM audit_records WHERE seq > $1 ORDER BY seq LIMIT $2", r.last, pageRows)
	if err != nil {
		return failedSQL(r.ctx, "reading records", err)
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		var line sql.RawBytes
		if err := rows.Scan(&r.last, &line); err != nil {
			return failedSQL(r.ctx, "reading records", err)
		}
		r.page.Write(line)
		r.page.WriteByte('\n')
	}
	r.end = n < pageRows
	if err := rows.Err(); err != nil {
		return failedSQL(r.ctx, "reading records", err)
	}
	return nil
}

// peaks of a tree as the database holds them: those that are there, the smallest
// first.
func marshalPeaks(t *tree) []byte {
	var out []byte
	for level := range t.peaks {
		if t.size>>level&1 == 1 {
			out = append(out, t.peaks[level][:]...)
		}
	}
	return out
}

func unmarshalPeaks(size uint64, b []byte) (t tree, ok bool) {
	t.size = size
	for level := range t.peaks {
		if size>>level&1 == 1 {
			if len(b) < tlog.HashSize {
				return tree{}, false
			}
			t.peaks[level] = tlog.Hash(b[:tlog.HashSize])
			b = b[tlog.HashSize:]
		}
	}
	return t, len(b) == 0
}
