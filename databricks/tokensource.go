package databricks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/lakekey/lakekey/internal/refresh"
	"github.com/lakekey/lakekey/internal/secret"
	"github.com/lakekey/lakekey/oidc"
)

// TokenSource yields access tokens for one host on behalf of one session. One
// session may have many, one for each host; none of them asks for a touch.
type TokenSource struct {
	session   Session
	config    Config
	agent     string
	exchanger *oidc.Exchanger
	cache     *refresh.Cache[*credential]

	// audience is what the host's discovery said. Only mint uses it, and the
	// cache runs one mint at a time.
	audience string

	issued issued
}

// credential is a token with the header that carries it. It is immutable.
type credential struct {
	token         *oidc.Token
	authorization secret.Value
}

var errClosed = errors.New("databricks: the token source is closed")

// NewTokenSource returns a source that has fetched nothing yet: the first caller
// who needs a token causes the first exchange.
func NewTokenSource(session Session, config Config) (*TokenSource, error) {
	if session == nil {
		return nil, errors.New("databricks: NewTokenSource needs a session")
	}
	config, err := config.resolve()
	if err != nil {
		return nil, err
	}
	s := &TokenSource{session: session, config: config, agent: userAgent(session.ID())}
	s.exchanger, err = oidc.NewExchanger(config.tokenEndpoint(), oidc.ExchangerOptions{
		Transport: config.Transport,
		UserAgent: s.agent,
		Now:       config.Now,
	})
	if err != nil {
		return nil, fmt.Errorf("preparing the exchange with %s: %w", config.Host, err)
	}
	// Without a clock of the caller's, the cache has a cheaper one than time.Now.
	s.cache = refresh.New(s.mint, refresh.Options{Now: config.Now})
	return s, nil
}

// Host is the host in its normal form, such as https://dbc-….cloud.databricks.com.
func (s *TokenSource) Host() string { return s.config.Host }

// Token returns an access token that is good for a while: from memory, or by one
// exchange that all callers at that moment share. It returns ctx's error when ctx
// ends first, an error that wraps *[oidc.LoginRequiredError] when the session has
// ended, one that wraps *[oidc.ExchangeError] when the host refused, and one that
// wraps *[IdentityError] when it gave a token of somebody else. The token must
// not be changed.
func (s *TokenSource) Token(ctx context.Context) (*oidc.Token, error) {
	c, err := s.credential(ctx)
	if err != nil {
		return nil, err
	}
	return c.token, nil
}

// UserAgent is what lakekey adds to the User-Agent of each request, which names
// the session. A program that sends requests by itself adds it, too.
func (s *TokenSource) UserAgent() string { return s.agent }

// Authenticate puts an access token into r's Authorization header. It uses r's
// context and returns what [TokenSource.Token] returns. It makes a TokenSource
// the auth.Authenticator of databricks-sql-go: hand it to WithAuthenticator, and
// [TokenSource.UserAgent] to WithUserAgentEntry.
func (s *TokenSource) Authenticate(r *http.Request) error {
	c, err := s.credential(r.Context())
	if err != nil {
		return err
	}
	setAuthorization(r.Header, c.authorization.Reveal())
	return nil
}

// Invalidate forgets token if it is the one in memory, because an API answered
// 401 to it; the next caller causes an exchange. A token that is no longer in
// memory, as when several calls failed with it at once, invalidates nothing, and
// a host that refuses every token is not asked for a new one each time.
func (s *TokenSource) Invalidate(token secret.Value) {
	s.cache.Invalidate(func(c *credential) bool { return c.token.Value.Equal(token) })
}

// Close forgets the token. Every later call returns an error. Whoever ends a
// session before its time closes its token sources, too: the host does not know.
func (s *TokenSource) Close() { s.cache.Close(errClosed) }

// Format implements [fmt.Formatter]: whatever the verb, it says whose access this
// is and no more.
func (s *TokenSource) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "access to %s", s.config.Host)
}

// LogValue implements [slog.LogValuer].
func (s *TokenSource) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(s)) }

func (s *TokenSource) credential(ctx context.Context) (*credential, error) {
	return s.cache.Value(ctx)
}
