package databricks_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lakekey/lakekey/databricks"
	"github.com/lakekey/lakekey/databricks/databrickstest"
	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/oidc"
	"github.com/stretchr/testify/require"
)

func TestTokenIsExchangedOnceAndKept(t *testing.T) {
	w := newWorld(t)
	s := w.source(t)
	require.Zero(t, w.session.calls.Load(), "nothing may happen before it is needed")

	first, err := s.Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"clusters", "jobs"}, first.Scopes)
	require.WithinDuration(t, w.session.now().Add(15*time.Minute), first.Expires, 5*time.Second)
	require.Equal(t, w.AccountID(), w.session.last.Audience, "the default audience is the account that the host names")

	for range 10 {
		again, err := s.Token(t.Context())
		require.NoError(t, err)
		require.Same(t, first, again)
	}
	require.Equal(t, 1, w.exchanges())
}

func TestConfigIsChecked(t *testing.T) {
	good := databricks.Config{Host: "https://dbc-1.cloud.databricks.com", Scopes: []string{"sql"}}
	_, err := databricks.NewTokenSource(newSession(t), good)
	require.NoError(t, err)

	for what, c := range map[string]struct {
		edit func(*databricks.Config)
		says string
	}{
		"no scopes":             {func(c *databricks.Config) { c.Scopes = nil }, "all-apis"},
		"two scopes in one":     {func(c *databricks.Config) { c.Scopes = []string{"sql clusters"} }, "is not a scope"},
		"empty scope":           {func(c *databricks.Config) { c.Scopes = []string{"sql", ""} }, "is not a scope"},
		"no host":               {func(c *databricks.Config) { c.Host = "" }, "Config.Host"},
		"http":                  {func(c *databricks.Config) { c.Host = "http://dbc-1.cloud.databricks.com" }, "https://dbc-1"},
		"account host":          {func(c *databricks.Config) { c.Host = "https://accounts.cloud.databricks.com" }, "AccountID"},
		"path in an account id": {func(c *databricks.Config) { c.AccountID = "../../evil" }, "not an account id"},
	} {
		config := good
		c.edit(&config)
		_, err := databricks.NewTokenSource(newSession(t), config)
		require.ErrorContains(t, err, c.says, what)
	}
	_, err = databricks.NewTokenSource(nil, good)
	require.ErrorContains(t, err, "session")
}

// The scopes of the caller's slice and their order are the caller's own.
func TestScopesAreCopied(t *testing.T) {
	w := newWorld(t)
	scopes := []string{"jobs", "clusters", "jobs"}
	s := w.source(t, func(c *databricks.Config) { c.Scopes = scopes })
	require.Equal(t, []string{"jobs", "clusters", "jobs"}, scopes)
	scopes[0] = "all-apis"
	token, err := s.Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"clusters", "jobs"}, token.Scopes)
}

// A host whose discovery document names another origin must not move a token
// there: the SDK's own exchange posts it to wherever the document says.
func TestEndpointIsPinned(t *testing.T) {
	var stolen atomic.Int64
	thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { stolen.Add(1) }))
	defer thief.Close()

	t.Run("by the discovery document", func(t *testing.T) {
		var posted atomic.Int64
		mux := http.NewServeMux()
		host := httptest.NewServer(mux)
		defer host.Close()
		evil := fmt.Sprintf(`{"oidc_endpoint":"%[1]s/oidc","token_endpoint":"%[1]s/oidc/v1/token","account_id":"a1"}`, thief.URL)
		mux.HandleFunc("GET /.well-known/databricks-config", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, evil) })
		mux.HandleFunc("GET /oidc/.well-known/oauth-authorization-server", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, evil) })
		mux.HandleFunc("POST /oidc/v1/token", func(w http.ResponseWriter, _ *http.Request) {
			posted.Add(1)
			_, _ = io.WriteString(w, `{"access_token":"t","token_type":"Bearer","expires_in":900}`)
		})
		s, err := databricks.NewTokenSource(newSession(t), databricks.Config{Host: host.URL, Scopes: []string{"sql"}, InsecureSkipIdentity: true})
		require.NoError(t, err)
		_, err = s.Token(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 1, posted.Load())
	})
	t.Run("by redirects", func(t *testing.T) {
		host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, thief.URL+r.URL.Path, http.StatusTemporaryRedirect)
		}))
		defer host.Close()
		for _, audience := range []string{"", "a1"} { // the discovery document, then the exchange
			s, err := databricks.NewTokenSource(newSession(t), databricks.Config{Host: host.URL, Scopes: []string{"sql"}, Audience: audience})
			require.NoError(t, err)
			_, err = s.Token(t.Context())
			require.Error(t, err)
		}
	})
	require.Zero(t, stolen.Load())
}

