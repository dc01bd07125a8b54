package remote

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// Key runs ceremonies. authenticator.Client is one; its UI is what the person
// beside the key sees. A Server overwrites what it passes and gets once it is sent.
type Key interface {
	Create(ctx context.Context, origin string, options []byte) ([]byte, error)
	Get(ctx context.Context, origin string, options []byte) ([]byte, error)
}

// Approver tells the person beside the key who asks for what, before the key is
// woken. It may ask for a yes, or show a notice and leave the yes to the touch.
//
// An error refuses the request; the asker learns [ErrDenied] and not its text, and for
// a while nobody is listened to: see the package documentation.
// ctx ends when the asker gives up. Approve is not called concurrently by a Server.
type Approver interface {
	Approve(ctx context.Context, r Request) error
}

// Request is what a person should know before they say yes.
type Request struct {
	RPID   string // on the Server's list
	Origin string // may use the RP ID
	Create bool   // a credential is created; otherwise used

	// What is asked of the key beside a signature. PRF is a secret that the key makes
	// for this RP ID, which may open what the person has encrypted; a large blob is
	// what the person keeps on the key with a credential.
	// https://www.w3.org/TR/webauthn-3/#prf-extension
	// https://www.w3.org/TR/webauthn-3/#sctn-large-blob-extension
	PRF, ReadsLargeBlob, WritesLargeBlob bool

	// ClaimedHost is what the asking machine calls itself. Nothing proves it:
	// show it as a claim. It consists of letters, digits, hyphens, dots and
	// underscores.
	ClaimedHost string
}

// ServerOptions are the optional parts of a [Server].
type ServerOptions struct {
	RPIDs       []string     // the RP IDs that may be asked for, exactly; nil: none
	AllowCreate bool         // lets remote programs register the key; false: only sign in
	Logger      *slog.Logger // nil: nothing is logged

	Now func() time.Time // for the time that a denial lasts; nil: time.Now
}

const (
	// maxConnections bounds what askers can make a Server hold.
	maxConnections = 16
	// ceremonyTimeout ends what nobody answers, approval included.
	ceremonyTimeout = 15 * time.Minute
	// turnPatience is how long the end of another ceremony is waited for: one that was
	// cancelled a moment ago is over only when its key is dark.
	turnPatience = time.Second
	// rest is how long nobody is prompted after an asker gave up while the person was
	// prompted for it: what the person does at that moment is not for the next one.
	rest = time.Second
	// acceptPause keeps a Server that is out of descriptors from spinning.
	acceptPause = 100 * time.Millisecond
)

// Server answers requests with a key.
type Server struct {
	key      Key
	approver Approver
	rpIDs    map[string]bool
	create   bool
	log      *slog.Logger
	now      func() time.Time
	slot     chan struct{} // held by the ceremony under way
	calm     coolDown      // used by the holder of the slot only
	resting  time.Time     // until when; used by the holder of the slot only
}

// NewServer returns a Server that answers with a key after an approver agreed.
func NewServer(key Key, approver Approver, opts ServerOptions) (*Server, error) {
	if key == nil {
		return nil, errors.New("remote: a Server needs a Key")
	}
	if approver == nil {
		return nil, errors.New("remote: a Server needs an Approver: nobody would know who asks")
	}
	s := &Server{key: key, approver: approver, rpIDs: map[string]bool{}, create: opts.AllowCreate, log: opts.Logger, now: opts.Now, slot: make(chan struct{}, 1)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	for _, id := range opts.RPIDs {
		if !isHost(id) || id != strings.ToLower(id) {
			return nil, fmt.Errorf("remote: %q is no RP ID: list domain names in lower-case ASCII, without wildcards", id)
		}
		s.rpIDs[id] = true
	}
	return s, nil
}

// Serve answers on a socket until ctx is done, which ends the ceremony under way,
// or until the Listener is closed. It returns nil then, after all it started has
// ended, and closes the Listener in any case.
func (s *Server) Serve(ctx context.Context, l *Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var handlers sync.WaitGroup
	defer handlers.Wait()
	defer cancel()
	defer l.Close()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	room := make(chan struct{}, maxConnections)
	for {
		conn, err := l.inner.AcceptUnix()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			s.log.WarnContext(ctx, "accepting a connection", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(acceptPause):
			}
			continue
		}
		if err := s.admit(conn, room); err != nil {
			s.log.WarnContext(ctx, "connection refused", "error", err)
			conn.Close()
			continue
		}
		handlers.Go(func() {
			defer func() { <-room }()
			s.converse(ctx, conn)
		})
	}
}

// admit checks who is there. Root gets no exception: it has no business asking.
func (s *Server) admit(conn *net.UnixConn, room chan struct{}) error {
	uid, err := peerUID(conn)
	if err != nil {
		return fmt.Errorf("remote: asking who is at the other end: %v", err)
	}
	if uid != os.Geteuid() {
		return fmt.Errorf("remote: the other end runs as another user, uid %d", uid)
	}
	select {
	case room <- struct{}{}:
		return nil
	default:
		return fmt.Errorf("remote: %d connections are open already", maxConnections)
	}
}
