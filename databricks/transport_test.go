package databricks_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/databricks/databricks-sdk-go"
	"github.com/databricks/databricks-sdk-go/service/iam"
	"github.com/databricks/databricks-sdk-go/service/jobs"
	"github.com/lakekey/lakekey/databricks"
	"github.com/stretchr/testify/require"
)

// A revoked token costs one more exchange and one repeated request, and the
// caller does not notice.
func TestRevokedTokenIsReplaced(t *testing.T) {
	w := newWorld(t)
	c := client(t, w.source(t))
	_, err := c.CurrentUser.Me(t.Context(), iam.MeRequest{})
	require.NoError(t, err)
	require.Equal(t, 1, w.RevokeTokens())

	me, err := c.CurrentUser.Me(t.Context(), iam.MeRequest{})
	require.NoError(t, err)
	require.Equal(t, testUser, me.UserName)
	require.Equal(t, 2, w.exchanges())
	require.Equal(t, 3+2, w.count(http.MethodGet, "/api/2.0/preview/scim/v2/Me"), "and one for each token, about whose it is")
}

// Without the transport the SDK tells nobody about the 401.
func TestRevokedTokenWithoutTransport(t *testing.T) {
	w := newWorld(t)
	source := w.source(t)
	c := client(t, source, withoutTransport)
	_, err := c.CurrentUser.Me(t.Context(), iam.MeRequest{})
	require.NoError(t, err)
	token, err := source.Token(t.Context())
	require.NoError(t, err)
	w.RevokeTokens()
	_, err = c.CurrentUser.Me(t.Context(), iam.MeRequest{})
	require.ErrorIs(t, err, sdk.ErrUnauthenticated)

	source.Invalidate(token.Value) // what the program may do itself
	_, err = c.CurrentUser.Me(t.Context(), iam.MeRequest{})
	require.NoError(t, err)
	source.Invalidate(token.Value) // a second caller with the same bad news
	require.Equal(t, 2, w.exchanges())
}

// refusing is a host that issues tokens and then refuses them.
type refusing struct {
	tokens, calls atomic.Int64
	good          string // a token that it takes
	bodies        []string
}