func TestAccountAndServicePrincipalFederation(t *testing.T) {
	w := newWorld(t)
	account := w.source(t, func(c *databricks.Config) { c.AccountID = w.AccountID() })
	_, err := account.Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, w.count(http.MethodPost, "/oidc/accounts/"+w.AccountID()+"/v1/token"))
	require.Zero(t, w.count(http.MethodGet, "/.well-known/databricks-config"), "the audience is known")

	id, application, err := w.AddServicePrincipal("role-analyst")
	require.NoError(t, err)
	_, err = w.AddPolicy(databrickstest.Policy{ServicePrincipalID: id, Issuer: testIssuer, Subject: testUser, Audiences: []string{"analysts"}, JWKS: w.session.jwks()})
	require.NoError(t, err)
	principal := w.source(t, func(c *databricks.Config) { c.ClientID, c.Audience = application, "analysts" })
	_, err = principal.Token(t.Context())
	require.NoError(t, err)
	last := w.Requests()[len(w.Requests())-1]
	require.Equal(t, application, last.Principal)
}

// A token is not handed out in its last max(60 s, 10 %), and is renewed ahead of
// that without anybody waiting.
func TestSkewAndRefreshAhead(t *testing.T) {
	w := newWorld(t)
	w.session.set(func(s *session) { s.lifetime = time.Hour })
	s := w.source(t)
	first, err := s.Token(t.Context())
	require.NoError(t, err)

	w.session.advance(47 * time.Minute)
	token, err := s.Token(t.Context())
	require.NoError(t, err)
	require.Same(t, first, token)
	require.Equal(t, 1, w.exchanges())

	w.session.advance(2 * time.Minute) // 11 min left: renewal is due, and nobody waits for it
	w.Delay(50 * time.Millisecond)
	token, err = s.Token(t.Context())
	require.NoError(t, err)
	require.Same(t, first, token)
	require.Eventually(t, func() bool {
		token, err = s.Token(t.Context())
		return err == nil && token != first
	}, 10*time.Second, 5*time.Millisecond)
	require.Equal(t, 2, w.exchanges())

	w.session.advance(54*time.Minute + 30*time.Second) // below 10 % of the hour
	late, err := s.Token(t.Context())
	require.NoError(t, err)
	require.NotSame(t, token, late)
}

func TestNothingOutlivesTheSession(t *testing.T) {
	w := newWorld(t)
	w.session.set(func(s *session) { s.end = time.Now().Add(5 * time.Minute) })
	// A host that gives an hour whatever the ID token says.
	host := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(rw, `{"access_token":"t","token_type":"Bearer","expires_in":3600}`)
	}))
	defer host.Close()
	s := w.source(t, func(c *databricks.Config) { c.Host, c.Audience, c.InsecureSkipIdentity = host.URL, "a", true })
	token, err := s.Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, w.session.Expires(), token.Expires, "others keep it for as long as they are told")
	forSDK, err := client(t, s).Config.GetTokenSource().Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, w.session.Expires(), forSDK.Expiry)

	var login *oidc.LoginRequiredError
	for _, d := range []time.Duration{4*time.Minute + 40*time.Second, time.Minute, time.Hour} {
		w.session.advance(d)
		_, err = s.Token(t.Context())
		require.ErrorAs(t, err, &login, d)
	}
	require.Equal(t, "keyagent -key usb", login.Command)
}

func TestOneExchangeForAnyNumberOfCallers(t *testing.T) {
	w := newWorld(t)
	w.Delay(100 * time.Millisecond)
	s := w.source(t)
	var wg sync.WaitGroup
	for range 500 {
		wg.Go(func() {
			_, err := s.Token(t.Context())
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, 1, w.exchanges())
	require.EqualValues(t, 1, w.session.calls.Load())
}

func TestFailedSourceIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.FailTokenRequests(1000, databrickstest.Fault{Status: http.StatusBadGateway})
	s := w.source(t, func(c *databricks.Config) { c.Audience = w.AccountID() })
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			_, err := s.Token(t.Context())
			var refused *oidc.ExchangeError
			if !errors.As(err, &refused) || refused.Status != http.StatusBadGateway {
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, 1, w.exchanges())
	require.EqualValues(t, 1, w.session.calls.Load())

	// It recovers, without a restart, when its time has come.
	w.FailTokenRequests(0, databrickstest.Fault{})
	w.session.advance(2 * time.Minute)
	_, err := s.Token(t.Context())
	require.NoError(t, err)
}

// A busy host is asked again after as long as it asks for, where the SDK's own
// exchange gives up at once.
func TestBusyHost(t *testing.T) {
	w := newWorld(t)
	w.FailTokenRequests(1, databrickstest.Fault{RetryAfter: time.Second})
	_, err := w.source(t).Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, w.exchanges())
}

