package oidc_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/secret"
	"github.com/lakekey/lakekey/oidc"
)

const subjectToken = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"

var exchange = oidc.ExchangeRequest{SubjectToken: secret.New(subjectToken), Scopes: []string{"sql", "clusters:read"}}

// exchanger returns one whose endpoint answers as told.
func exchanger(t *testing.T, answer http.HandlerFunc) *oidc.Exchanger {
	t.Helper()
	x, err := oidc.NewExchanger(local+"/oidc/v1/token", oidc.ExchangerOptions{Transport: inProcess{answer}})
	require.NoError(t, err)
	return x
}

func body(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text))
	}
}

func TestExchangeOnTheWire(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*oidc.ExchangeRequest)
		want   url.Values
		agent  string
	}{
		"account-wide": {func(*oidc.ExchangeRequest) {}, url.Values{}, "lakekey"},
		"service principal": {
			func(r *oidc.ExchangeRequest) { r.ClientID, r.UserAgent = "app-id", "lakekey/1 session/abc" },
			url.Values{"client_id": {"app-id"}}, "lakekey/1 session/abc",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.want.Set("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange")
			c.want.Set("subject_token", subjectToken)
			c.want.Set("subject_token_type", "urn:ietf:params:oauth:token-type:jwt")
			c.want.Set("scope", "sql clusters:read")
			x := exchanger(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodPost || r.URL.Path != "/oidc/v1/token" || r.ParseForm() != nil || r.Header.Get("User-Agent") != c.agent {
					t.Errorf("%s %s by %q", r.Method, r.URL, r.Header.Get("User-Agent"))
				}
				if r.PostForm.Encode() != c.want.Encode() || r.URL.RawQuery != "" {
					t.Errorf("sent %v", r.PostForm)
				}
				body(200, `{"access_token":"dapi-1","token_type":"Bearer","expires_in":3600}`)(w, r)
			})
			r := exchange
			c.change(&r)
			token, err := x.Exchange(t.Context(), r)
			require.NoError(t, err)
			require.Equal(t, "dapi-1", token.Value.Reveal())
			require.Equal(t, "Bearer", token.Type)
			require.Equal(t, []string{"sql", "clusters:read"}, token.Scopes)
			require.WithinDuration(t, time.Now().Add(time.Hour), token.Expires, time.Minute)
		})
	}
}

