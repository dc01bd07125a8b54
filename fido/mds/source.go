package mds

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"github.com/lakekey/lakekey/fido/audit"
)

// defaultURL is where the FIDO Alliance publishes.
const defaultURL = "https://mds3.fidoalliance.org/"

// defaultMaxStale leaves a week for a blob that is published late or an outage of
// either side.
const defaultMaxStale = 7 * 24 * time.Hour

// SourceConfig says where metadata comes from. The zero value fetches it from the
// FIDO Alliance and keeps it in memory.
type SourceConfig struct {
	// URL is where blobs are fetched; empty means the FIDO Alliance. It must be
	// https, or on this machine.
	URL string

	// File keeps the last good blob across restarts and is read before anything is
	// fetched. Beside it stand File.state, which remembers the number, and
	// File.lock. Whoever can write them can bring back an older blob. Empty means
	// that nothing is kept.
	File string

	// Offline means that nothing is fetched: somebody puts blobs into File, which
	// is never written, and is read again when it changes.
	Offline bool

	// Roots and Hosts are as in [ParseOptions].
	Roots []*x509.Certificate
	Hosts []string

	// Interval is how often a newer blob is looked for. Zero means when the present
	// one says that the next is due, which is about every month; what becomes known
	// in between is then known up to a month late. At least an hour.
	Interval time.Duration

	// MaxStale is for how long a blob may be used after the next one was due. Zero
	// means a week, anything negative not at all.
	MaxStale time.Duration

	// InsecureUseStale makes [Source.Current] return metadata however old it is.
	// Whoever keeps the server from reaching the service then also keeps it from
	// learning that a model was broken. When a blob is first taken its signer's
	// certificate must be valid all the same.
	InsecureUseStale bool

	// InsecureSkipRevocation takes blobs from the network although nobody looked
	// whether their signer's certificate was revoked. For networks in which the
	// revocation lists cannot be reached.
	InsecureSkipRevocation bool

	// OnUpdate, if not nil, is called with every blob that comes into use after
	// another or the first, one at a time, by the goroutine that brought it. It must
	// not call Refresh or Run.
	OnUpdate func(*Blob)

	// Audit, if not nil, gets a record when other metadata comes into use, when there
	// begins to be none that may be used, and of each new reason why none was had.
	Audit *audit.Log

	HTTPClient *http.Client     // nil: one of its own. Its deadline and redirects are overruled.
	Now        func() time.Time // nil: time.Now
	Logger     *slog.Logger     // nil: nothing is logged
}

// Source has the current metadata. See [NewSource].
type Source struct {
	cfg     SourceConfig
	url     *url.URL
	client  *http.Client
	current atomic.Pointer[Blob]
	lastErr atomic.Pointer[error] // of the last attempt; points to nil after a success

	// seen is the highest number that was ever accepted.
	seen atomic.Int64

	// fetching is held by the one who asks the network; etag is of the last answer
	// that was accepted.
	fetching token
	etag     string

	// turn is held for moments only, to read the file or to change what follows.
	turn     token
	file     fileStamp // what the file was when it was last read
	fileErr  error     // what was wrong with it
	failures int       // network attempts in a row that brought nothing usable
	next     time.Time // before which nothing is fetched
	looked   time.Time // when the network last brought, or confirmed, the blob in use

	stale int // the number of the blob that was recorded as too old

	loaded atomic.Bool // the file has been looked at
}

// token is a mutex whose waiters listen to their ctx.
type token chan struct{}

func newToken() token {
	t := make(token, 1)
	t.give()
	return t
}

func (t token) take(ctx context.Context) error {
	select {
	case <-t: // which may be had without waiting, also by one who cannot wait
		return nil
	default:
	}
	select {
	case <-t:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for the metadata: %w", ctx.Err())
	}
}

func (t token) give() { t <- struct{}{} }

