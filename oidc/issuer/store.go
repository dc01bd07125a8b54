package issuer

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"time"

	"github.com/lakekey/lakekey/internal/secret"
)

// ErrNotFound says that the store holds nothing under that name, or no longer.
var ErrNotFound = errors.New("issuer: not found")

// ErrTaken says that a one-time thing was there and has been used already.
var ErrTaken = errors.New("issuer: already used")

// Store keeps what an issuer must remember between two requests. Replicas that
// share one Store are one issuer: any of them serves any step.
//
// Methods are safe for concurrent use, by goroutines and by processes. What a
// method takes, it takes atomically: of N concurrent calls exactly one gets it.
// A write is there for every reader when the method returns. The store never
// judges time: it hands out what has expired, and the issuer refuses it.
// Package issuertest holds the conformance suite.
//
// Secrets reach a store as their [Hash] only; signing keys are the exception,
// so whoever reads the store can sign as the issuer: guard it accordingly.
type Store interface {
	// Keys returns every signing key that there has ever been, oldest first.
	Keys(ctx context.Context) ([]Key, error)
	// AddKey adds k behind the newest key, which the caller says is after; ""
	// says that there is none. [ErrTaken] if another was added meanwhile, or if
	// there has ever been a key with k's ID. Replicas that add one at the same
	// time so add one.
	AddKey(ctx context.Context, k Key, after string) error
	// RevokeKey marks a signing key as revoked at the given time, forgets its
	// private half, and reports whether this call did it: false if it was revoked
	// before. [ErrNotFound] if there is none.
	RevokeKey(ctx context.Context, id, reason string, at time.Time) (bool, error)

	// PutRequest keeps a pending authorization under its ID.
	PutRequest(ctx context.Context, r Request) error
	// RequestByID returns a pending authorization and leaves it there;
	// [ErrNotFound] if there is none.
	RequestByID(ctx context.Context, id Hash) (*Request, error)
	// TakeRequest removes a pending authorization and returns it;
	// [ErrNotFound] if there is none.
	TakeRequest(ctx context.Context, id Hash) (*Request, error)

	// AddSession stores a new session whose code nobody has used yet.
	AddSession(ctx context.Context, s Session) error
	// TakeCode marks the code as used, gives the session its refresh token and,
	// if it has none yet, jkt as its JKT, in one step; it returns the session as
	// it is then. [ErrNotFound] if no session has that code; if the code was used
	// before, the session it belongs to together with [ErrTaken], because the
	// issuer then ends that session.
	TakeCode(ctx context.Context, code, refresh Hash, jkt string) (*Session, error)
	// SessionByRefresh finds the session a refresh token belongs to or belonged
	// to, ended or not, and says when that token was replaced; [ErrNotFound] if
	// there is none.
	SessionByRefresh(ctx context.Context, refresh Hash) (*Session, error)
	// ReplaceRefresh makes next the refresh token of the session whose refresh
	// token is used, and remembers for as long as the session when it did.
	// [ErrTaken] if no session that goes on has that one, such as after another
	// call.
	ReplaceRefresh(ctx context.Context, used, next Hash, at time.Time) error
	// SessionByID finds a session, ended or not; [ErrNotFound] if there is none.
	SessionByID(ctx context.Context, id string) (*Session, error)
	// EndSession marks a session as ended at the given time and reports
	// whether this call did it: false if it had ended before. [ErrNotFound]
	// if there is none.
	EndSession(ctx context.Context, id, reason string, at time.Time) (bool, error)
	// EndSessions marks every session that is one of these and goes on as ended at
	// the given time, in one step, and returns those. At least one field of these
	// is set.
	EndSessions(ctx context.Context, these Sessions, reason string, at time.Time) ([]Session, error)

	// AddProof remembers a DPoP proof until it expires; [ErrTaken] if it is
	// remembered already.
	AddProof(ctx context.Context, proof Hash, expires time.Time) error

	// Sweep forgets requests, sessions and proofs that expired before now.
	Sweep(ctx context.Context, now time.Time) error
}

