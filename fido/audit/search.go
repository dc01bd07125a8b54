package audit

import (
	"bytes"
	"context"
	"fmt"
	"io"
)

// Query chooses records for [Log.Search].
type Query struct {
	Before uint64             // only records with a smaller number; 0: from the newest
	Limit  int                // at most so many; 0 means 100, and there are never more than 1,000
	Match  func(*Record) bool // nil: all; a filter of package export has one
}

const (
	usualFound = 100
	maxFound   = 1000
	chunkRead  = 64 << 10
)

// Search returns records, the newest first, for a page on which people look at
// the log. It reads backwards until it has found enough, or the log begins: what
// is rare takes long in a long log, so give ctx a deadline. To go on, ask for what
// is before the last that was found.
//
// What Search returns stands in the log now. That it is what was written, only
// [Verify] can tell.
func (l *Log) Search(ctx context.Context, q Query) ([]*Record, error) {
	limit := q.Limit
	if limit <= 0 {
		limit = usualFound
	}
	limit = min(limit, maxFound)
	var found []*Record
	visit := func(line []byte) (more bool, err error) {
		r, err := readRecord(bytes.Clone(line))
		if err != nil {
			return false, fmt.Errorf("audit: the log holds something that is no record (verify it): %w", err)
		}
		if q.Before != 0 && r.Number >= q.Before || q.Match != nil && !q.Match(r) {
			return true, nil
		}
		found = append(found, r)
		return len(found) < limit, nil
	}
	var err error
	if l.shared != nil {
		err = backwardsSQL(ctx, l.shared.db, q.Before, visit)
	} else {
		l.mu.Lock()
		size, closed := l.size, l.closed
		l.mu.Unlock()
		if closed && !l.inline {
			return nil, ErrClosed
		}
		err = backwards(ctx, l.store, size, visit)
	}
	if err != nil {
		return nil, err
	}
	return found, nil
}

// backwards visits the lines in the first size bytes, the last one first.
func backwards(ctx context.Context, r io.ReaderAt, size int64, visit func([]byte) (bool, error)) error {
	var rest []byte // the beginning of what was read, whose first line may begin further ahead
	for end := size; end > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(rest) > maxLine+1 {
			return fmt.Errorf("audit: the log holds something that is no record (verify it): %w", errForm)
		}
		start := max(0, end-chunkRead)
		buf := make([]byte, end-start, int(end-start)+len(rest))
		if _, err := r.ReadAt(buf, start); err != nil && err != io.EOF {
			return fmt.Errorf("audit: reading the log: %v", err)
		}
		buf = append(buf, rest...)
		for {
			body := bytes.TrimSuffix(buf, []byte("\n"))
			i := bytes.LastIndexByte(body, '\n')
			if i < 0 && start > 0 || len(body) == 0 {
				break // a line is known whole when what stands before it is
			}
			if more, err := visit(body[i+1:]); !more || err != nil {
				return err
			}
			buf = buf[:i+1]
		}
		rest, end = buf, start
	}
	return nil
}

func backwardsSQL(ctx context.Context, db Database, before uint64, visit func([]byte) (bool, error)) error {
	last := int64(before)
	if before == 0 || before > 1<<62 {
		last = 1 << 62
	}
	for {
		page, err := pageBefore(ctx, db, &last)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, line := range page {
			if more, err := visit(line); !more || err != nil {
				return err
			}
		}
	}
}

// pageBefore reads records before *last, the newest first, and moves it there.
func pageBefore(ctx context.Context, db Database, last *int64) (page [][]byte, err error) {
	rows, err := db.QueryContext(ctx, "SELECT seq, line FROM audit_records WHERE seq < $1 ORDER BY seq DESC LIMIT $2", *last, pageRows)
	if err != nil {
		return nil, failedSQL(ctx, "reading records", err)
	}
	defer rows.Close()
	for rows.Next() {
		var line []byte
		if err := rows.Scan(last, &line); err != nil {
			return nil, failedSQL(ctx, "reading records", err)
		}
		page = append(page, line)
	}
	if err := rows.Err(); err != nil {
		return nil, failedSQL(ctx, "reading records", err)
	}
	return page, nil
}