// NewSource returns a Source. It reads and fetches nothing yet: call
// [Source.Refresh] to have metadata before going on, [Source.Run] to keep it
// current.
func NewSource(cfg SourceConfig) (*Source, error) {
	if cfg.URL == "" {
		cfg.URL = defaultURL
	}
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		return nil, errors.New("mds: SourceConfig.URL must be an https URL without a user name")
	}
	if cfg.Offline && cfg.File == "" {
		return nil, errors.New("mds: SourceConfig.Offline needs a File: there is nowhere else to take metadata from")
	}
	if cfg.Interval != 0 && cfg.Interval < time.Hour {
		return nil, errors.New("mds: SourceConfig.Interval must be an hour or more: blobs change a few times a month")
	}
	if cfg.MaxStale == 0 {
		cfg.MaxStale = defaultMaxStale
	}
	cfg.MaxStale = max(cfg.MaxStale, 0)
	if len(cfg.Hosts) == 0 {
		cfg.Hosts = fidoHosts
	}
	cfg.Roots, cfg.Hosts = slices.Clone(cfg.Roots), slices.Clone(cfg.Hosts)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Source{cfg: cfg, url: u, client: httpClient(cfg), fetching: newToken(), turn: newToken()}, nil
}

// Current returns the metadata in use. It fetches nothing, so that a sign-in
// never waits for a download; the file is read if that has not happened yet.
//
// It returns [ErrNoMetadata] when there is none and a [*StaleError] when it is
// too old. A rule that needs metadata is not fulfilled then.
func (s *Source) Current(ctx context.Context) (*Blob, error) {
	b := s.current.Load()
	if b == nil && !s.loaded.Load() {
		if err := s.turn.take(ctx); err != nil {
			return nil, err
		}
		if !s.loaded.Load() {
			s.lookAtFile() // which notes its error
		}
		s.turn.give()
		b = s.current.Load()
	}
	reason := s.lastError()
	if b == nil {
		if reason != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoMetadata, reason)
		}
		return nil, fmt.Errorf("%w: nothing was fetched yet; Source.Refresh does, and Source.Run keeps it current", ErrNoMetadata)
	}
	if !s.cfg.InsecureUseStale && s.cfg.Now().After(b.NextUpdate.Add(s.cfg.MaxStale)) {
		return nil, &StaleError{Number: b.Number, NextUpdate: b.NextUpdate, Allowed: s.cfg.MaxStale, Reason: reason}
	}
	return b, nil
}

// Health is what an operator wants to know of a [Source].
type Health struct {
	Number     int       // of the blob in use, or -1
	NextUpdate time.Time // when the next one is due
	Entries    int
	Problems   []Problem // parts of the blob that could not be used
	LastError  error     // why the last attempt brought nothing; nil if it did
}

// Health reports the state without waiting for anything.
func (s *Source) Health() Health {
	h := Health{Number: -1, LastError: s.lastError()}
	if b := s.current.Load(); b != nil {
		h.Number, h.NextUpdate, h.Entries, h.Problems = b.Number, b.NextUpdate, b.Len(), slices.Clone(b.Problems)
	}
	return h
}

func (s *Source) lastError() error {
	if p := s.lastErr.Load(); p != nil {
		return *p
	}
	return nil
}

// parse verifies a blob at a time and holds it against the highest number seen.
func (s *Source) parse(text []byte, at time.Time, from string) (*Blob, error) {
	b, err := Parse(text, ParseOptions{Roots: s.cfg.Roots, Hosts: s.cfg.Hosts, Now: at})
	if err != nil {
		return nil, err
	}
	// "It SHOULD also ignore the file if its number (no) is less or equal to the
	// number of the last Metadata BLOB object cached locally." An equal one is what
	// a second look brings, and is let pass here.
	// https://fidoalliance.org/specs/mds/fido-metadata-service-v3.0-ps-20210518.html#metadata-blob-object-processing-rules
	if seen := int(s.seen.Load()); b.Number < seen {
		return nil, &RollbackError{Offered: b.Number, Seen: seen, From: from}
	}
	return b, nil
}

// use puts a verified blob into use if it is newer than the present one. The
// caller has the turn.
func (s *Source) use(b *Blob, from string) bool {
	old := s.current.Load()
	if int64(b.Number) < s.seen.Load() || old != nil && old.Number >= b.Number {
		return false
	}
	s.seen.Store(int64(b.Number))
	s.current.Store(b)
	s.cfg.Logger.Info("mds: new metadata", "number", b.Number, "next_update", b.NextUpdate, "entries", b.Len(), "problems", len(b.Problems), "from", from)
	for _, p := range b.Problems {
		s.cfg.Logger.Debug("mds: a part of the metadata is not used", "entry", p.Entry, "detail", p.Detail)
	}
	s.record("mds.updated", audit.OK, b.Number, from, "")
	if s.cfg.OnUpdate != nil {
		s.cfg.OnUpdate(b)
	}
	return true
}
