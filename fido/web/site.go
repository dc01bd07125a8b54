package web

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/internal/origin"
)

// Config says where the pages are and who may do what on them. Origins is
// required; for the rest the zero value is the strict choice.
type Config struct {
	// Origins are those of the relying party, the related ones included: a request to any other host is
	// refused, so that a stranger's name that resolves to here (DNS rebinding)
	// reaches nothing.
	Origins []string

	Name   string // of the site, on every page; empty: the host of the first origin
	Prefix string // the path under which the site is mounted, such as "/account"; empty: the root

	// AdminGroup is the group of people who may approve keys, invite and block
	// people, and read the audit trail; empty means "admins".
	AdminGroup string
	// InviteLifetime is how long the link that an administrator makes can be used;
	// 0 means a day.
	InviteLifetime time.Duration
	// Trail is the audit trail that administrators see; nil: the page says that
	// there is none.
	Trail Trail

	// SessionLifetime is how long somebody who has signed in stays so, and
	// IdleTimeout how long without a request; 0 means 12 hours and 15 minutes, which
	// are the bounds of NIST SP 800-63B-4 for its highest level.
	SessionLifetime time.Duration
	IdleTimeout     time.Duration

	// TrustedProxies are the networks of the reverse proxies in front, whose
	// X-Forwarded-For is believed. Without any, nobody's is.
	TrustedProxies []netip.Prefix
	Limits         Limits

	// QuietPasskeys lets the browser add a passkey of its own when somebody has
	// signed in with a security key (conditional create). The key policy still
	// decides whether it is accepted.
	QuietPasskeys bool

	Now    func() time.Time // nil means time.Now
	Logger *slog.Logger     // nil: nothing is logged
}

// Trail is where the audit trail is read.
type Trail interface {
	// Records returns what q asks for, the newest first. The text that it searches
	// is what a record holds: names, types, reasons, hashes.
	Records(ctx context.Context, q TrailQuery) (*TrailPage, error)
}

// TrailQuery asks for a page of the audit trail.
type TrailQuery struct {
	Text   string // found in the record, letter case aside; empty: any record
	Before uint64 // older than this record; 0: from the newest on
	Limit  int    // how many at most
}

// TrailPage is a page of the audit trail.
type TrailPage struct {
	Records  []audit.Record
	More     bool   // there are older ones that match
	Total    uint64 // records in the trail
	Verified error  // nil: the chain of all records holds; else what is wrong with it
}

// Site is the pages and their API. It is an [http.Handler].
type Site struct {
	rp      *fido.RelyingParty
	cfg     Config
	origins map[string]string // by host
	mux     *http.ServeMux
	limiter *limiter
	pages   map[string]*template.Template
	assets  map[string]asset

	sealing struct { // of session cookies
		sync.Mutex
		aead cipher.AEAD
	}
}

// New returns the site of a relying party.
func New(rp *fido.RelyingParty, cfg Config) (*Site, error) {
	if rp == nil {
		return nil, errors.New("web: no relying party")
	}
	s := &Site{rp: rp, cfg: cfg, origins: map[string]string{}, mux: http.NewServeMux()}
	if err := s.check(); err != nil {
		return nil, err
	}
	var err error
	if s.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	if s.pages, err = loadPages(); err != nil {
		return nil, err
	}
	s.limiter = newLimiter(s.cfg.Limits, s.cfg.Now)
	s.routes()
	return s, nil
}

// check fills in the defaults.
func (s *Site) check() error {
	c := &s.cfg
	if len(c.Origins) == 0 {
		return errors.New("web: no origin configured: give those of the relying party")
	}
	c.Origins = slices.Clone(c.Origins)
	for i, raw := range c.Origins {
		o, err := origin.Parse(raw)
		if err != nil {
			return fmt.Errorf("web: origin %q: %w", raw, err)
		}
		u, err := url.Parse(o)
		if err != nil {
			return fmt.Errorf("web: origin %q: %v", raw, err)
		}
		c.Origins[i], s.origins[u.Host] = o, o
		if c.Name == "" {
			c.Name = u.Hostname()
		}
	}
	if c.Prefix != "" && (!strings.HasPrefix(c.Prefix, "/") || strings.HasSuffix(c.Prefix, "/") || strings.ContainsAny(c.Prefix, "{} ?#%\\")) {
		return fmt.Errorf("web: prefix %q: must look like /account", c.Prefix)
	}
	if c.SessionLifetime < 0 || c.IdleTimeout < 0 || c.InviteLifetime < 0 {
		return errors.New("web: a lifetime is negative")
	}
	c.AdminGroup = orElse(c.AdminGroup, "admins")
	c.SessionLifetime = orElse(c.SessionLifetime, 12*time.Hour)
	c.IdleTimeout = orElse(c.IdleTimeout, 15*time.Minute)
	c.InviteLifetime = orElse(c.InviteLifetime, 24*time.Hour)
	c.TrustedProxies = slices.Clone(c.TrustedProxies)
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Logger = orElse(c.Logger, slog.New(slog.DiscardHandler))
	return c.Limits.check()
}

