package databricks_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/databricks/databricks-sdk-go"
	"github.com/databricks/databricks-sdk-go/config"
	"github.com/databricks/databricks-sdk-go/config/credentials"
	"github.com/databricks/databricks-sdk-go/service/compute"
	"github.com/databricks/databricks-sdk-go/service/iam"
	"github.com/databricks/databricks-sdk-go/service/jobs"
	"github.com/lakekey/lakekey/databricks"
	"github.com/lakekey/lakekey/databricks/databrickstest"
	"github.com/lakekey/lakekey/oidc"
	"github.com/stretchr/testify/require"
)

// client is the SDK's own client, as a program would make it.
func client(t testing.TB, source *databricks.TokenSource, edit ...func(*sdk.Config)) *sdk.WorkspaceClient {
	t.Helper()
	strategy := databricks.NewStrategy(source)
	c := &sdk.Config{Host: source.Host(), Credentials: strategy, HTTPTransport: strategy.Transport(nil), RateLimitPerSecond: 10000}
	for _, e := range edit {
		e(c)
	}
	w, err := sdk.NewWorkspaceClient(c)
	require.NoError(t, err)
	return w
}

func withoutTransport(c *sdk.Config) { c.HTTPTransport = nil }

func TestSDKClient(t *testing.T) {
	for name, edit := range map[string]func(*sdk.Config){"with transport": func(*sdk.Config) {}, "without": withoutTransport} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := client(t, w.source(t), edit)
			require.Zero(t, w.exchanges(), "making a client fetches no token")

			me, err := c.CurrentUser.Me(t.Context(), iam.MeRequest{})
			require.NoError(t, err)
			require.Equal(t, testUser, me.UserName)
			_, err = c.Clusters.ListAll(t.Context(), compute.ListClustersRequest{})
			require.NoError(t, err)
			_, err = c.Jobs.ListAll(t.Context(), jobs.ListJobsRequest{})
			require.NoError(t, err)
			require.Equal(t, 1, w.exchanges())

			calls, ours := 0, 0
			for _, r := range w.Requests() {
				if strings.HasPrefix(r.Path, "/api/") {
					calls++
					if !strings.Contains(r.UserAgent, "auth/lakekey") {
						ours++ // whose is the token?
					}
					require.Equal(t, 1, strings.Count(r.UserAgent, "lakekey-session/Sz1-session."), r.UserAgent)
				}
			}
			require.Equal(t, 3+1, calls)
			require.Equal(t, 1, ours)
		})
	}
}

// A scope that was not asked for is not there.
func TestScopesHold(t *testing.T) {
	w := newWorld(t)
	c := client(t, w.source(t, func(c *databricks.Config) { c.Scopes = []string{"jobs"} }))
	_, err := c.Jobs.ListAll(t.Context(), jobs.ListJobsRequest{})
	require.NoError(t, err)
	_, err = c.Clusters.ListAll(t.Context(), compute.ListClustersRequest{})
	require.ErrorIs(t, err, sdk.ErrPermissionDenied)
}

