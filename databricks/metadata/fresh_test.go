package metadata_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/databricks/metadata"
	"github.com/lakekey/lakekey/internal/refresh"
	"github.com/lakekey/lakekey/internal/secret"
	"github.com/lakekey/lakekey/oidc"
)

// changing is a source whose answer a function makes.
type changing func(ctx context.Context) (*oidc.Token, error)

func (changing) Host() string                                     { return workspace }
func (f changing) Token(ctx context.Context) (*oidc.Token, error) { return f(ctx) }

func good() (*oidc.Token, error) {
	return &oidc.Token{Value: secret.New("secret-token"), Expires: time.Now().Add(time.Hour)}, nil
}

// ask is a right request that needs no network: in fake time, there is none.
func ask(t *testing.T, s *metadata.Server, url string) (int, string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, url, nil)
	r.Header.Set("X-Databricks-Metadata-Version", "1")
	r.Header.Set("X-Databricks-Host", workspace)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func serving(t *testing.T, source metadata.Source, o metadata.Options) (*metadata.Server, string) {
	t.Helper()
	o.InsecureAnyUser = true // there is no connection
	l, err := metadata.Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	s, err := metadata.NewServer(l.Addr(), o)
	require.NoError(t, err)
	u, err := s.Add(source)
	require.NoError(t, err)
	return s, u.Reveal()
}

// A tool that is refused gives up: what passes in a moment is waited for.
func TestWhatPassesIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		s, url := serving(t, changing(func(context.Context) (*oidc.Token, error) {
			if time.Since(start) < 2*time.Second {
				return nil, &oidc.ExchangeError{Status: 503}
			}
			return good()
		}), metadata.Options{})
		status, _ := ask(t, s, url)
		require.Equal(t, http.StatusOK, status)
		require.Less(t, time.Since(start), 3*time.Second)
	})
}

// A machine that was just woken has its network back after some seconds, and a
// source that failed is left alone for a while; a GET outlasts both, whenever
// within its patience the network comes.
func TestNetworkAfterWaking(t *testing.T) {
	for back := 500 * time.Millisecond; back < 4*time.Second; back += 500 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			var calls atomic.Int64
			cache := refresh.New(func(context.Context) (*oidc.Token, time.Time, error) {
				calls.Add(1)
				if time.Since(start) < back {
					return nil, time.Time{}, errors.New("no route to host")
				}
				token, err := good()
				return token, token.Expires, err
			}, refresh.Options{})
			defer cache.Close(nil)
			s, url := serving(t, changing(cache.Value), metadata.Options{})
			var waiting sync.WaitGroup
			for range 20 {
				waiting.Go(func() {
					if status, body := ask(t, s, url); status != http.StatusOK {
						t.Errorf("the network was back after %v: %s", back, body)
					}
				})
			}
			waiting.Wait()
			require.LessOrEqual(t, calls.Load(), int64(back/time.Second)+2, "calls for all of them")
		})
	}
}

type broken struct{ error }

func (broken) Lasting() bool { return true }

// What somebody must mend is said at once.
func TestWhatLastsIsSaidAtOnce(t *testing.T) {
	for _, err := range []error{
		&oidc.LoginRequiredError{Reason: "over"},
		&oidc.ExchangeError{Status: 403, Code: "invalid_grant"},
		broken{errors.New("somebody else's token")},
	} {
		synctest.Test(t, func(t *testing.T) {
			start, calls := time.Now(), 0
			s, url := serving(t, changing(func(context.Context) (*oidc.Token, error) { calls++; return nil, err }), metadata.Options{})
			status, _ := ask(t, s, url)
			require.Equal(t, http.StatusForbidden, status)
			require.Equal(t, 1, calls)
			require.Zero(t, time.Since(start))
		})
	}
}

// The person is told once that tools wait, not once for each of them, and again
// when it is news.
func TestPrompt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var prompts atomic.Int64
		var over atomic.Bool
		source := changing(func(context.Context) (*oidc.Token, error) {
			if over.Load() {
				return nil, &oidc.LoginRequiredError{Reason: "over"}
			}
			return good()
		})
		s, url := serving(t, source, metadata.Options{Prompt: func(host string) {
			require.Equal(t, workspace, host)
			prompts.Add(1)
			time.Sleep(time.Hour) // a desktop that takes its time
		}})
		told := func() int64 {
			for range 50 {
				ask(t, s, url)
			}
			synctest.Wait()
			return prompts.Load()
		}
		start := time.Now()
		require.EqualValues(t, 0, told(), "no prompt without cause")
		over.Store(true)
		require.EqualValues(t, 1, told())
		require.EqualValues(t, 1, told())
		require.Zero(t, time.Since(start), "nobody waits for the prompt")
		time.Sleep(metadata.PromptEvery)
		require.EqualValues(t, 2, told())
		over.Store(false)
		told()
		over.Store(true)
		require.EqualValues(t, 3, told(), "the session that came in between has ended, too")
		time.Sleep(2 * time.Hour)
	})
}

// A GET that nobody may answer prompts nobody: a stranger must not be able to
// make windows appear.
func TestStrangersPromptNobody(t *testing.T) {
	s, url := serving(t, changing(func(context.Context) (*oidc.Token, error) {
		return nil, &oidc.LoginRequiredError{Reason: "over"}
	}), metadata.Options{Prompt: func(string) { t.Error("prompted") }})
	status, _ := ask(t, s, strings.TrimSuffix(url, url[len(url)-3:])+"AAA")
	require.Equal(t, http.StatusNotFound, status)
	r := httptest.NewRequest(http.MethodGet, url, nil) // as an image in a page
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	require.Equal(t, http.StatusBadRequest, w.Code)
}

func TestKeepFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		s, _ := serving(t, changing(func(context.Context) (*oidc.Token, error) { calls.Add(1); return nil, errors.New("down") }), metadata.Options{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s.KeepFresh(ctx)
		require.InDelta(t, float64(time.Minute/metadata.FreshEvery), float64(calls.Load()), 1)
	})
}