func (h *refusing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/token") {
		n := h.tokens.Add(1)
		_, _ = io.WriteString(w, `{"access_token":"t`+string(rune('0'+n))+`","token_type":"Bearer","expires_in":900}`)
		return
	}
	h.calls.Add(1)
	body, _ := io.ReadAll(r.Body)
	h.bodies = append(h.bodies, string(body))
	if r.Header.Get("Authorization") != "Bearer "+h.good {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"error_code":"UNAUTHENTICATED","message":"no"}`)
		return
	}
	_, _ = io.WriteString(w, `{"job_id":1}`)
}

func refusingHost(t *testing.T, good string) (*refusing, *databricks.TokenSource) {
	h := &refusing{good: good}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	s, err := databricks.NewTokenSource(newSession(t), databricks.Config{Host: server.URL, Audience: "a", Scopes: []string{"jobs"}, InsecureSkipIdentity: true})
	require.NoError(t, err)
	return h, s
}

// A host that refuses every token gets each request twice at most, and does not
// have a token minted for each refusal.
func TestHostThatRefusesEveryToken(t *testing.T) {
	h, s := refusingHost(t, "none")
	c := client(t, s)
	for range 20 {
		_, err := c.CurrentUser.Me(t.Context(), iam.MeRequest{})
		require.ErrorIs(t, err, sdk.ErrUnauthenticated)
	}
	require.EqualValues(t, 2, h.tokens.Load())
	require.EqualValues(t, 21+1, h.calls.Load()) // and the SDK's discovery request
}

// A POST is repeated with its body: a 401 says that it was not applied.
func TestRepeatedRequestHasItsBody(t *testing.T) {
	h, s := refusingHost(t, "t2")
	c := client(t, s)
	job, err := c.Jobs.Create(t.Context(), jobs.CreateJob{Name: "nightly"})
	require.NoError(t, err)
	require.EqualValues(t, 1, job.JobId)
	require.Len(t, h.bodies, 3)
	require.Contains(t, h.bodies[1], "nightly")
	require.Equal(t, h.bodies[1], h.bodies[2])
}

func TestStreamIsNotRepeated(t *testing.T) {
	h, s := refusingHost(t, "t2")
	rt := databricks.NewStrategy(s).Transport(nil)
	send := func() *http.Response {
		r, err := http.NewRequest(http.MethodPost, s.Host()+"/api/x", io.MultiReader(bytes.NewReader([]byte("once"))))
		require.NoError(t, err)
		require.NoError(t, s.Authenticate(r))
		resp, err := rt.RoundTrip(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp
	}
	require.Equal(t, http.StatusUnauthorized, send().StatusCode)
	require.EqualValues(t, 1, h.calls.Load())
	require.Equal(t, http.StatusOK, send().StatusCode, "the next one has a new token")
}

// A request that carries somebody else's token is nobody's business here: it
// must not come back as the session's person.
func TestForeignTokenIsLeftAlone(t *testing.T) {
	h, s := refusingHost(t, "t1")
	rt := databricks.NewStrategy(s).Transport(nil)
	r, err := http.NewRequest(http.MethodGet, s.Host()+"/api/x", nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer somebody-else")
	resp, err := rt.RoundTrip(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
	require.Zero(t, h.tokens.Load())
	require.EqualValues(t, 1, h.calls.Load())
}

func TestTokenStaysAtItsHost(t *testing.T) {
	w := newWorld(t)
	s := w.source(t)
	var strayed atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" || strings.Contains(r.UserAgent(), "lakekey") {
			strayed.Add(1)
		}
	}))
	defer other.Close()
	rt := databricks.NewStrategy(s).Transport(nil)

	r, err := http.NewRequest(http.MethodGet, other.URL, nil)
	require.NoError(t, err)
	resp, err := rt.RoundTrip(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())

	require.NoError(t, s.Authenticate(r))
	_, err = rt.RoundTrip(r)
	require.ErrorContains(t, err, "refusing to send a token")
	require.Zero(t, strayed.Load())

	// The same when the SDK's Config is pointed elsewhere after the fact.
	c := client(t, s)
	_, err = c.CurrentUser.Me(t.Context(), iam.MeRequest{})
	require.NoError(t, err)
	c.Config.Host = other.URL
	_, err = c.CurrentUser.Me(t.Context(), iam.MeRequest{})
	require.ErrorContains(t, err, "refusing to send a token")
	require.Zero(t, strayed.Load())
}

// A token that has been replaced is one that the host still takes.
func TestOlderTokensStayAtTheirHost(t *testing.T) {
	w := newWorld(t)
	s := w.source(t)
	var strayed atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strayed.Add(1) }))
	defer other.Close()
	var issued []string
	for range 8 {
		token, err := s.Token(t.Context())
		require.NoError(t, err)
		require.NotContains(t, issued, token.Value.Reveal())
		issued = append(issued, token.Value.Reveal())
		s.Invalidate(token.Value)
		w.session.advance(time.Minute)
	}
	rt := databricks.NewStrategy(s).Transport(nil)
	for i, token := range issued {
		for _, scheme := range []string{"Bearer ", "bearer "} {
			r, err := http.NewRequest(http.MethodGet, other.URL, nil)
			require.NoError(t, err)
			r.Header.Set("Authorization", scheme+token)
			_, err = rt.RoundTrip(r)
			require.ErrorContains(t, err, "refusing to send a token", i)
		}
	}
	require.Zero(t, strayed.Load())
}

// The caller's request is the caller's, RoundTripper's contract says.
func TestRequestIsNotChanged(t *testing.T) {
	w := newWorld(t)
	s := w.source(t)
	r, err := http.NewRequest(http.MethodGet, s.Host()+"/api/2.0/preview/scim/v2/Me", nil)
	require.NoError(t, err)
	require.NoError(t, s.Authenticate(r))
	before := r.Header.Clone()
	resp, err := databricks.NewStrategy(s).Transport(nil).RoundTrip(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, before, r.Header)
}

// An ended session does not turn the host's answer into something else.
func TestUnauthorizedAtTheEndOfTheSession(t *testing.T) {
	w := newWorld(t)
	s := w.source(t)
	c := client(t, s)
	_, err := c.CurrentUser.Me(t.Context(), iam.MeRequest{})
	require.NoError(t, err)
	w.session.set(func(s *session) { s.end = s.end.Add(-24 * time.Hour) })
	w.RevokeTokens()
	_, err = c.CurrentUser.Me(t.Context(), iam.MeRequest{})
	require.ErrorIs(t, err, sdk.ErrUnauthenticated)
}
