package workload_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/oidc"
	"github.com/lakekey/lakekey/oidc/oidctest"
	"github.com/lakekey/lakekey/oidc/workload"
)

const audience = "https://workspace.example"

// token is one as a CI system makes them.
func token(t testing.TB, now time.Time, change map[string]any) string {
	t.Helper()
	idp, err := oidctest.New(oidctest.Options{})
	require.NoError(t, err)
	claims := map[string]any{"iss": "https://ci.example", "sub": "repo:o/r:ref:main", "aud": audience, "iat": now.Unix(), "exp": now.Add(10 * time.Minute).Unix()}
	for name, value := range change {
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
	}
	text, err := json.Marshal(claims)
	require.NoError(t, err)
	signed, err := idp.Sign(string(text))
	require.NoError(t, err)
	return signed
}

func environment(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

func TestFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "token")
		write := func(text string) { require.NoError(t, os.WriteFile(path, []byte(text+"\n"), 0o600)) }
		write(token(t, time.Now(), nil))
		source, err := workload.Detect(environment(map[string]string{"DATABRICKS_OIDC_TOKEN_FILEPATH": path, "GITHUB_ACTIONS": "true"}))
		require.NoError(t, err)
		require.Contains(t, source.String(), path)
		s, err := workload.NewSession(source, workload.Options{})
		require.NoError(t, err)
		got, err := s.IDToken(t.Context(), audience)
		require.NoError(t, err)
		require.Equal(t, "repo:o/r:ref:main", got.Subject)
		require.Equal(t, audience, got.Audience)
		require.Empty(t, got.ACR)
		require.Equal(t, time.Now().Add(24*time.Hour), s.Expires())
		require.NotEmpty(t, s.ID())

		// Whoever keeps the file fresh is followed.
		time.Sleep(9*time.Minute + 30*time.Second)
		write(token(t, time.Now(), map[string]any{"sub": "next"}))
		got, err = s.IDToken(t.Context(), audience)
		require.NoError(t, err)
		require.Equal(t, "next", got.Subject)

		// Nobody does any more.
		time.Sleep(time.Hour)
		_, err = s.IDToken(t.Context(), audience)
		var login *oidc.LoginRequiredError
		require.ErrorAs(t, err, &login)
		require.Contains(t, login.Reason, path)
		require.NoError(t, os.Remove(path))
		time.Sleep(time.Minute)
		_, err = s.IDToken(t.Context(), audience)
		require.ErrorContains(t, err, "reading the job's token")

		// The hard end.
		time.Sleep(24 * time.Hour)
		_, err = s.IDToken(t.Context(), audience)
		require.ErrorAs(t, err, &login)
		require.Contains(t, login.Reason, "ended at")
	})
}

func TestVariable(t *testing.T) {
	now := time.Now()
	vars := map[string]string{"GITLAB_CI": "true", "DATABRICKS_OIDC_TOKEN": token(t, now, map[string]any{"aud": []string{"other", audience}})}
	source, err := workload.Detect(environment(vars))
	require.NoError(t, err)
	clock := now
	s, err := workload.NewSession(source, workload.Options{Lifetime: time.Hour, Now: func() time.Time { return clock }})
	require.NoError(t, err)
	_, err = s.IDToken(t.Context(), audience)
	require.NoError(t, err)
	_, err = s.IDToken(t.Context(), "another")
	var refused *oidc.IDTokenError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "aud", refused.Check)
	_, err = s.IDToken(t.Context(), "")
	require.Error(t, err)

	clock = now.Add(11 * time.Minute)
	_, err = s.IDToken(t.Context(), audience)
	var login *oidc.LoginRequiredError
	require.ErrorAs(t, err, &login)
	require.Contains(t, login.Reason, "run the job again")
	for _, printed := range []string{fmt.Sprintf("%v %+v %#v %s", s, s, s, s), err.Error(), source.String()} {
		require.NotContains(t, printed, "eyJ")
	}

	vars["DATABRICKS_OIDC_TOKEN_ENV"], vars["MINE"] = "MINE", ""
	source, err = workload.Detect(environment(vars))
	require.NoError(t, err)
	s, err = workload.NewSession(source, workload.Options{})
	require.NoError(t, err)
	_, err = s.IDToken(t.Context(), audience)
	require.ErrorContains(t, err, "MINE is empty")
}

// service is a CI system's token service.
type service struct {
	*httptest.Server
	asked  atomic.Int64
	answer func(w http.ResponseWriter, r *http.Request)
}

