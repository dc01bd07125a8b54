package databricks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/databricks/databricks-sdk-go/config"
	"github.com/databricks/databricks-sdk-go/config/credentials"
	"github.com/databricks/databricks-sdk-go/useragent"
	"golang.org/x/oauth2"

	"github.com/lakekey/lakekey/internal/origin"
)

// Strategy is the credentials of a client of the Databricks SDK for Go: set it
// as Credentials in the SDK's Config, and [Strategy.Transport] as HTTPTransport.
type Strategy struct{ source *TokenSource }

var (
	_ config.CredentialsStrategy           = (*Strategy)(nil)
	_ credentials.OAuthCredentialsProvider = (*provider)(nil)
)

// NewStrategy returns the strategy that takes its tokens from source. Any number
// of SDK clients for the source's host may share it.
func NewStrategy(source *TokenSource) *Strategy { return &Strategy{source: source} }

// Name implements [config.CredentialsStrategy]. The SDK sends it as auth/lakekey
// in the User-Agent.
func (*Strategy) Name() string { return "lakekey" }

// Configure implements [config.CredentialsStrategy]. The SDK calls it before the
// first request; it fetches nothing. It refuses a Config whose host or scopes are
// not those of the token source: a token for one must not serve the other.
func (s *Strategy) Configure(_ context.Context, cfg *config.Config) (credentials.CredentialsProvider, error) {
	if s.source == nil {
		return nil, errors.New("databricks: the strategy has no token source")
	}
	host, err := origin.Parse(cfg.Host)
	if err != nil {
		return nil, fmt.Errorf("databricks: the SDK's Config.Host: %v; set it to %s", err, s.source.Host())
	}
	if host != s.source.Host() {
		return nil, fmt.Errorf("databricks: the SDK is configured for %s, but these credentials are for %s: make a token source for each host", host, s.source.Host())
	}
	if len(cfg.Scopes) > 0 {
		scopes := slices.Clone(cfg.Scopes)
		slices.Sort(scopes)
		if !slices.Equal(slices.Compact(scopes), s.source.config.Scopes) {
			return nil, fmt.Errorf("databricks: the SDK's Config.Scopes are %q, but these credentials have %q: leave the SDK's empty", cfg.Scopes, s.source.config.Scopes)
		}
	}
	t, ok := cfg.HTTPTransport.(*transport)
	return &provider{source: s.source, tagged: ok && t.source == s.source}, nil
}

// provider is one SDK Config's view of the token source.
type provider struct {
	source *TokenSource
	tagged bool // the transport writes the User-Agent
}

// SetHeaders implements [credentials.CredentialsProvider] with the request's own
// context, so that a caller who gives up does not wait.
func (p *provider) SetHeaders(r *http.Request) error {
	if err := p.source.Authenticate(r); err != nil {
		return err
	}
	if !p.tagged {
		// The SDK writes the User-Agent after this call, from the request's
		// context, which its own visitors replace in the same way.
		*r = *r.WithContext(useragent.InContext(r.Context(), sessionTag, shortID(p.source.session.ID())))
	}
	return nil
}

// Token implements [credentials.OAuthCredentialsProvider], on which the SDK's
// GetTokenSource and its data-plane clients depend.
func (p *provider) Token(ctx context.Context) (*oauth2.Token, error) {
	c, err := p.source.credential(ctx)
	if err != nil {
		return nil, err
	}
	return &oauth2.Token{AccessToken: c.token.Value.Reveal(), TokenType: "Bearer", Expiry: c.token.Expires}, nil
}
