package oidc_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/idptest"
	"github.com/lakekey/lakekey/oidc"
	"github.com/lakekey/lakekey/oidc/keep"
	"github.com/lakekey/lakekey/oidc/oidctest"
)

// worker is a process that takes up a session which another one began. It is this
// test binary, told so by a variable.
type worker struct {
	Issuer, Client, Audience string
	Home                     string        // of the store
	Kill                     string        // the step at which the process kills itself
	User                     int           // whom to become first
	Room                     uint64        // the longest file that it may write; 0: any
	Ahead                    time.Duration // of the clock
}

// report is what a worker says when it is done.
type report struct {
	Subject, Token  string
	Error           string
	Login           bool // LoginRequiredError
	Reason, Command string
}

const workerVariable = "LAKEKEY_TEST_WORKER"

func (w worker) store(t testing.TB) oidc.Store {
	t.Helper()
	d, err := keep.Open(t.Context(), filepath.Join(w.Home, "sessions"), keep.KeyFile(filepath.Join(w.Home, "key")))
	require.NoError(t, err)
	return d
}

func (w worker) request(store oidc.Store) oidc.SignInRequest {
	return oidc.SignInRequest{ClientID: w.Client, LoginCommand: "keyagent -key browser", Store: store}
}

// run starts the worker and waits for its report; a worker that kills itself
// has none.
func (w worker) run(t testing.TB) (report, bool) {
	t.Helper()
	settings, err := json.Marshal(w)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWorker$", "-test.count=1")
	cmd.Env = append(os.Environ(), workerVariable+"="+string(settings))
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	var r report
	line, _, _ := strings.Cut(stdout.String(), "\n")
	if json.Unmarshal([]byte(line), &r) != nil {
		if w.Kill == "" {
			t.Errorf("worker: %v: %s%s", err, stdout.String(), stderr.String())
		}
		return r, false
	}
	return r, true
}

// TestWorker is the worker's side.
func TestWorker(t *testing.T) {
	settings := os.Getenv(workerVariable)
	if settings == "" {
		return // this is not a worker
	}
	var w worker
	require.NoError(t, json.Unmarshal([]byte(settings), &w))
	w.confine(t)
	var r report
	token, err := w.work(t)
	if err == nil {
		r.Subject, r.Token = token.Subject, token.Value.Reveal()
	} else {
		r.Error = err.Error()
		var login *oidc.LoginRequiredError
		if errors.As(err, &login) {
			r.Login, r.Reason, r.Command = true, login.Reason, login.Command
		}
	}
	out, err := json.Marshal(r)
	require.NoError(t, err)
	fmt.Println(string(out))
	os.Exit(0)
}

func (w worker) work(t *testing.T) (*oidc.IDToken, error) {
	dir, err := keep.Open(t.Context(), filepath.Join(w.Home, "sessions"), keep.KeyFile(filepath.Join(w.Home, "key")))
	if err != nil {
		return nil, err
	}
	steps := &steps{kill: w.Kill}
	p, err := oidc.Discover(t.Context(), w.Issuer, oidc.Options{Transport: steps, Now: func() time.Time { return time.Now().Add(w.Ahead) }})
	if err != nil {
		return nil, err
	}
	s, err := oidc.Resume(t.Context(), p, w.request(watched{dir, steps}))
	if err != nil {
		return nil, err
	}
	return s.IDToken(t.Context(), w.Audience)
}

// steps kills the process at one of them.
type steps struct {
	kill string
	seen map[string]int
	mu   sync.Mutex
}

func (s *steps) reach(step string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = map[string]int{}
	}
	s.seen[step]++
	if s.kill == fmt.Sprintf("%s %d", step, s.seen[step]) {
		self, _ := os.FindProcess(os.Getpid())
		_ = self.Kill()
		select {}
	}
}

// RoundTrip implements http.RoundTripper.
func (s *steps) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodPost {
		s.reach("before the request")
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if req.Method == http.MethodPost {
		s.reach("after the answer")
	}
	return resp, err
}

// watched is a store whose steps can be the last.
type watched struct {
	oidc.Store
	steps *steps
}

func (w watched) Hold(ctx context.Context, name string) (oidc.Entry, error) {
	e, err := w.Store.Hold(ctx, name)
	w.steps.reach("held")
	return watchedEntry{e, w.steps}, err
}

type watchedEntry struct {
	oidc.Entry
	steps *steps
}

func (e watchedEntry) Load() ([]byte, error) {
	data, err := e.Entry.Load()
	e.steps.reach("loaded")
	return data, err
}

func (e watchedEntry) Reserve(size int) error {
	err := e.Entry.Reserve(size)
	e.steps.reach("reserved")
	return err
}

func (e watchedEntry) Save(data []byte) error {
	e.steps.reach("before saving")
	err := e.Entry.Save(data)
	e.steps.reach("saved")
	return err
}

func (e watchedEntry) Release() {
	e.steps.reach("before releasing")
	e.Entry.Release()
}

// expired begins a session at a provider of ours, keeps it, and moves all clocks to
// where its ID token is of no use any more.
func expired(t testing.TB, o oidctest.Options) (*oidctest.Provider, worker) {
	t.Helper()
	var ahead atomic.Int64
	o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	f := webFixture(t, o)
	w := worker{Issuer: f.provider.Issuer(), Client: client, Audience: client, Home: t.TempDir(), Ahead: time.Hour}
	_, err := oidc.SignInBrowser(t.Context(), f.provider, &visitor{t: t}, w.request(w.store(t)))
	require.NoError(t, err)
	ahead.Store(int64(w.Ahead))
	return f.idp, w
}

