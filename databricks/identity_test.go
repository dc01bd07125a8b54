package databricks_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/databricks"
	"github.com/lakekey/lakekey/databricks/databrickstest"
	"github.com/lakekey/lakekey/fido/audit"
)

// A federation policy that makes this session somebody else costs the session
// its access: no caller gets the token, and the record says why.
func TestTokenOfSomebodyElse(t *testing.T) {
	w := newWorld(t)
	id, application, err := w.AddServicePrincipal("the-admin")
	require.NoError(t, err)
	_, err = w.AddPolicy(databrickstest.Policy{ServicePrincipalID: id, Issuer: testIssuer, Subject: testUser, Audiences: []string{"a"}, JWKS: w.session.jwks()})
	require.NoError(t, err)
	signer, _, _, err := audit.NewSigner("test")
	require.NoError(t, err)
	log := audit.NewMemory(signer, audit.Options{})

	for name, edit := range map[string]func(*databricks.Config){
		"another user":        func(c *databricks.Config) { c.Identity = "grace@example.com" },
		"a service principal": func(c *databricks.Config) { c.ClientID, c.Audience, c.Identity = application, "a", testUser },
		"an empty name":       func(c *databricks.Config) { c.Identity = " " },
	} {
		s := w.source(t, edit, func(c *databricks.Config) { c.Audit = log })
		token, err := s.Token(t.Context())
		var other *databricks.IdentityError
		require.ErrorAs(t, err, &other, name)
		require.Nil(t, token)
		require.NotEmpty(t, other.Got)
		require.NotEqual(t, other.Want, other.Got)
		require.Contains(t, err.Error(), "federation policy")
		requireNoSecret(t, err.Error(), w.session.last.Value)
	}
	var written bytes.Buffer
	_, err = log.WriteTo(&written)
	require.NoError(t, err)
	require.Equal(t, 3, strings.Count(written.String(), `"wrong_identity"`), written.String())

	for name, edit := range map[string]func(*databricks.Config){
		"the subject":                 func(*databricks.Config) {},
		"in another case":             func(c *databricks.Config) { c.Identity = strings.ToUpper(testUser) },
		"the principal by its policy": func(c *databricks.Config) { c.ClientID, c.Audience = application, "a" },
	} {
		_, err := w.source(t, edit).Token(t.Context())
		require.NoError(t, err, name)
	}
}

// meHost gives tokens, and answers whose they are as scripted.
type meHost struct {
	tokens, asked atomic.Int64
	answer        func(n int64, rw http.ResponseWriter)
}

func (h *meHost) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
	rw := httptest.NewRecorder()
	if strings.HasSuffix(r.URL.Path, "/token") {
		h.tokens.Add(1)
		_, _ = io.WriteString(rw, `{"access_token":"t","token_type":"Bearer","expires_in":900}`)
	} else {
		h.answer(h.asked.Add(1), rw)
	}
	resp := rw.Result()
	resp.Request = r
	return resp, nil
}

func (h *meHost) source(t *testing.T) *databricks.TokenSource {
	s, err := databricks.NewTokenSource(newSession(t), databricks.Config{Host: "https://a.example", Audience: "a", Scopes: []string{"sql"}, Transport: h})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

const mine = `{"userName":"` + testUser + `"}`

// What does not name the person is no yes, and a host that is busy gets the
// patience that a token which already exists is worth.
func TestWhoseTokenIsNotKnown(t *testing.T) {
	say := func(status int, body string) func(int64, http.ResponseWriter) {
		return func(_ int64, rw http.ResponseWriter) {
			rw.WriteHeader(status)
			_, _ = io.WriteString(rw, body)
		}
	}
	for name, c := range map[string]struct {
		answer func(int64, http.ResponseWriter)
		asked  int64
		says   string
	}{
		"denied":        {say(403, mine), 1, "HTTP 403"},
		"not there":     {say(404, ""), 1, "HTTP 404"},
		"redirect":      {func(_ int64, rw http.ResponseWriter) { rw.Header().Set("Location", "/x"); rw.WriteHeader(302) }, 1, "HTTP 302"},
		"no name":       {say(200, `{"userName":""}`), 1, "names no user"},
		"no JSON":       {say(200, `<html>`), 1, "not the JSON"},
		"endless":       {say(200, strings.Repeat(" ", 1<<20)+mine), 1, "larger than"},
		"always busy":   {say(503, ""), 4, "try again"},
		"always broken": {say(500, ""), 4, "try again"},
		"busy once": {func(n int64, rw http.ResponseWriter) {
			if n == 1 {
				rw.Header().Set("Retry-After", "2")
				rw.WriteHeader(429)
				return
			}
			_, _ = io.WriteString(rw, mine)
		}, 2, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := &meHost{answer: c.answer}
			_, err := h.source(t).Token(t.Context())
			require.Equal(t, c.asked, h.asked.Load(), name)
			require.EqualValues(t, 1, h.tokens.Load(), name)
			if c.says == "" {
				require.NoError(t, err, name)
				return
			}
			require.ErrorContains(t, err, c.says, name)
		})
	}
}

func TestIdentityOfAnAccount(t *testing.T) {
	_, err := databricks.NewTokenSource(newSession(t), databricks.Config{Host: "https://accounts.cloud.databricks.com", AccountID: "a1", Identity: testUser, Scopes: []string{"sql"}})
	require.ErrorContains(t, err, "Config.Identity")
}

// A name comes out only of JSON that has it.
func FuzzParseMe(f *testing.F) {
	f.Add([]byte(mine))
	f.Add([]byte(`{"userName":7}`))
	f.Add([]byte(`{"username":"x"}`))
	f.Add([]byte(`[]`))
	f.Add([]byte(`{"userName":"a","userName":""}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		name, err := databricks.ParseMe(body)
		require.Equal(t, err != nil, name == "")
		if err == nil {
			require.True(t, json.Valid(body), fmt.Sprintf("%q", body))
		}
	})
}
