package issuer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/web"
	"github.com/lakekey/lakekey/internal/origin"
	"github.com/lakekey/lakekey/internal/secret"
)

// RelyingParty is what an issuer asks of the proof before it: a sign-in
// ceremony, and whether a key is still good. [*fido.RelyingParty] is one.
type RelyingParty interface {
	BeginSignIn(ctx context.Context, r fido.SignInRequest) (*fido.Ceremony, error)
	FinishSignIn(ctx context.Context, ceremony secret.Value, purpose fido.Purpose, response []byte) (*fido.Proof, error)
	// Active returns nil if the key may be used now, for what began with a sign-in
	// that verified the user or did not. [fido.ErrNotFound], [fido.ErrPending],
	// [fido.ErrQuarantined], [fido.ErrRevoked], [fido.ErrBlocked] and a
	// [*fido.PolicyError] end what was to come of it; any other error is a fault.
	Active(ctx context.Context, credentialID []byte, userVerified bool) error
}

var _ RelyingParty = (*fido.RelyingParty)(nil)

// Config says who the issuer is and whom it serves.
type Config struct {
	// URL is the issuer identifier and the prefix of every endpoint. It is
	// https, or http on a loopback host. The Host header of a request never
	// has a say in it.
	URL string
	// Clients are the programs that may ask; at least one. [ParseClients] reads
	// them from a file, and [Issuer.SetClients] changes them.
	Clients []Client
	// Audit receives an intent before and a result after every token.
	// Required: without a durable record there is no token.
	Audit *audit.Log
	// Site has the pages on which people sign in with a browser; the host of
	// URL is one of its origins. nil: no browser and no device signs in, only
	// programs that talk to a key themselves.
	Site *web.Site
	// Keys says how it signs; the zero value is right for most.
	Keys KeyConfig
	// SessionLifetime is how long after the touch a session yields tokens.
	// 0 means 8 h; more than 12 h is refused.
	SessionLifetime time.Duration
	// TokenLifetime is how long an ID or access token is valid, never beyond
	// its session's end. 0 means 15 min; more than 1 h is refused.
	TokenLifetime time.Duration
	// Now tells the time; nil means time.Now.
	Now func() time.Time
	// Logger receives what a client must not be told, such as a store's
	// failure; nil discards.
	Logger *slog.Logger
}

const (
	defaultSessionLifetime = 8 * time.Hour
	maxSessionLifetime     = 12 * time.Hour
	defaultTokenLifetime   = 15 * time.Minute
	maxTokenLifetime       = time.Hour
	// codeLifetime: RFC 6749 §4.1.2 recommends at most 10 min; a program
	// redeems at once.
	codeLifetime = 60 * time.Second
	// sweepEvery is how often expired records are forgotten.
	sweepEvery = time.Minute
)

// Issuer is an OpenID provider whose only credential is a FIDO2 key. It is an
// [http.Handler], safe for concurrent use.
type Issuer struct {
	url           *url.URL
	clients       atomic.Pointer[map[string]Client]
	rp            RelyingParty
	store         Store
	audit         *audit.Log
	site          *web.Site // nil: no pages
	session       time.Duration
	token         time.Duration
	now           func() time.Time
	log           *slog.Logger
	keyring       *Keyring
	back          *backchannel
	noted         map[string]bool // keys and revocations whose record is made
	routes        map[string]route
	tokenURL      string
	challengeURL  string
	authorizeURL  string
	pageURL       string
	pushURL       string
	startURL      string // where devices start
	deviceURL     string // where people go for them
	userinfoURL   string
	logoutURL     string
	revokeURL     string
	introspectURL string
	swept         atomic.Int64 // Unix seconds

	failPoint func(string) // between any two steps; nil outside tests
}