func newService(t testing.TB) *service {
	s := &service{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		s.answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func TestGitHub(t *testing.T) {
	ci := newService(t)
	ci.answer = func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.Header.Get("Authorization") != "Bearer job-secret" || r.URL.Query().Get("api-version") != "2.0" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		fmt.Fprintf(w, `{"count":1,"value":%q}`, token(t, time.Now(), map[string]any{"aud": r.URL.Query().Get("audience")}))
	}
	vars := map[string]string{"GITHUB_ACTIONS": "true", "ACTIONS_ID_TOKEN_REQUEST_URL": ci.URL + "/token?api-version=2.0", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "job-secret"}
	source, err := workload.Detect(environment(vars))
	require.NoError(t, err)
	s, err := workload.NewSession(source, workload.Options{})
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 50 {
		for _, aud := range []string{audience, "a&audience=b c"} {
			wg.Go(func() {
				got, err := s.IDToken(t.Context(), aud)
				if err != nil || got.Audience != aud {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	require.EqualValues(t, 2, ci.asked.Load(), "one request for each audience")
}

func TestAzureDevOps(t *testing.T) {
	const azure = "api://AzureADTokenExchange"
	ci := newService(t)
	ci.answer = func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer job-secret" ||
			r.URL.Path != "/org/project/_apis/distributedtask/hubs/build/plans/plan/jobs/job/oidctoken" || r.URL.Query().Get("api-version") == "" {
			http.Error(w, r.URL.String(), http.StatusForbidden)
			return
		}
		fmt.Fprintf(w, `{"oidcToken":%q}`, token(t, time.Now(), map[string]any{"aud": azure}))
	}
	vars := map[string]string{
		"TF_BUILD": "True", "SYSTEM_ACCESSTOKEN": "job-secret", "SYSTEM_TEAMFOUNDATIONCOLLECTIONURI": ci.URL + "/org/",
		"SYSTEM_TEAMPROJECTID": "project", "SYSTEM_HOSTTYPE": "build", "SYSTEM_PLANID": "plan", "SYSTEM_JOBID": "job",
	}
	source, err := workload.Detect(environment(vars))
	require.NoError(t, err)
	s, err := workload.NewSession(source, workload.Options{})
	require.NoError(t, err)
	_, err = s.IDToken(t.Context(), azure)
	require.NoError(t, err)
	_, err = s.IDToken(t.Context(), audience)
	require.ErrorContains(t, err, azure)
	require.EqualValues(t, 1, ci.asked.Load())
}

// What a token service may do wrong, and what comes of it: no token, no secret in
// the error, and nothing sent anywhere else.
func TestBadServices(t *testing.T) {
	elsewhere := newService(t)
	elsewhere.answer = func(http.ResponseWriter, *http.Request) {}
	for name, answer := range map[string]func(w http.ResponseWriter, r *http.Request){
		"500": func(w http.ResponseWriter, r *http.Request) { http.Error(w, r.Header.Get("Authorization"), 500) },
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		},
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"value":"`+strings.Repeat("a", 1<<20))
		},
		"html":        func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
		"no token":    func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"value":""}`) },
		"twice":       func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"value":"a","value":"b"}`) },
		"a number":    func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"value":1}`) },
		"not a token": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"value":"job-secret"}`) },
	} {
		t.Run(name, func(t *testing.T) {
			ci := newService(t)
			ci.answer = answer
			source, err := workload.GitHub(environment(map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": ci.URL + "/t", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "job-secret"}))
			require.NoError(t, err)
			s, err := workload.NewSession(source, workload.Options{})
			require.NoError(t, err)
			_, err = s.IDToken(t.Context(), audience)
			require.Error(t, err)
			require.NotContains(t, err.Error(), "job-secret")
			_, err = s.IDToken(t.Context(), audience)
			require.Error(t, err)
			require.EqualValues(t, 1, ci.asked.Load(), "a failing service was asked again at once")
		})
	}
	require.Zero(t, elsewhere.asked.Load())
}

// A waiter leaves with its own context.
func TestSlowService(t *testing.T) {
	ci := newService(t)
	release := make(chan struct{})
	defer close(release)
	ci.answer = func(http.ResponseWriter, *http.Request) { <-release }
	source, err := workload.GitHub(environment(map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": ci.URL + "/t", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "job-secret"}))
	require.NoError(t, err)
	s, err := workload.NewSession(source, workload.Options{})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = s.IDToken(ctx, audience)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestJobsThatLackSomething(t *testing.T) {
	for name, c := range map[string]struct {
		vars map[string]string
		says string
	}{
		"nothing":           {nil, "DATABRICKS_OIDC_TOKEN_FILEPATH"},
		"GitHub":            {map[string]string{"GITHUB_ACTIONS": "true"}, "id-token: write"},
		"GitHub by http":    {map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": "http://ci.example/", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "s"}, "https"},
		"GitHub, no secret": {map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": "https://ci.example/"}, "id-token: write"},
		"Azure":             {map[string]string{"TF_BUILD": "True"}, "System.AccessToken"},
		"Azure, no plan":    {map[string]string{"SYSTEM_ACCESSTOKEN": "s", "SYSTEM_TEAMPROJECTID": "p", "SYSTEM_HOSTTYPE": "build"}, "SYSTEM_PLANID"},
		"Azure by http": {map[string]string{"SYSTEM_ACCESSTOKEN": "s", "SYSTEM_TEAMPROJECTID": "p", "SYSTEM_HOSTTYPE": "b", "SYSTEM_PLANID": "p", "SYSTEM_JOBID": "j",
			"SYSTEM_TEAMFOUNDATIONCOLLECTIONURI": "http://dev.azure.example/org"}, "https"},
		"GitLab": {map[string]string{"GITLAB_CI": "true"}, "id_tokens"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := workload.Detect(environment(c.vars))
			require.ErrorContains(t, err, c.says)
			require.True(t, strings.HasPrefix(err.Error(), "workload: "))
		})
	}
	_, err := workload.NewSession(workload.Source{}, workload.Options{})
	require.Error(t, err)
	_, err = workload.Variable(os.Getenv, "")
	require.Error(t, err)
}

func TestBadTokens(t *testing.T) {
	now := time.Unix(1_900_000_000, 0)
	for name, c := range map[string]struct {
		change map[string]any
		check  string
	}{
		"another audience": {map[string]any{"aud": "x"}, "aud"},
		"no audience":      {map[string]any{"aud": nil}, "aud"},
		"no subject":       {map[string]any{"sub": nil}, "sub"},
		"control in sub":   {map[string]any{"sub": "a\x1b[2J"}, "sub"},
		"no issuer":        {map[string]any{"iss": nil}, "iss"},
		"no end":           {map[string]any{"exp": nil}, "exp"},
		"a year":           {map[string]any{"exp": now.AddDate(1, 0, 0).Unix()}, "exp"},
		"end in words":     {map[string]any{"exp": "tomorrow"}, "exp"},
	} {
		t.Run(name, func(t *testing.T) {
			err := parseOne(t, token(t, now, c.change), now)
			var refused *oidc.IDTokenError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, c.check, refused.Check)
		})
	}
	good := token(t, now, nil)
	require.NoError(t, parseOne(t, good, now))
	parts := strings.Split(good, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`))
	twice := base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"a","sub":"b"}`))
	for name, bad := range map[string]string{
		"nothing": "", "words": "hello", "alg none": none + "." + parts[1] + ".", "alg none, signed": none + "." + parts[1] + "." + parts[2],
		"sub twice": parts[0] + "." + twice + "." + parts[2], "five parts": good + ".a.b", "huge": strings.Repeat("a", 70<<10),
	} {
		require.Error(t, parseOne(t, bad, now), name)
	}
}

func parseOne(t testing.TB, text string, now time.Time) error {
	t.Helper()
	source, err := workload.Variable(environment(map[string]string{"T": text}), "T")
	require.NoError(t, err)
	s, err := workload.NewSession(source, workload.Options{Now: func() time.Time { return now }})
	require.NoError(t, err)
	_, err = s.IDToken(t.Context(), audience)
	return err
}

// Whatever is taken is for the audience, has an end within a day, and names
// somebody who can be printed.
func FuzzToken(f *testing.F) {
	now := time.Unix(1_900_000_000, 0)
	f.Add(`{"alg":"ES256"}`, `{"iss":"https://ci.example","sub":"job","aud":"https://workspace.example","exp":1900000600}`)
	f.Add(`{"alg":"none"}`, `{"iss":"i","sub":"s","aud":["https://workspace.example"],"exp":1.9000006e9}`)
	f.Fuzz(func(t *testing.T, header, claims string) {
		encode := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
		source, err := workload.Variable(environment(map[string]string{"T": encode(header) + "." + encode(claims) + ".c2ln"}), "T")
		require.NoError(t, err)
		s, err := workload.NewSession(source, workload.Options{Now: func() time.Time { return now }})
		require.NoError(t, err)
		got, err := s.IDToken(t.Context(), audience)
		if err != nil {
			require.Nil(t, got)
			return
		}
		require.True(t, got.Expires.After(now) && !got.Expires.After(now.Add(24*time.Hour)))
		require.NotEmpty(t, got.Subject)
		require.Empty(t, got.ACR)
		alg := map[string]any{}
		require.NoError(t, json.Unmarshal([]byte(header), &alg))
		require.NotEmpty(t, alg["alg"])
		require.NotEqual(t, "none", alg["alg"])
	})
}

func ExampleDetect() {
	// In a program: os.Getenv, and the variables are the CI system's.
	vars := url.Values{"GITHUB_ACTIONS": {"true"}}
	_, err := workload.Detect(vars.Get)
	fmt.Println(err)
	// Output: workload: GitHub Actions gives this job no ID tokens: its workflow needs permissions: id-token: write
}
