package databricks_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/databricks/databricks-sdk-go"
	"github.com/databricks/databricks-sdk-go/config"
	"github.com/databricks/databricks-sdk-go/service/jobs"
	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/databricks"
	"github.com/lakekey/lakekey/databricks/databrickstest"
	"github.com/lakekey/lakekey/databricks/metadata"
	"github.com/lakekey/lakekey/oidc"
)

// wire is the way to the world's workspace, without a network: in fake time a
// network does not stand still.
type wire struct {
	*world
	down atomic.Bool
}

var errRefused = errors.New("connection refused")

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if w.down.Load() {
		return nil, errRefused
	}
	in := r.Clone(r.Context()) // as a server gets it
	in.Host, in.RequestURI, in.RemoteAddr = r.URL.Host, r.URL.RequestURI(), "192.0.2.1:1"
	if in.Body == nil {
		in.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, in)
	resp := rec.Result()
	resp.Request = r
	return resp, nil
}

// newWire is a world in fake time. Its sessions last until end from now.
func newWire(t *testing.T, end time.Duration) *wire {
	t.Helper()
	s := newSession(t)
	s.end = time.Now().Add(end)
	workspace, err := databrickstest.New(databrickstest.Options{URL: "https://dbc-1.cloud.databricks.com", Now: s.now})
	require.NoError(t, err)
	_, err = workspace.AddUser(testUser)
	require.NoError(t, err)
	_, err = workspace.AddPolicy(databrickstest.Policy{Issuer: testIssuer, JWKS: s.jwks()})
	require.NoError(t, err)
	return &wire{world: &world{Workspace: workspace, url: "https://dbc-1.cloud.databricks.com", session: s}}
}

// service is a metadata service for the source, which counts its prompts.
func (w *wire) service(t *testing.T, source metadata.Source, prompts *atomic.Int64) (*metadata.Server, string) {
	t.Helper()
	m, err := metadata.NewServer(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, metadata.Options{
		InsecureAnyUser: true, // there is no connection
		Prompt:          func(string) { prompts.Add(1) },
	})
	require.NoError(t, err)
	address, err := m.Add(source)
	require.NoError(t, err)
	return m, address.Reveal()
}

// get is a tool's GET. It returns the token's header, or the refusal.
func get(t *testing.T, m *metadata.Server, address, host string) (token string, refusal string) {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	r.Header.Set("X-Databricks-Metadata-Version", "1")
	r.Header.Set("X-Databricks-Host", host)
	rec := httptest.NewRecorder()
	m.ServeHTTP(rec, r)
	body := rec.Body.String()
	if rec.Code != http.StatusOK {
		return "", body
	}
	return body, ""
}