// New returns the issuer that cfg describes. It reads the signing keys from the
// store, and makes them if the store has none.
func New(ctx context.Context, cfg Config, rp RelyingParty, store Store) (*Issuer, error) {
	u, err := issuerURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	switch {
	case rp == nil:
		return nil, errors.New("issuer: a relying party is required")
	case store == nil:
		return nil, errors.New("issuer: a store is required")
	case cfg.Audit == nil:
		return nil, errors.New("issuer: Config.Audit is required: no token without a record of it")
	case cfg.Site != nil && !cfg.Site.Serves(u.Scheme+"://"+u.Host):
		return nil, fmt.Errorf("issuer: Config.Site does not serve %s://%s, where browsers are sent to: make that one of its origins", u.Scheme, u.Host)
	case cfg.SessionLifetime < 0 || cfg.SessionLifetime > maxSessionLifetime:
		return nil, fmt.Errorf("issuer: Config.SessionLifetime is %v, must be between 0 (%v) and %v", cfg.SessionLifetime, defaultSessionLifetime, maxSessionLifetime)
	case cfg.TokenLifetime < 0 || cfg.TokenLifetime > maxTokenLifetime:
		return nil, fmt.Errorf("issuer: Config.TokenLifetime is %v, must be between 0 (%v) and %v", cfg.TokenLifetime, defaultTokenLifetime, maxTokenLifetime)
	}
	i := &Issuer{
		url:     u,
		rp:      rp,
		store:   store,
		audit:   cfg.Audit,
		site:    cfg.Site,
		session: cfg.SessionLifetime,
		token:   cfg.TokenLifetime,
		now:     cfg.Now,
		log:     cfg.Logger,
		noted:   map[string]bool{},
		back:    newBackchannel(),
	}
	if i.session == 0 {
		i.session = defaultSessionLifetime
	}
	if i.token == 0 {
		i.token = defaultTokenLifetime
	}
	if i.now == nil {
		i.now = time.Now
	}
	if i.log == nil {
		i.log = slog.New(slog.DiscardHandler)
	}
	if err := i.SetClients(cfg.Clients); err != nil {
		return nil, err
	}
	if i.keyring, err = OpenKeyring(store, cfg.Keys, i.now); err != nil {
		return nil, err
	}
	i.keyring.noticed = i.recordKeys
	if _, err := i.keyring.current(ctx); err != nil {
		return nil, err
	}
	i.addRoutes()
	return i, nil
}

// Keyring is the issuer's signing keys.
func (i *Issuer) Keyring() *Keyring { return i.keyring }

// EndSession ends a session: nothing refreshes it from now on. Tokens already
// out stay valid for at most [Config.TokenLifetime]. The error is [ErrNotFound]
// if there is no such session; ending one twice is no error.
func (i *Issuer) EndSession(ctx context.Context, id, reason string) error {
	ended, err := i.store.EndSession(ctx, id, reason, i.now())
	if err != nil {
		return fmt.Errorf("ending session: %w", err)
	}
	if !ended {
		return nil
	}
	// The session is over whether or not this record can be written: failing
	// to write it is reported, never a reason to let the session live.
	err = i.recordEnd(ctx, id, reason)
	if s, serr := i.store.SessionByID(context.WithoutCancel(ctx), id); serr == nil {
		i.tell(s)
	} else if !errors.Is(serr, ErrNotFound) {
		i.log.ErrorContext(ctx, "telling a client that a session is over", "session", id, "error", serr)
	}
	return err
}

// EndSessions ends all of these sessions, as [Issuer.EndSession] ends one: a person's,
// after they were blocked; those that began with a key, after it was lost; those of a
// program. It returns how many went on until then. What keeps them from beginning
// anew is the relying party's word on the person and the key, and [Issuer.SetClients].
func (i *Issuer) EndSessions(ctx context.Context, these Sessions, reason string) (int, error) {
	if these.none() {
		return 0, errors.New("issuer: which sessions? Set a field of Sessions")
	}
	ended, err := i.store.EndSessions(ctx, these, reason, i.now())
	if err != nil {
		return 0, fmt.Errorf("ending sessions: %w", err)
	}
	for _, s := range ended {
		err = errors.Join(err, i.recordEnd(ctx, s.ID, reason))
		i.tell(&s)
	}
	return len(ended), err
}

// issuerURL parses the issuer identifier. OpenID Connect Discovery §3: "using
// the https scheme with no query or fragment"; http is for loopback hosts,
// where nobody is on the path. Clients compare it character by character, so
// it must be written the one way that cannot be written differently.
// https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata
func issuerURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New("issuer: Config.URL is not a URL") // the cause repeats it, and it may hold a password
	}
	base, err := origin.Of(u)
	if err != nil {
		return nil, fmt.Errorf("issuer: Config.URL: %v", err)
	}
	normal, err := normalURL(s)
	if err != nil {
		return nil, fmt.Errorf("issuer: Config.URL %q: %v", s, err)
	}
	if want := base + strings.TrimRight(strings.TrimPrefix(normal, base), "/"); s != want {
		return nil, fmt.Errorf("issuer: Config.URL %q: write it %q", s, want)
	}
	return u, nil
}