// orElse returns v, or otherwise if v is zero.
func orElse[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// Patterns lists what a mux that serves other things too hands to the site, as
// [http.ServeMux] patterns. The well-known documents stand at the root whatever
// the prefix is.
func (s *Site) Patterns() []string {
	at := []string{"/.well-known/webauthn", "/.well-known/passkey-endpoints", s.cfg.Prefix + "/{$}"}
	for _, p := range []string{"/enroll", "/signin", "/signout", "/stepup", "/keys", "/admin", "/assets"} {
		at = append(at, s.cfg.Prefix+p, s.cfg.Prefix+p+"/")
	}
	return at
}

// ServeHTTP implements [http.Handler].
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.guard(s.mux, w, r) }

// guard lets through what may come, to whichever handler of the site.
func (s *Site) guard(next http.Handler, w http.ResponseWriter, r *http.Request) {
	s.headers(w.Header())
	if s.origins[strings.ToLower(r.Host)] == "" {
		refuse(w, http.StatusMisdirectedRequest, "wrong_host", "this server is "+strings.Join(s.cfg.Origins, " or ")+"; open it there")
		return
	}
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		refuse(w, http.StatusForbidden, "cross_origin", "another site sent this request; open the page itself and try there")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	next.ServeHTTP(w, r)
}

// headers sets what every answer carries. No page has anything inline, so that
// an injected script or style does not run; nothing may be framed, because a
// framed "Approve" can be clicked unseen.
func (s *Site) headers(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "+
		"frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "publickey-credentials-get=(self), publickey-credentials-create=(self), camera=(), microphone=(), geolocation=()")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
}

func (s *Site) routes() {
	at := s.cfg.Prefix
	handle := func(pattern string, h http.HandlerFunc) {
		method, path, _ := strings.Cut(pattern, " ")
		s.mux.HandleFunc(method+" "+at+path, h)
	}
	s.mux.HandleFunc("GET /.well-known/webauthn", s.relatedOrigins)
	s.mux.HandleFunc("GET /.well-known/passkey-endpoints", s.passkeyEndpoints)
	handle("GET /assets/{name}", s.asset)
	handle("GET /{$}", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, at+"/keys", http.StatusSeeOther) })

	handle("GET /enroll", s.enrollPage)
	handle("POST /enroll/options", s.enrollOptions)
	handle("POST /enroll/credential", s.enrollCredential)

	s.mux.Handle(at+"/signin", s.SignIn(ownSignIn{s}))
	handle("POST /signout", s.signOut)
	handle("POST /stepup", s.stepUp)

	handle("GET /keys", s.page(s.keysPage))
	handle("POST /keys/options", s.person(s.addOptions))
	handle("POST /keys/credential", s.person(s.addCredential))
	handle("POST /keys/rename", s.person(s.rename))
	handle("POST /keys/revoke", s.confirmed(s.revoke))
	handle("POST /keys/lost", s.confirmed(s.reportLost))
	handle("POST /keys/recovery", s.confirmed(s.recoveryCodes))

	handle("GET /admin", s.adminPage(s.approvalsPage))
	handle("GET /admin/people", s.adminPage(s.peoplePage))
	handle("GET /admin/people/{handle}", s.adminPage(s.personPage))
	handle("GET /admin/keys", s.adminPage(s.allKeysPage))
	handle("GET /admin/trail", s.adminPage(s.trailPage))
	handle("GET /admin/invite", s.adminPage(s.invitePage))
	handle("POST /admin/{act}", s.admin(s.adminAct))

	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			s.message(w, r, http.StatusNotFound, "Nothing here", "There is no page at this address. An enrolment link ends in /enroll#INVITATION.")
			return
		}
		refuse(w, http.StatusNotFound, "not_found", "there is nothing here; an enrolment link ends in /enroll#INVITATION")
	})
}