// outlive returns once t has expired.
func outlive(t *oidc.IDToken) {
	for time.Now().Before(t.Expires) {
		time.Sleep(50 * time.Millisecond)
	}
}

// together runs n workers at the same time.
func together(t testing.TB, w worker, n int) []report {
	t.Helper()
	reports := make([]report, n)
	var wg sync.WaitGroup
	for i := range reports {
		wg.Go(func() { reports[i], _ = w.run(t) })
	}
	wg.Wait()
	return reports
}

// requireOne requires that all workers got the same fresh token.
func requireOne(t testing.TB, reports []report, subject string) {
	t.Helper()
	for _, r := range reports {
		require.Empty(t, r.Error)
		require.Equal(t, subject, r.Subject)
		require.Equal(t, reports[0].Token, r.Token)
	}
}

const processes = 20

// The provider ends the session when a refresh token comes back that was used:
// twenty processes on one session must use it once.
func TestProcessesShareASession(t *testing.T) {
	for name, o := range map[string]oidctest.Options{"bound to a key": {Rotate: true}, "bearer": {Rotate: true, Bearer: true, OneAudience: true}} {
		t.Run(name, func(t *testing.T) {
			idp, w := expired(t, o)
			before := idp.Requests(oidctest.TokenPath)
			requireOne(t, together(t, w, processes), "alice@example.com")
			require.Equal(t, 1, idp.Requests(oidctest.TokenPath)-before)
			require.Equal(t, 1, idp.Sessions())
			require.Equal(t, 1, idp.Requests(oidctest.AuthorizePath), "somebody was prompted")
		})
	}
}

// The same with a provider that nobody here wrote.
func TestProcessesShareASessionAtPanva(t *testing.T) {
	p := idptest.Panva(t, idptest.PanvaOptions{})
	p.Set(t, idptest.Knobs{Lifetime: 2 * time.Second})
	w := worker{Issuer: p.Issuer, Client: p.Native.ID, Audience: p.Native.ID, Home: t.TempDir()}
	r := w.request(w.store(t))
	r.RedirectURL = idptest.Address(t) + "/callback"
	s, err := oidc.SignInBrowser(t.Context(), discovered(t, &p.Provider), guest{t, &p.Provider, r.RedirectURL}, r)
	require.NoError(t, err)
	first, err := s.IDToken(t.Context(), p.Native.ID)
	require.NoError(t, err)
	p.Set(t, idptest.Knobs{})
	outlive(first)
	before := p.Requests(t)
	requireOne(t, together(t, w, processes), p.Person.Subject)
	after := p.Requests(t)
	require.Equal(t, before["/auth"], after["/auth"], "somebody was prompted")
	require.LessOrEqual(t, after["/token"]-before["/token"], 1)

	// The process that began it goes on with what the others got, and ends it for all.
	next, err := s.IDToken(t.Context(), p.Native.ID)
	require.NoError(t, err)
	require.NotEqual(t, first.Value.Reveal(), next.Value.Reveal())
	require.NoError(t, s.Close(t.Context()))
	gone, _ := w.run(t)
	require.True(t, gone.Login, gone.Error)
	require.Equal(t, "keyagent -key browser", gone.Command)
}

// kill -9 at every step. Whatever happened, the lock is free, nobody is prompted,
// and either the session goes on or the person is told why not: only between the
// issuer's answer and the file is there nothing that could be done.
func TestKilledAtEveryStep(t *testing.T) {
	lost := map[string]bool{"after the answer 1": true, "before saving 2": true}
	for _, step := range []string{
		"held 1", "loaded 1", "before releasing 1", "held 2", "loaded 2", "before saving 1", "saved 1", "reserved 1", "before the request 1",
		"after the answer 1", "before saving 2", "saved 2", "before saving 3", "saved 3", "before releasing 2",
	} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			for name, o := range map[string]oidctest.Options{"strict": {Rotate: true, Bearer: true, OneAudience: true}, "steady": {}} {
				if name == "steady" && testing.Short() {
					continue // the easier half, as many processes
				}
				idp, w := expired(t, o)
				victim := w
				victim.Kill = step
				_, done := victim.run(t)
				if name == "steady" && strings.HasSuffix(step, "saving 3") || name == "steady" && step == "saved 3" {
					require.True(t, done, "a token that stays the same is not saved again")
				} else {
					require.False(t, done, "the step was not reached")
				}
				for _, r := range together(t, w, 3) {
					if name == "strict" && lost[step] {
						require.True(t, r.Login, "%s: %s", name, r.Error)
						continue
					}
					require.Empty(t, r.Error, name)
					require.Equal(t, "alice@example.com", r.Subject)
				}
				require.Equal(t, 1, idp.Requests(oidctest.AuthorizePath), "somebody was prompted")
			}
		})
	}
}

// Who finds a session that a dead process has used up is told what happened.
func TestLostRenewalIsExplained(t *testing.T) {
	_, w := expired(t, oidctest.Options{Rotate: true, Bearer: true, OneAudience: true})
	victim := w
	victim.Kill = "after the answer 1"
	_, done := victim.run(t)
	require.False(t, done)
	r, _ := w.run(t)
	require.True(t, r.Login)
	require.Contains(t, r.Reason, "was cut off")
	r, _ = w.run(t)
	require.True(t, r.Login)
	require.Contains(t, r.Reason, "no session is kept")
}