func TestExchangeAnswers(t *testing.T) {
	const rest = `"access_token":"a.b-c_d~e+f/g==","token_type":"Bearer"`
	for name, c := range map[string]struct {
		body   string
		reason string // empty: good
	}{
		"seconds as a number":        {`{` + rest + `,"expires_in":60}`, ""},
		"seconds as a string":        {`{` + rest + `,"expires_in":"60"}`, ""},
		"seconds with a fraction":    {`{` + rest + `,"expires_in":60.9}`, ""},
		"type in lower case":         {`{"access_token":"a","token_type":"bearer","expires_in":60}`, ""},
		"scope as asked":             {`{` + rest + `,"expires_in":60,"scope":"clusters:read sql"}`, ""},
		"fewer scopes":               {`{` + rest + `,"expires_in":60,"scope":"sql"}`, ""},
		"scope empty":                {`{` + rest + `,"expires_in":60,"scope":""}`, ""},
		"scope null":                 {`{` + rest + `,"expires_in":60,"scope":null}`, ""},
		"members we do not know":     {`{` + rest + `,"expires_in":60,"issued_token_type":"x","more":{"a":[1]}}`, ""},
		"more scopes":                {`{` + rest + `,"expires_in":60,"scope":"sql clusters:read all-apis"}`, "more than was asked"},
		"wider scope":                {`{` + rest + `,"expires_in":60,"scope":"clusters"}`, "more than was asked"},
		"scope in another case":      {`{` + rest + `,"expires_in":60,"scope":"SQL"}`, "more than was asked"},
		"scope with two spaces":      {`{` + rest + `,"expires_in":60,"scope":"sql  clusters:read"}`, "more than was asked"},
		"scope of another type":      {`{` + rest + `,"expires_in":60,"scope":["sql"]}`, "scope"},
		"no expiry":                  {`{` + rest + `}`, "expires_in"},
		"expiry zero":                {`{` + rest + `,"expires_in":0}`, "expires_in"},
		"expiry negative":            {`{` + rest + `,"expires_in":-60}`, "expires_in"},
		"expiry beyond time":         {`{` + rest + `,"expires_in":1e300}`, "expires_in"},
		"expiry not a number":        {`{` + rest + `,"expires_in":"soon"}`, "expires_in"},
		"expiry quoted twice":        {`{` + rest + `,"expires_in":"\"60\""}`, "expires_in"},
		"expiry true":                {`{` + rest + `,"expires_in":true}`, "expires_in"},
		"type N_A":                   {`{"access_token":"a","token_type":"N_A","expires_in":60}`, "token_type"},
		"type DPoP":                  {`{"access_token":"a","token_type":"DPoP","expires_in":60}`, "token_type"},
		"type missing":               {`{"access_token":"a","expires_in":60}`, "token_type"},
		"token empty":                {`{"access_token":"","token_type":"Bearer","expires_in":60}`, "access_token"},
		"token missing":              {`{"token_type":"Bearer","expires_in":60}`, "access_token"},
		"token with a line break":    {`{"access_token":"a\r\nX: y","token_type":"Bearer","expires_in":60}`, "access_token"},
		"token with a space":         {`{"access_token":"a b","token_type":"Bearer","expires_in":60}`, "access_token"},
		"token twice":                {`{"access_token":"a","access_token":"b","token_type":"Bearer","expires_in":60}`, "same name"},
		"two documents":              {`{` + rest + `,"expires_in":60}{}`, "follows"},
		"a list":                     {`[]`, "not a JSON object"},
		"a page":                     {`<html>sign in</html>`, "not a JSON object"},
		"nothing":                    {``, "not a JSON object"},
		"half":                       {`{"access_token":"a`, "not valid JSON"},
		"longer than 64 KiB":         {`{` + rest + `,"expires_in":60,"x":"` + strings.Repeat("a", 64<<10) + `"}`, "longer than 64 KiB"},
		"name in another case":       {`{"ACCESS_TOKEN":"a","token_type":"Bearer","expires_in":60}`, "access_token"},
		"nested deeper than 32":      {`{` + rest + `,"expires_in":60,"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, "nested deeper"},
		"not UTF-8":                  {"{" + rest + `,"expires_in":60,"x":"` + "\xff" + `"}`, "UTF-8"},
		"expiry of a hundred digits": {`{` + rest + `,"expires_in":` + strings.Repeat("9", 100) + `}`, "expires_in"},
	} {
		t.Run(name, func(t *testing.T) {
			token, err := exchanger(t, body(200, c.body)).Exchange(t.Context(), exchange)
			if c.reason == "" {
				require.NoError(t, err)
				require.Subset(t, exchange.Scopes, token.Scopes)
				require.NotEmpty(t, token.Scopes)
				return
			}
			require.ErrorContains(t, err, c.reason)
			require.Nil(t, token)
		})
	}
}

func TestExchangeRequestsThatMeanNothing(t *testing.T) {
	x := exchanger(t, func(http.ResponseWriter, *http.Request) { t.Error("it was sent") })
	for name, r := range map[string]oidc.ExchangeRequest{
		"no token":         {Scopes: []string{"sql"}},
		"no scope":         {SubjectToken: secret.New(subjectToken)},
		"empty scope":      {SubjectToken: secret.New(subjectToken), Scopes: []string{""}},
		"two in one":       {SubjectToken: secret.New(subjectToken), Scopes: []string{"sql all-apis"}},
		"scope twice":      {SubjectToken: secret.New(subjectToken), Scopes: []string{"sql", "sql"}},
		"scope with quote": {SubjectToken: secret.New(subjectToken), Scopes: []string{`sql"`}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := x.Exchange(t.Context(), r)
			require.Error(t, err)
		})
	}
}

func TestExchangerEndpoints(t *testing.T) {
	for address, good := range map[string]bool{
		"https://dbc-1.cloud.databricks.com/oidc/v1/token": true,
		"http://localhost:8080/oidc/v1/token":              true,
		"http://127.0.0.1:1/t":                             true,
		"http://[::1]:1/t":                                 true,
		"http://dbc-1.cloud.databricks.com/oidc/v1/token":  false,
		"http://169.254.169.254/t":                         false,
		"https://user:pw@dbc-1.cloud.databricks.com/t":     false,
		"https://dbc-1.cloud.databricks.com/t#x":           false,
		"https://dbc-1.cloud.databricks.com/t?x=y":         false,
		"file:///etc/passwd":                               false,
		"/oidc/v1/token":                                   false,
		"":                                                 false,
	} {
		_, err := oidc.NewExchanger(address, oidc.ExchangerOptions{})
		require.Equal(t, good, err == nil, "%s: %v", address, err)
		if err != nil {
			require.NotContains(t, err.Error(), "pw")
		}
	}
}

func TestExchangeFollowsNoRedirect(t *testing.T) {
	var strayed atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strayed.Add(1) }))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, target := range []string{elsewhere.URL, "/oidc/v2/token"} {
			hits := 0
			x := exchanger(t, func(w http.ResponseWriter, r *http.Request) {
				hits++
				http.Redirect(w, r, target, status)
			})
			_, err := x.Exchange(t.Context(), exchange)
			var refused *oidc.ExchangeError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, status, refused.Status)
			require.Contains(t, refused.Description, "redirect")
			require.Equal(t, 1, hits)
		}
	}
	require.Zero(t, strayed.Load())
}