// A waiter leaves when its own context ends, however long the source takes, and
// the source's work is not lost.
func TestWaitersHonourTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newSession(t)
		w.delay = 10 * time.Second
		s, err := databricks.NewTokenSource(w, databricks.Config{Host: "https://a.example", Audience: "a", Scopes: []string{"sql"}, Transport: tokenHost{}, InsecureSkipIdentity: true})
		require.NoError(t, err)
		t.Cleanup(s.Close)

		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		before := time.Now()
		_, err = s.Token(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 20*time.Millisecond, time.Since(before))

		_, err = s.Token(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 1, w.calls.Load(), "the first caller's flight went on without it")
	})
}

// tokenHost answers every request like a token endpoint, without a network.
type tokenHost struct{}

func (tokenHost) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
	body := `{"access_token":"t","token_type":"Bearer","expires_in":900}`
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func TestProxyFromEnvironment(t *testing.T) {
	// The environment is read once for each process, so the default transport is
	// asked through a host name that would not resolve: either the proxy gets it
	// or nobody does. See TestMain.
	s, err := databricks.NewTokenSource(newSession(t), databricks.Config{Host: "https://workspace.invalid", Audience: "a", Scopes: []string{"sql"}})
	require.NoError(t, err)
	before := len(proxied.hosts())
	_, err = s.Token(t.Context())
	require.Error(t, err)
	require.Equal(t, []string{"workspace.invalid:443"}, proxied.hosts()[before:])
}

func TestAudit(t *testing.T) {
	w := newWorld(t)
	signer, _, _, err := audit.NewSigner("test")
	require.NoError(t, err)
	log := audit.NewMemory(signer, audit.Options{})
	s := w.source(t, func(c *databricks.Config) { c.Audit = log })
	token, err := s.Token(t.Context())
	require.NoError(t, err)

	w.session.advance(15 * time.Minute)
	w.FailTokenRequests(1, databrickstest.Fault{Status: http.StatusForbidden})
	_, err = s.Token(t.Context())
	require.Error(t, err)

	var written bytes.Buffer
	_, err = log.WriteTo(&written)
	require.NoError(t, err)
	text := written.String()
	require.Equal(t, 4, strings.Count(text, `"databricks.exchange"`), "an intent and a result for each of two exchanges:\n%s", text)
	require.Contains(t, text, testUser)
	require.Contains(t, text, w.url)
	require.Contains(t, text, `"ok"`)
	require.Contains(t, text, w.session.ID())
	requireNoSecret(t, text, token.Value, w.session.last.Value)

	// A record that cannot be written: no request, and no token.
	require.NoError(t, log.Close())
	before := w.exchanges()
	w.session.advance(time.Hour)
	_, err = s.Token(t.Context())
	require.ErrorContains(t, err, "recording the intent")
	require.Equal(t, before, w.exchanges())
}

// A result that cannot be written means that nobody gets the token either.
func TestAuditOfTheResult(t *testing.T) {
	signer, _, _, err := audit.NewSigner("test")
	require.NoError(t, err)
	log := audit.NewMemory(signer, audit.Options{})
	host := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_ = log.Close() // between the intent and the result
		_, _ = io.WriteString(rw, `{"access_token":"t","token_type":"Bearer","expires_in":3600}`)
	}))
	defer host.Close()
	s, err := databricks.NewTokenSource(newSession(t), databricks.Config{Host: host.URL, Audience: "a", Scopes: []string{"sql"}, Audit: log})
	require.NoError(t, err)
	token, err := s.Token(t.Context())
	require.ErrorContains(t, err, "recording the result")
	require.Nil(t, token)
}

func TestErrorsHoldNoSecret(t *testing.T) {
	w := newWorld(t)
	s := w.source(t)
	token, err := s.Token(t.Context())
	require.NoError(t, err)
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		requireNoSecret(t, fmt.Sprintf(format, s), token.Value)
		requireNoSecret(t, fmt.Sprintf(format, databricks.NewStrategy(s)), token.Value)
		requireNoSecret(t, fmt.Sprintf(format, *token), token.Value)
	}
	// A host that repeats what it was sent.
	echo := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		rw.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(rw, `{"error":"invalid_grant","error_description":"bad token %s"}`, r.Form.Get("subject_token"))
	}))
	defer echo.Close()
	s = w.source(t, func(c *databricks.Config) { c.Host, c.Audience = echo.URL, "a" })
	_, err = s.Token(t.Context())
	require.Error(t, err)
	requireNoSecret(t, err.Error(), w.session.last.Value)
}

func TestUserAgentOfTheExchange(t *testing.T) {
	w := newWorld(t)
	_, err := w.source(t).Token(t.Context())
	require.NoError(t, err)
	all := w.Requests()
	require.NotEmpty(t, all)
	for _, r := range all {
		fields := strings.Fields(r.UserAgent)
		require.True(t, slices.ContainsFunc(fields, func(f string) bool { return strings.HasPrefix(f, "lakekey/") }), r.UserAgent)
		require.Contains(t, fields, "lakekey-session/Sz1-session.", r.Path)
	}
}
