package postgres

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/lakekey/lakekey/internal/postgresdb"
)

// sweeper removes what has expired, now and then.
type sweeper struct {
	last atomic.Int64 // in nanoseconds
}

const sweepEvery = time.Minute

// sweepAtOnce keeps a sweep after a flood shorter than a statement may take.
const sweepAtOnce = 10_000

// expired skips what somebody else is at, another replica's sweep for one: those
// that delete the same rows in different orders would wait for each other.
var expired = [...]string{
	"DELETE FROM fido_ceremonies WHERE id = ANY (ARRAY(SELECT id FROM fido_ceremonies WHERE expires < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))",
	"DELETE FROM fido_invites WHERE id = ANY (ARRAY(SELECT id FROM fido_invites WHERE expires < $1 AND expires <> 0 LIMIT $2 FOR UPDATE SKIP LOCKED))",
}

func (s *sweeper) run(ctx context.Context, db *postgresdb.DB, now time.Time) error {
	last := s.last.Load()
	if elapsed := now.UnixNano() - last; elapsed >= 0 && elapsed < int64(sweepEvery) || !s.last.CompareAndSwap(last, now.UnixNano()) {
		return nil
	}
	for _, statement := range expired {
		if _, err := db.ExecContext(ctx, statement, now.UnixNano(), sweepAtOnce); err != nil {
			return db.Failed(ctx, "removing what has expired", err)
		}
	}
	return nil
}