// A working day: 8 hours in which the machine sleeps for 3, everything restarts,
// storms pass, and an admin revokes. No tool is refused as long as the session
// lives, and nobody is bothered.
func TestWorkingDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const day, sleep = 8 * time.Hour, 3 * time.Hour
		w := newWire(t, day+time.Minute)
		source, err := databricks.NewTokenSource(w.session, databricks.Config{Host: w.url, Scopes: []string{"jobs"}, Transport: w, Now: w.session.now})
		require.NoError(t, err)
		defer source.Close()
		var prompts atomic.Int64
		m, address := w.service(t, source, &prompts)
		done := make(chan struct{})
		var background, tools sync.WaitGroup
		background.Go(func() { m.KeepFresh(t.Context()) })
		strategy := databricks.NewStrategy(source)
		c, err := sdk.NewWorkspaceClient(&sdk.Config{
			Host: w.url, Credentials: strategy, HTTPTransport: strategy.Transport(w), RateLimitPerSecond: 1000,
			Loaders: []config.Loader{config.ConfigAttributes},
		})
		require.NoError(t, err)

		// The tools: some ask the metadata service, some are Go programs.
		var asked, called, refused, waited atomic.Int64
		every := func(pause time.Duration, do func()) {
			tools.Go(func() {
				for {
					select {
					case <-done:
						return
					case <-time.After(pause):
						do()
					}
				}
			})
		}
		for i := range 4 {
			every(time.Duration(3+7*i)*time.Second, func() {
				began := time.Now()
				asked.Add(1)
				if _, refusal := get(t, m, address, w.url); refusal != "" {
					refused.Add(1)
					t.Errorf("%v: refused: %s", w.session.now(), refusal)
				}
				if time.Since(began) > 0 {
					waited.Add(1)
				}
			})
		}
		every(11*time.Second, func() {
			if w.down.Load() {
				return // no call could succeed
			}
			called.Add(1)
			if _, err := c.Jobs.ListAll(t.Context(), jobs.ListJobsRequest{}); err != nil && !w.down.Load() {
				t.Errorf("%v: %v", w.session.now(), err)
			}
		})

		// The day. Each trouble comes at a moment that a seed chooses and lasts
		// 40 s, so that it meets the renewal of some tokens and not of others.
		moments := rand.New(rand.NewPCG(1, 2))
		start := w.session.now()
		until := func(d time.Duration) { time.Sleep(d - w.session.now().Sub(start)) }
		const trouble = 40 * time.Second
		for i := range 24 { // the first 3 hours
			until(time.Duration(i)*7*time.Minute + 5*time.Minute + time.Duration(moments.Int64N(int64(90*time.Second))))
			switch i % 6 {
			case 0: // the workspace restarts
				w.down.Store(true)
				time.Sleep(trouble)
				w.down.Store(false)
			case 1: // the issuer restarts
				w.session.set(func(s *session) { s.fail = &oidc.ExchangeError{Endpoint: "token", Status: 502} })
				time.Sleep(trouble)
				w.session.set(func(s *session) { s.fail = nil })
			case 2, 3: // storms
				w.FailTokenRequests(1<<30, databrickstest.Fault{Status: []int{503, 429}[i%2], RetryAfter: time.Second})
				time.Sleep(trouble)
				w.FailTokenRequests(0, databrickstest.Fault{})
			case 4: // an admin ends all tokens
				w.RevokeTokens()
			case 5: // the clock is set, forth and back
				w.session.advance(30 * time.Second)
				time.Sleep(trouble)
				w.session.advance(-30 * time.Second)
			}
		}
		require.Zero(t, waited.Load(), "tools waited at an expiry")
		until(3 * time.Hour)
		w.down.Store(true) // the network comes up after the machine
		w.session.advance(sleep)
		// A source that fails is asked again after 1 s and 2 s more; a network that
		// comes later than that is met by the GETs after the first ones.
		time.Sleep(2500 * time.Millisecond)
		w.down.Store(false)
		time.Sleep(time.Minute)
		for range 8 { // and the last 2
			w.RevokeTokens()
			time.Sleep(13 * time.Minute)
		}
		require.Zero(t, refused.Load())
		require.Zero(t, prompts.Load(), "somebody was bothered")
		close(done)
		tools.Wait()
		require.Greater(t, asked.Load(), int64(5_000))
		require.Greater(t, called.Load(), int64(1_000))
		t.Logf("%d GETs, %d calls, %d exchanges, %d GETs waited", asked.Load(), called.Load(), w.exchanges(), waited.Load())

		// The end, which is said at once and shown once.
		until(day + time.Minute)
		before := w.exchanges()
		for range 100 {
			began := time.Now()
			_, refusal := get(t, m, address, w.url)
			require.Contains(t, refusal, "login_required")
			require.Zero(t, time.Since(began))
		}
		synctest.Wait()
		require.EqualValues(t, 1, prompts.Load())
		require.Equal(t, before, w.exchanges())
	})
}