func TestExchangeRefused(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		want   oidc.ExchangeError
	}{
		"as the RFC says": {400, `{"error":"invalid_grant","error_description":"no federation policy matches"}`,
			oidc.ExchangeError{Code: "invalid_grant", Description: "no federation policy matches"}},
		"repeats the token": {400, `{"error":"invalid_request","error_description":"cannot parse ` + subjectToken + `"}`,
			oidc.ExchangeError{Code: "invalid_request", Description: "cannot parse [redacted]"}},
		"repeats a part of it": {400, `{"error":"invalid_request","error_description":"bad header ` + subjectToken[:30] + `"}`,
			oidc.ExchangeError{Code: "invalid_request", Description: "bad header [redacted]"}},
		"hides it in the code":   {400, `{"error":"` + subjectToken + `"}`, oidc.ExchangeError{}},
		"a page":                 {502, `<html>` + subjectToken + `</html>`, oidc.ExchangeError{}},
		"control characters":     {401, `{"error":"x","error_description":"a\u001b[31m\r\nb\u202e"}`, oidc.ExchangeError{Code: "x", Description: "a [31m b"}},
		"a novel":                {403, `{"error":"x","error_description":"` + strings.Repeat("no ", 1000) + `"}`, oidc.ExchangeError{Code: "x", Description: strings.Repeat("no ", 100) + "..."}},
		"members of other types": {400, `{"error":7,"error_description":[]}`, oidc.ExchangeError{}},
	} {
		t.Run(name, func(t *testing.T) {
			hits := 0
			x := exchanger(t, func(w http.ResponseWriter, r *http.Request) { hits++; body(c.status, c.body)(w, r) })
			_, err := x.Exchange(t.Context(), exchange)
			var refused *oidc.ExchangeError
			require.ErrorAs(t, err, &refused)
			c.want.Endpoint, c.want.Status = "token", c.status
			require.Equal(t, c.want, *refused)
			require.NotContains(t, err.Error(), "eyJ")
			require.Equal(t, 1, hits, "only 429 and 503 are tried again")
		})
	}
}

func TestExchangeWaitsForABusyEndpoint(t *testing.T) {
	good := body(200, `{"access_token":"a","token_type":"Bearer","expires_in":60}`)
	for name, c := range map[string]struct {
		status int
		after  func() string // Retry-After
		busy   int           // answers
		takes  time.Duration
		fails  bool
	}{
		"429, seconds":      {429, func() string { return "2" }, 1, 2 * time.Second, false},
		"503, a date":       {503, func() string { return time.Now().Add(5 * time.Second).UTC().Format(http.TimeFormat) }, 1, 5 * time.Second, false},
		"503, no word":      {503, func() string { return "" }, 2, 1500 * time.Millisecond, false},
		"429, nonsense":     {429, func() string { return "soon" }, 1, 500 * time.Millisecond, false},
		"429, a past date":  {429, func() string { return "Sun, 06 Nov 1994 08:49:37 GMT" }, 1, 500 * time.Millisecond, false},
		"503, for ever":     {503, func() string { return "1" }, 100, 3 * time.Second, true},
		"503, 4 s each":     {503, func() string { return "4" }, 100, 8 * time.Second, true},
		"503, in 10 s":      {503, func() string { return "10" }, 1, 10 * time.Second, false},
		"503, in 11 s":      {503, func() string { return "11" }, 1, 0, true},
		"503, in 29 s":      {503, func() string { return "29" }, 100, 0, true},
		"429, in an hour":   {429, func() string { return "3600" }, 1, 0, true},
		"429, in a century": {429, func() string { return "99999999999999999999" }, 1, 500 * time.Millisecond, false},
		"500 is not busy":   {500, func() string { return "1" }, 1, 0, true},
		"400 is not busy":   {400, func() string { return "1" }, 1, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				left := c.busy
				x := exchanger(t, func(w http.ResponseWriter, r *http.Request) {
					if left == 0 {
						good(w, r)
						return
					}
					left--
					if v := c.after(); v != "" {
						w.Header().Set("Retry-After", v)
					}
					w.WriteHeader(c.status)
				})
				start := time.Now()
				_, err := x.Exchange(t.Context(), exchange)
				require.Equal(t, c.fails, err != nil, "%v", err)
				require.Equal(t, c.takes, time.Since(start).Truncate(500*time.Millisecond))
				if c.fails {
					var refused *oidc.ExchangeError
					require.ErrorAs(t, err, &refused)
					require.Equal(t, c.status, refused.Status)
				}
			})
		})
	}
}

func TestExchangeWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := exchanger(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "10")
			w.WriteHeader(503)
		})
		// A wait that cannot end in time is not begun.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := x.Exchange(ctx, exchange)
		var refused *oidc.ExchangeError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, 10*time.Second, refused.RetryAfter)
		require.Zero(t, time.Since(start))

		// One that is begun ends with the context.
		ctx, stop := context.WithCancel(t.Context())
		go func() { time.Sleep(time.Second); stop() }()
		start = time.Now()
		_, err = x.Exchange(ctx, exchange)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, time.Second, time.Since(start))
	})
}

func TestHungExchangeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := exchanger(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		start := time.Now()
		_, err := x.Exchange(t.Context(), exchange)
		require.ErrorContains(t, err, "no answer in time")
		require.Equal(t, 15*time.Second, time.Since(start))
	})
}
