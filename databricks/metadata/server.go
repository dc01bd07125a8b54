package metadata

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lakekey/lakekey/internal/origin"
	"github.com/lakekey/lakekey/internal/secret"
	"github.com/lakekey/lakekey/oidc"
)

// Source yields tokens for one host; *databricks.TokenSource is one. Token must
// not wake a key: when a person is needed, it returns at once with an error that
// wraps *[oidc.LoginRequiredError].
type Source interface {
	Host() string
	Token(ctx context.Context) (*oidc.Token, error)
}

// Options adjusts a [Server].
type Options struct {
	// Command is what a person runs to sign in again, as they would type it. It
	// stands in refusals. Empty leaves it to the error of the Source.
	Command string

	// Timeout is how long a GET waits for an exchange that is under way, or for
	// a host that fails to recover. Zero is 5 s; clients give up after 10 s.
	Timeout time.Duration

	// Prompt tells the person that a tool asked for a token of host and was
	// refused because somebody must sign in. It is called on a goroutine of its
	// own: at the first such refusal after a token was served, and then at most
	// every 5 minutes. Nil tells nobody but the tool.
	Prompt func(host string)

	// InsecureAnyUser serves processes of other users, too, which are refused
	// otherwise where the system tells whose they are (Linux).
	InsecureAnyUser bool

	// Logger hears about refused requests, without their paths. Nil is silent.
	Logger *slog.Logger
}

// Server is the [http.Handler] of one listener. It is safe for concurrent use.
type Server struct {
	addr    netip.AddrPort
	user    int // whose processes may ask
	peer    func(client, server netip.AddrPort) (uid int, err error)
	names   [2]string // what a Host header may say
	options Options

	mu       sync.RWMutex
	routes   []*route
	prompted time.Time // zero: not since the last token
}

// route is one host's place on the server.
type route struct {
	path   string
	host   string
	source Source

	asked   atomic.Bool // since it was checked
	checked time.Time   // only KeepFresh uses it
}

// pathBytes is 256 bits, in the path of every URL.
const pathBytes = 32

// NewServer returns the handler for a listener at addr, which must be on
// loopback: the answers depend on where they are asked for.
func NewServer(addr net.Addr, options Options) (*Server, error) {
	tcp, ok := addr.(*net.TCPAddr)
	// The Go SDK accepts "localhost" and "127.0.0.1" as the URL's host and no
	// other spelling of loopback.
	if !ok || tcp.IP.String() != "127.0.0.1" || tcp.Port == 0 {
		return nil, fmt.Errorf("metadata: cannot serve at %v: the clients accept 127.0.0.1 only", addr)
	}
	if options.Timeout <= 0 {
		options.Timeout = 5 * time.Second
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	port := strconv.Itoa(tcp.Port)
	return &Server{addr: tcp.AddrPort(), user: os.Geteuid(), peer: peerUser, names: [2]string{"127.0.0.1:" + port, "localhost:" + port}, options: options}, nil
}

// Add gives source a URL of its own and returns it. Whoever holds the URL on this
// machine gets tokens: it belongs into the environment of the programs that are
// to have them, and nowhere else.
func (s *Server) Add(source Source) (secret.Value, error) {
	if source == nil {
		return secret.Value{}, errors.New("metadata: Add needs a source")
	}
	host, err := origin.Parse(source.Host())
	if err != nil {
		return secret.Value{}, fmt.Errorf("metadata: the source's host: %v", err)
	}
	random := make([]byte, pathBytes)
	_, _ = rand.Read(random) // documented never to fail
	path := "/" + base64.RawURLEncoding.EncodeToString(random)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.routes = append(s.routes, &route{path: path, host: host, source: source})
	return secret.New("http://" + s.names[0] + path), nil
}

// find returns the route at path. It looks at all of them, each in constant time,
// so that the time it takes says nothing about a guess.
func (s *Server) find(path string) (*route, bool) {
	path = strings.TrimSuffix(path, "/") // some tools add one
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found *route
	ok := false
	for _, r := range s.routes {
		if subtle.ConstantTimeCompare([]byte(path), []byte(r.path)) == 1 {
			found, ok = r, true
		}
	}
	return found, ok
}

// Listen opens a listener that only this machine can reach. The address is
// 127.0.0.1:PORT or localhost:PORT; port 0 chooses a free one.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("metadata: %v", err)
	}
	if host != "127.0.0.1" && !strings.EqualFold(host, "localhost") {
		return nil, fmt.Errorf("metadata: refusing to listen at %q: use 127.0.0.1, which only this machine can reach and every client accepts", address)
	}
	// A name is not looked up: localhost is ::1 on some machines.
	l, err := new(net.ListenConfig).Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return nil, fmt.Errorf("metadata: %v", err)
	}
	return l, nil
}

var _ http.Handler = (*Server)(nil)