// An admin revokes, and no program of ours is there to see the 401: the service
// finds out by itself, soon, and asks nobody about tokens that nobody uses.
func TestRevokedTokenIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, 8*time.Hour)
		source, err := databricks.NewTokenSource(w.session, databricks.Config{Host: w.url, Scopes: []string{"jobs"}, Transport: w, Now: w.session.now})
		require.NoError(t, err)
		defer source.Close()
		var prompts atomic.Int64
		m, address := w.service(t, source, &prompts)
		go m.KeepFresh(t.Context())
		first, _ := get(t, m, address, w.url)
		time.Sleep(time.Second)
		w.RevokeTokens()
		again, _ := get(t, m, address, w.url)
		require.Equal(t, first, again)
		time.Sleep(80 * time.Second)
		fresh, _ := get(t, m, address, w.url)
		require.NotEqual(t, first, fresh)
		require.Equal(t, 2, w.exchanges())

		me := func() int { return w.count(http.MethodGet, "/api/2.0/preview/scim/v2/Me") }
		time.Sleep(2 * time.Minute)
		before := me()
		time.Sleep(5 * time.Minute)
		require.Equal(t, before, me(), "asked about a token that nobody uses")

		// What is not a 401 forgets nothing.
		get(t, m, address, w.url)
		w.down.Store(true)
		time.Sleep(2 * time.Minute)
		w.down.Store(false)
		require.Equal(t, 2, w.exchanges())
	})
}

// Ten thousand callers over an expiry and over the session's end: each has a
// token or the error that says what to run; none costs an exchange of its own.
func TestTenThousandCallers(t *testing.T) {
	const callers = 10_000
	for _, fresh := range []bool{false, true} {
		t.Run(fmt.Sprintf("kept fresh %v", fresh), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire(t, 20*time.Minute)
				w.session.delay = 200 * time.Millisecond
				source, err := databricks.NewTokenSource(w.session, databricks.Config{Host: w.url, Scopes: []string{"jobs"}, Transport: w, Now: w.session.now})
				require.NoError(t, err)
				defer source.Close()
				var prompts, tokens, logins atomic.Int64
				m, address := w.service(t, source, &prompts)
				if fresh {
					go m.KeepFresh(t.Context())
				}
				_, err = source.Token(t.Context())
				require.NoError(t, err)
				start := time.Now()
				crowd := func(longest time.Duration) {
					var wg sync.WaitGroup
					for i := range callers {
						wg.Go(func() {
							time.Sleep(time.Duration(i) * time.Second / callers) // a second's crowd
							began := time.Now()
							if i%10 == 0 { // through the metadata service
								if _, refusal := get(t, m, address, w.url); refusal == "" {
									tokens.Add(1)
								} else {
									logins.Add(1)
								}
								return
							}
							_, err := source.Token(t.Context())
							if _, login := errors.AsType[*oidc.LoginRequiredError](err); login {
								logins.Add(1)
							} else if err == nil {
								tokens.Add(1)
							} else {
								t.Error(err)
							}
							if time.Since(began) > longest {
								t.Errorf("waited %v", time.Since(began))
							}
						})
					}
					wg.Wait()
				}
				// The token of 15 min is not handed out in its last 90 s.
				time.Sleep(13*time.Minute + 29*time.Second + 500*time.Millisecond)
				longest := 200 * time.Millisecond
				if fresh {
					longest = 0
				}
				crowd(longest)
				require.EqualValues(t, callers, tokens.Load())
				require.Equal(t, 2, w.exchanges(), "one for the crowd")
				require.EqualValues(t, 2, w.session.calls.Load())
				require.Zero(t, prompts.Load())

				tokens.Store(0)
				time.Sleep(20*time.Minute - time.Since(start) - 500*time.Millisecond)
				exchanges := w.exchanges()
				crowd(200 * time.Millisecond)
				require.EqualValues(t, callers, tokens.Load()+logins.Load())
				require.NotZero(t, logins.Load())
				require.LessOrEqual(t, w.exchanges(), exchanges+1)
				synctest.Wait()
				require.EqualValues(t, 1, prompts.Load(), "one for ten thousand")
			})
		})
	}
}
