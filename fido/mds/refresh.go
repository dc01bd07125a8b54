package mds

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	lookEvery  = 10 * time.Minute // at the file, and at the clock: machines sleep
	spread     = time.Hour        // so that not everybody asks at midnight
	firstRetry = time.Minute
	lastRetry  = 4 * time.Hour
	lateRetry  = time.Hour // the server answers well, but has nothing newer yet
)

// Run keeps the metadata current until ctx ends, and returns its error. It
// fetches when [SourceConfig.Interval] or the blob in use says so; after a failure
// it waits longer and longer, up to four hours. It also sees when somebody else
// replaces the file. One goroutine per Source should call it.
func (s *Source) Run(ctx context.Context) error {
	var said error
	for {
		next, err := s.refresh(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("keeping the metadata current: %w", ctx.Err())
		}
		if err != nil && err != said { // one error is returned until the next attempt
			s.cfg.Logger.Warn("mds: no newer metadata", "error", err, "next_attempt", next)
		}
		said = err
		wait := lookEvery
		if !s.cfg.Offline {
			wait = max(min(next.Sub(s.cfg.Now()), lookEvery), time.Second)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("keeping the metadata current: %w", ctx.Err())
		}
	}
}

// Refresh reads the file if it has changed, and fetches a blob if the one in use
// is due to be replaced. It does nothing when neither is so, or when the last
// attempt failed a short while ago: calling it often does no harm, restarting in
// a loop neither. A nil error says that the metadata is as new as can be expected
// now.
func (s *Source) Refresh(ctx context.Context) error {
	_, err := s.refresh(ctx)
	return err
}

// refresh returns when it next has something to do. The error is that of this
// attempt, or of the last one while that is still being waited out.
func (s *Source) refresh(ctx context.Context) (next time.Time, err error) {
	if err := s.fetching.take(ctx); err != nil {
		return time.Time{}, err
	}
	defer s.fetching.give()
	if err := s.turn.take(ctx); err != nil {
		return time.Time{}, err
	}
	err, next = s.lookAtFile(), s.next
	s.noteStale()
	s.turn.give()
	if s.cfg.Offline {
		return time.Time{}, err
	}
	if s.cfg.Now().Before(next) {
		return next, s.lastError()
	}
	late, err := s.download(ctx)
	if ctx.Err() != nil {
		return next, fmt.Errorf("fetching metadata: %w", ctx.Err()) // says nothing about the server
	}
	if err := s.turn.take(ctx); err != nil {
		return next, err
	}
	defer s.turn.give()
	s.note(err)
	if err == nil {
		s.failures, s.next = 0, s.nextLook()
		return s.next, nil
	}
	s.failures++
	wait := min(firstRetry<<min(s.failures-1, 20), lastRetry)
	if late {
		wait = max(wait, lateRetry)
	}
	s.next = s.cfg.Now().Add(wait - wait/4 + rand.N(wait/2))
	return s.next, err
}

// nextLook is when a newer blob is to be looked for, if all is well.
//
// "The nextUpdate field of the Metadata BLOB specifies a date when the download
// SHOULD occur at latest."
// https://fidoalliance.org/specs/mds/fido-metadata-service-v3.0-ps-20210518.html#metadata-blob-object-processing-rules
func (s *Source) nextLook() time.Time {
	next := s.current.Load().NextUpdate.Add(rand.N(spread))
	if s.cfg.Interval > 0 {
		if soon := s.looked.Add(s.cfg.Interval + rand.N(s.cfg.Interval/8)); soon.Before(next) {
			return soon
		}
	}
	return next
}

// download fetches, verifies and keeps a blob. late is set when all was well with
// the answer, but it is not the newer one that is due.
func (s *Source) download(ctx context.Context) (late bool, err error) {
	old := s.current.Load()
	known := ""
	if old != nil {
		known = s.etag
	}
	text, etag, err := get(ctx, s.client, s.url, known, maxBlob)
	if err != nil {
		return false, err
	}
	now, b := s.cfg.Now(), old
	if text != nil { // not "304 Not Modified"
		if b, err = s.parse(text, now, s.url.Host); err != nil {
			return false, err
		}
		if !s.cfg.InsecureSkipRevocation && (old == nil || b.Number > old.Number) {
			if err := checkRevocation(ctx, s.client, b.chain, now); err != nil {
				return false, err
			}
		}
	}
	if err := s.turn.take(ctx); err != nil {
		return false, err
	}
	defer s.turn.give()
	s.etag, s.looked = etag, now // only now: a blob that was refused must be refused again
	if (s.use(b, s.url.Host) || s.fileErr != nil && text != nil) && s.cfg.File != "" {
		// The blob is good, whether or not it can be kept.
		if err := s.keep(ctx, text, b, now); err != nil {
			s.cfg.Logger.Warn("mds: the metadata cannot be kept for the next start", "error", err)
		}
	}
	if b = s.current.Load(); now.Before(b.NextUpdate) {
		return false, nil
	}
	return true, fmt.Errorf("mds: %s still offers blob no. %d, which was to be replaced on %s",
		s.url.Host, b.Number, b.NextUpdate.Format(time.DateOnly))
}