func TestParallelFirstCalls(t *testing.T) {
	w := newWorld(t)
	c := client(t, w.source(t))
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			if _, err := c.CurrentUser.Me(t.Context(), iam.MeRequest{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, 1, w.exchanges())
}

func TestConfigureFetchesNothing(t *testing.T) {
	w := newWorld(t)
	source := w.source(t)
	provider, err := databricks.NewStrategy(source).Configure(t.Context(), &config.Config{Host: w.url})
	require.NoError(t, err)
	require.Implements(t, (*credentials.OAuthCredentialsProvider)(nil), provider)
	require.Empty(t, w.Requests())
	require.Zero(t, w.session.calls.Load())
}

func TestConfigureRefuses(t *testing.T) {
	w := newWorld(t)
	s := databricks.NewStrategy(w.source(t))
	for host, says := range map[string]string{
		"https://other.example":                      "a token source for each host",
		strings.Replace(w.url, "http:", "https:", 1): "a token source for each host",
		"": "set it to " + w.url,
	} {
		_, err := s.Configure(t.Context(), &config.Config{Host: host})
		require.ErrorContains(t, err, says, host)
	}
	_, err := s.Configure(t.Context(), &config.Config{Host: w.url + "/?o=1", Scopes: []string{"jobs", "clusters"}})
	require.NoError(t, err, "another spelling of the same")
	_, err = s.Configure(t.Context(), &config.Config{Host: w.url, Scopes: []string{"all-apis"}})
	require.ErrorContains(t, err, "leave the SDK's empty")

	// Through the SDK: the error reaches the caller, and no token any host.
	c, err := sdk.NewWorkspaceClient(&sdk.Config{Host: w.url, Credentials: databricks.NewStrategy(w.source(t, func(c *databricks.Config) { c.Host, c.Audience = "https://other.example", "a" }))})
	require.NoError(t, err)
	_, err = c.CurrentUser.Me(t.Context(), iam.MeRequest{})
	require.ErrorContains(t, err, "a token source for each host")
	require.Zero(t, w.session.calls.Load())
}

func TestTokenSourceOfTheSDK(t *testing.T) {
	w := newWorld(t)
	c := client(t, w.source(t))
	token, err := c.Config.GetTokenSource().Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, "Bearer", token.TokenType)
	require.WithinDuration(t, w.session.now().Add(15*time.Minute), token.Expiry, 5*time.Second)

	r := httptest.NewRequest(http.MethodGet, "/", nil)
	require.NoError(t, c.Config.Authenticate(r))
	require.Equal(t, "Bearer "+token.AccessToken, r.Header.Get("Authorization"))
	require.Equal(t, 1, w.exchanges())
}

// The SDK's own provider waits with context.Background, so that cancelling a
// request does not cancel the wait for its token.
func TestRequestContextIsUsed(t *testing.T) {
	w := newWorld(t)
	c := client(t, w.source(t))
	w.Delay(time.Minute)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	done := make(chan error, 1)
	go func() { _, err := c.CurrentUser.Me(ctx, iam.MeRequest{}); done <- err }()
	select {
	case err := <-done:
		require.ErrorIs(t, err, context.DeadlineExceeded)
	case <-time.After(30 * time.Second):
		t.Fatal("the call went on after its context ended")
	}
}

// What a person has to do survives the way through the SDK.
func TestLoginRequiredReachesTheCaller(t *testing.T) {
	w := newWorld(t)
	c := client(t, w.source(t))
	w.session.advance(9 * time.Hour)
	_, err := c.CurrentUser.Me(t.Context(), iam.MeRequest{})
	var login *oidc.LoginRequiredError
	require.ErrorAs(t, err, &login)
	require.Equal(t, "keyagent -key usb", login.Command)
}

func TestFailingHostThroughTheSDK(t *testing.T) {
	w := newWorld(t)
	w.FailTokenRequests(1000, databrickstest.Fault{Status: http.StatusBadRequest})
	c := client(t, w.source(t))
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if _, err := c.CurrentUser.Me(t.Context(), iam.MeRequest{}); err == nil {
				t.Error("no error")
			}
		})
	}
	wg.Wait()
	require.Equal(t, 1, w.exchanges())
}

// Whoever overwrites a header in place changes the one request only.
func TestHeadersAreNotShared(t *testing.T) {
	w := newWorld(t)
	s := w.source(t)
	var all []*http.Request
	for range 200 {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		require.NoError(t, s.Authenticate(r))
		all = append(all, r)
	}
	want := all[0].Header.Get("Authorization")
	for _, r := range all[:100] {
		r.Header["Authorization"][0] = "redacted"
		r.Header.Add("Authorization", "more")
	}
	for _, r := range all[100:] {
		require.Equal(t, []string{want}, r.Header["Authorization"])
	}
}
