package databricks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/internal/origin"
	"github.com/lakekey/lakekey/oidc"
)

// Session is what a TokenSource needs of a session; [*oidc.Session] is one.
type Session interface {
	// ID names the session. It is no secret: records and User-Agents carry it.
	ID() string

	// Expires is the session's hard end.
	Expires() time.Time

	// IDToken returns an ID token for audience. It must not wake a key: when a
	// person is needed, it returns an error that wraps *oidc.LoginRequiredError.
	IDToken(ctx context.Context, audience string) (*oidc.IDToken, error)
}

// Config says which access to take. Host and Scopes are required.
type Config struct {
	// Host is the workspace, or the account console, as a person writes it:
	// https://dbc-….cloud.databricks.com. http is accepted on loopback only.
	Host string

	// Scopes are what the token may be used for, such as "sql" or "clusters".
	// There is no default: a token for everything is asked for with "all-apis".
	Scopes []string

	// Audience of the ID token that is handed to the host. Empty is what a
	// federation policy expects when it names none: the account id, which the
	// host tells at /.well-known/databricks-config. Only hosts under Databricks'
	// own domains and on loopback are believed there; any other host, such as a
	// proxy with a name of its own, needs an Audience.
	Audience string

	// AccountID makes this a source for the account's own API (accounts.….com):
	// the exchange then happens at that account's token endpoint. Empty is a
	// workspace.
	AccountID string

	// ClientID is the application id of the service principal whose federation
	// policy applies. Empty is account-wide federation, where the ID token's
	// subject names the person.
	ClientID string

	// Identity is whom a workspace must take the session for: a user name, or the
	// application id of a service principal. Each new token is tried with one
	// question to the workspace, and nobody gets a token of anybody else. Empty is
	// ClientID, or without one the ID token's subject; set it where a federation
	// policy looks at another claim. An account's own API has no such question:
	// there nothing is checked, and Identity must be empty.
	Identity string

	// InsecureSkipIdentity uses tokens without knowing whose they are.
	InsecureSkipIdentity bool

	// Audit receives an intent before each exchange and its outcome afterwards.
	// When it cannot be written there is no token. Nil keeps no record here.
	Audit *audit.Log

	// Transport carries the exchange and the request for the host's discovery
	// document. Nil is net/http's default, which honours HTTPS_PROXY and NO_PROXY;
	// set one for a private certificate authority.
	Transport http.RoundTripper

	// Now is the clock. Nil is the machine's.
	Now func() time.Time

	// Logger hears about exchanges, never about tokens. Nil is silent.
	Logger *slog.Logger
}

// scopeToken is RFC 6749 §3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E ).
// https://www.rfc-editor.org/rfc/rfc6749#section-3.3
var scopeToken = regexp.MustCompile(`^[\x21\x23-\x5b\x5d-\x7e]+$`)

// accountID is what may stand in a path; Databricks account ids are UUIDs.
var accountID = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z_-]{0,63}$`)

// resolve checks c and returns it with its defaults filled in.
func (c Config) resolve() (Config, error) {
	host, err := origin.Parse(c.Host)
	if err != nil {
		return c, fmt.Errorf("databricks: Config.Host: %v", err)
	}
	c.Host = host
	c.Scopes = slices.Clone(c.Scopes)
	slices.Sort(c.Scopes)
	c.Scopes = slices.Compact(c.Scopes)
	if len(c.Scopes) == 0 {
		return c, errors.New(`databricks: Config.Scopes is empty: name what the token is for, such as "sql" or "clusters"; a token for everything must be asked for with "all-apis"`)
	}
	for _, s := range c.Scopes {
		if !scopeToken.MatchString(s) {
			return c, fmt.Errorf("databricks: Config.Scopes: %q is not a scope; give each scope as an element of its own", s)
		}
	}
	if c.AccountID != "" && !accountID.MatchString(c.AccountID) {
		return c, fmt.Errorf("databricks: Config.AccountID: %q is not an account id", c.AccountID)
	}
	if c.AccountID == "" && isAccountHost(c.Host) {
		return c, fmt.Errorf("databricks: %s serves accounts: set Config.AccountID", c.Host)
	}
	if c.AccountID != "" && c.Identity != "" {
		return c, errors.New("databricks: Config.Identity: an account's API does not say whose a token is, so it cannot be checked there; leave it empty")
	}
	if c.Audience == "" {
		c.Audience = c.AccountID
	}
	if c.Audience == "" && !namesItsAccount(c.Host) {
		return c, fmt.Errorf("databricks: %s is not under a domain of Databricks, so it may not say whom ID tokens are for: set Config.Audience to what the federation policy expects (the account id, if it names none)", c.Host)
	}
	if c.Transport == nil {
		c.Transport = defaultTransport()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// isAccountHost knows account consoles by their names, as the SDK does.
func isAccountHost(host string) bool {
	return strings.HasPrefix(host, "https://accounts.") || strings.HasPrefix(host, "https://accounts-dod.")
}

// tokenEndpoint is made of configuration alone: an ID token is worth a session,
// and a document fetched over the network does not say where it goes.
// https://docs.databricks.com/aws/en/dev-tools/auth/oauth-federation-exchange
func (c Config) tokenEndpoint() string {
	if c.AccountID != "" {
		return c.Host + "/oidc/accounts/" + c.AccountID + "/v1/token"
	}
	return c.Host + "/oidc/v1/token"
}

// defaultTransport is net/http's own, which asks the environment for a proxy,
// with room for a program that talks to one host from many goroutines.
func defaultTransport() http.RoundTripper {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	t = t.Clone()
	t.MaxIdleConnsPerHost = 32
	return t
}
