package web

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lakekey/lakekey/fido"
)

// Session is somebody who has signed in on this site. It lives in a cookie that
// only the replicas of the site can read and make.
type Session struct {
	UserHandle   []byte    `json:"h"`
	CredentialID []byte    `json:"c"` // the key that was used last
	UserVerified bool      `json:"v"` // that it verified its holder then
	At           time.Time `json:"t"` // of the sign-in
	SteppedUp    time.Time `json:"u"` // of the latest step-up; zero: none
	Seen         time.Time `json:"s"` // of a request a short while ago, at the latest
}

// errNoSession says that nobody has signed in here.
var errNoSession = errors.New("web: nobody has signed in")

const (
	// stepUpLifetime is how long a step-up covers what needs one.
	stepUpLifetime = 5 * time.Minute
	// seenGrain is how often the cookie is made anew, at most.
	seenGrain = time.Minute
	// maxCookie bounds what is decrypted; browsers keep 4096 bytes.
	maxCookie = 4096
)

// cookieName is the name of the session's cookie at an origin. On https a
// browser holds a __Host- cookie to have been set by this host for itself and
// over TLS: no neighbouring subdomain can plant one. On http, which is localhost,
// the port is in the name, since cookies of all ports are one jar.
func cookieName(origin string) string {
	u, err := url.Parse(origin)
	if err == nil && u.Scheme == "http" {
		return "lakekey-session-" + u.Port()
	}
	return "__Host-lakekey-session"
}

// origin is the one that the request is for; guard has made sure that it is ours.
func (s *Site) origin(r *http.Request) string { return s.origins[strings.ToLower(r.Host)] }

// aead seals cookies. The key never changes for the life of a store, so it is
// derived once.
func (s *Site) aead(ctx context.Context) (cipher.AEAD, error) {
	s.sealing.Lock()
	defer s.sealing.Unlock()
	if s.sealing.aead != nil {
		return s.sealing.aead, nil
	}
	key, err := s.rp.Key(ctx, "web session")
	if err != nil {
		return nil, fmt.Errorf("deriving the session key: %w", err)
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("web: session cipher: %v", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("web: session cipher: %v", err)
	}
	s.sealing.aead = aead
	return aead, nil
}

// sealedFor is what a cookie is bound to beside its key: one made for another
// origin, or by a later version of this format, does not open.
func sealedFor(origin string) []byte { return []byte("lakekey web session 1 " + origin) }

// keep puts the session into the browser.
func (s *Site) keep(w http.ResponseWriter, r *http.Request, session Session) error {
	at := s.origin(r)
	session.Seen = s.cfg.Now()
	plain, err := json.Marshal(session)
	if err != nil {
		return fmt.Errorf("web: writing the session: %v", err)
	}
	aead, err := s.aead(r.Context())
	if err != nil {
		return err
	}
	s.cookie(w, at, base64.RawURLEncoding.EncodeToString(aead.Seal(nil, nil, plain, sealedFor(at))), session.At.Add(s.cfg.SessionLifetime))
	return nil
}

// cookie sets the session's cookie; an empty value removes it.
func (s *Site) cookie(w http.ResponseWriter, origin, value string, until time.Time) {
	c := &http.Cookie{
		Name: cookieName(origin), Value: value, Path: "/", Expires: until,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: strings.HasPrefix(origin, "https:"),
	}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// open returns the session in the request's cookie, or errNoSession. It does not
// ask whether the key is still good.
func (s *Site) open(r *http.Request) (*Session, error) {
	at := s.origin(r)
	c, err := r.Cookie(cookieName(at))
	if err != nil || len(c.Value) > maxCookie {
		return nil, errNoSession
	}
	sealed, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil {
		return nil, errNoSession
	}
	aead, err := s.aead(r.Context())
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, sealed, sealedFor(at))
	if err != nil {
		return nil, errNoSession
	}
	var session Session
	if err := json.Unmarshal(plain, &session); err != nil {
		return nil, errNoSession
	}
	now := s.cfg.Now()
	if now.Sub(session.At) >= s.cfg.SessionLifetime || now.Sub(session.Seen) >= s.cfg.IdleTimeout {
		return nil, errNoSession
	}
	return &session, nil
}

// Session returns who has signed in on this site with the browser that sends r,
// if the key that they used is still good. It returns fido.ErrNotFound if nobody
// has, and the errors of [fido.RelyingParty.Active].
func (s *Site) Session(r *http.Request) (*Session, error) {
	if s.origin(r) == "" {
		return nil, fmt.Errorf("web: %q is not a host of this site: %w", r.Host, fido.ErrNotFound)
	}
	session, err := s.open(r)
	if errors.Is(err, errNoSession) {
		return nil, fmt.Errorf("%w: %w", err, fido.ErrNotFound)
	} else if err != nil {
		return nil, err
	}
	if err := s.rp.Active(r.Context(), session.CredentialID, session.UserVerified); err != nil {
		return nil, err
	}
	return session, nil
}

// signOut ends the session in this browser.
func (s *Site) signOut(w http.ResponseWriter, r *http.Request) {
	var in struct{}
	if !read(w, r, &in) {
		return
	}
	s.cookie(w, s.origin(r), "", time.Unix(0, 0))
	answer(w, http.StatusOK, map[string]string{"location": s.cfg.Prefix + "/signin"})
}
