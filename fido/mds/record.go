package mds

import (
	"context"
	"strconv"
	"time"

	"github.com/lakekey/lakekey/fido/audit"
)

// recordTimeout bounds how long a log may hold up the metadata.
const recordTimeout = 10 * time.Second

// record writes down what has become of the metadata. Metadata that is good is used
// although it cannot be recorded: bad news about models must not wait for a log.
func (s *Source) record(typ string, outcome audit.Outcome, number int, host, reason string) {
	if s.cfg.Audit == nil {
		return
	}
	e := audit.Event{Type: typ, Outcome: outcome, Host: host, Reason: reason}
	if number >= 0 {
		e.Metadata = "mds " + strconv.Itoa(number)
	}
	ctx, cancel := context.WithTimeout(context.Background(), recordTimeout)
	defer cancel()
	if err := s.cfg.Audit.Append(ctx, e); err != nil {
		s.cfg.Logger.Error("mds: what has become of the metadata could not be recorded", "type", typ, "error", err)
	}
}

// note keeps how the latest attempt ended. An error is recorded once, not for as
// long as it lasts.
func (s *Source) note(err error) {
	before := s.lastError()
	s.lastErr.Store(&err)
	if err == nil || before != nil && before.Error() == err.Error() {
		return
	}
	number := -1
	if b := s.current.Load(); b != nil {
		number = b.Number // which stays in use
	}
	s.record("mds.failed", audit.Failed, number, s.url.Host, err.Error())
}

// noteStale records, once for each blob, that it is not handed out any longer. The
// caller has the turn.
func (s *Source) noteStale() {
	b := s.current.Load()
	if b == nil || b.Number == s.stale || !s.cfg.Now().After(b.NextUpdate.Add(s.cfg.MaxStale)) {
		return
	}
	s.stale = b.Number
	s.record("mds.stale", audit.Failed, b.Number, s.url.Host, (&StaleError{Number: b.Number, NextUpdate: b.NextUpdate, Allowed: s.cfg.MaxStale, Reason: s.lastError()}).Error())
}