// Key is a signing key of the issuer: ECDSA P-256 or RSA. Its row stays when it
// no longer signs: no other may ever have its ID.
type Key struct {
	ID           string       // RFC 7638 thumbprint
	Public       []byte       // PKIX form; empty in rows that are older than this field
	PKCS8        secret.Value // zero: it is held elsewhere, or was revoked
	Created      time.Time
	SignsFrom    time.Time
	Revoked      time.Time // zero: it was not
	RevokeReason string
}

// Request is an authorization in waiting: a client asked, the person has yet to
// touch the key.
type Request struct {
	ID            Hash   // of the secret that names it, such as the auth_session
	Kind          string // what it waits for
	ClientID      string
	Scope         string
	Audience      string
	Nonce         string
	CodeChallenge string // PKCE, S256
	ACRValues     []string
	JKT           string // thumbprint of the DPoP key that everything is bound to
	JKTProven     bool   // by a proof on the request, not only named in it
	Created       time.Time
	Expires       time.Time

	RedirectURI      string // where a browser brings the answer
	State            string
	ResponseMode     string
	Subject          string // who it must be that signs in; empty: anybody
	LoginHint        string
	IDClaims         []string // claims asked for by name: in ID tokens
	UserinfoClaims   []string // and of the userinfo endpoint
	Error            string   // the answer, where it is not a code
	ErrorDescription string

	Device   Hash   // the code of the device that asked
	UserCode string // that it shows, with the number
	Place    string // network address that it asked from
	Agent    string // what it calls itself
}

// Session is what one touch established. It outlives the code that starts it
// and every token it yields, and ends at Expires whatever happens.
type Session struct {
	ID             string // public: the sid of its tokens
	ClientID       string
	UserHandle     []byte
	UserName       string
	CredentialID   []byte
	AAGUID         string
	Attestation    string
	UserVerified   bool
	Scope          string
	Audience       string
	Nonce          string
	CodeChallenge  string
	JKT            string // empty: bearer tokens
	RedirectURI    string // that the code was sent to; empty: to the client itself
	Device         bool   // its code is that of a device
	IDClaims       []string
	UserinfoClaims []string
	ACR            string
	AMR            []string
	AuthTime       time.Time
	Code           Hash
	CodeExpires    time.Time
	Expires        time.Time
	// RefreshSeed makes each refresh token of the session out of the one before
	// it, without which it is worth nothing.
	RefreshSeed []byte

	// Replaced is when the refresh token that it was found by was replaced; zero:
	// that is still its refresh token.
	Replaced time.Time `json:"-"`

	Ended     time.Time // zero while it lives
	EndReason string
}

// Sessions are those that have everything which is set here.
type Sessions struct {
	UserName     string // a person's
	CredentialID []byte // that began with a key
	ClientID     string // of a program
}

func (these Sessions) none() bool {
	return these.UserName == "" && len(these.CredentialID) == 0 && these.ClientID == ""
}

// Include reports whether s is one of these.
func (these Sessions) Include(s *Session) bool {
	return !these.none() &&
		(these.UserName == "" || these.UserName == s.UserName) &&
		(len(these.CredentialID) == 0 || bytes.Equal(these.CredentialID, s.CredentialID)) &&
		(these.ClientID == "" || these.ClientID == s.ClientID)
}

// Hash is the SHA-256 of a bearer secret: what a store may know of it.
type Hash [sha256.Size]byte

// HashOf returns the hash under which a store keeps s.
func HashOf(s secret.Value) Hash { return sha256.Sum256([]byte(s.Reveal())) }

// newSecret returns 256 random bits, which is what FiPA §5.3.1 asks of an
// auth_session and more than RFC 6749 §10.10 asks of codes and tokens.
func newSecret() secret.Value {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program first
	return secret.New(base64.RawURLEncoding.EncodeToString(b[:]))
}

// newID returns 128 random bits for what is public but must be unique.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}
