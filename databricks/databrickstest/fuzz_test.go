package databrickstest_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/databricks/databrickstest"
)

// fixedES256 makes the same key in every process: the fuzzer's workers get their
// seeds from another one, and must be able to accept them.
func fixedES256(f *testing.F, kid string, seed byte) signer {
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{seed}, 32))
	require.NoError(f, err)
	return signer{kid: kid, ec: key}
}

// A token is issued only if an oracle that shares nothing with the handler says
// that the JWT is one of those that the issuer signed for this account and that
// are good now: the oracle keeps the list of what it had signed.
func FuzzTokenEndpoint(f *testing.F) {
	es, other, stranger := fixedES256(f, "es", 1), fixedES256(f, "other", 2), fixedES256(f, "es", 3)
	w, _ := newWorkspace(f, nil)
	trust(f, w, keySet(es, other))
	const applicationID = "aaaaaaaa-2222-3333-4444-555555555555"
	id := send(w, request("POST", scimPath+"ServicePrincipals", adminToken, `{"applicationId":"`+applicationID+`"}`)).body["id"].(string)
	_, err := w.AddPolicy(databrickstest.Policy{ServicePrincipalID: id, Issuer: issuerURL, Subject: ada, JWKS: keySet(es)})
	require.NoError(f, err)

	signed := map[string]string{} // signing input → whom it is for
	ours := func(token, subject string) string {
		signed[token[:strings.LastIndex(token, ".")]] = subject
		return token
	}
	good := []string{
		ours(es.sign(claims(nil)), ada),
		ours(other.sign(claims(map[string]any{"aud": []string{accountID, "b"}, "sub": applicationID})), applicationID),
	}
	bad := []string{
		stranger.sign(claims(nil)), es.sign(claims(map[string]any{"aud": "x"})), es.sign(claims(map[string]any{"exp": 1})),
		es.sign(claims(map[string]any{"sub": "eve@example.com"})), hmacToken(keySet(es), "es", claims(nil)), "a.b.c", "",
	}
	form := "application/x-www-form-urlencoded"
	for _, token := range append(good, bad...) {
		f.Add(form, exchangeForm(token, nil).Encode())
		f.Add(form, exchangeForm(token, map[string]string{"client_id": applicationID, "scope": "all-apis sql:read"}).Encode())
	}
	f.Add("application/json", "{}")
	f.Fuzz(func(t *testing.T, contentType, body string) {
		r := httptest.NewRequest(http.MethodPost, workspaceTokenPath, strings.NewReader(body))
		r.Header["Content-Type"] = []string{contentType}
		out := send(w, r)
		if out.status != http.StatusOK {
			require.GreaterOrEqual(t, out.status, 400)
			require.NotContains(t, out.body, "access_token")
			require.NotEmpty(t, out.body["error"])
			return
		}
		sent, err := url.ParseQuery(body)
		require.NoError(t, err)
		require.Len(t, sent["subject_token"], 1)
		token := sent.Get("subject_token")
		subject, ok := signed[token[:max(0, strings.LastIndex(token, "."))]]
		require.True(t, ok, "a token was issued for a JWT that nobody signed: %q", token)
		want := subject
		if sent.Get("client_id") != "" {
			require.Equal(t, applicationID, sent.Get("client_id"))
			require.Equal(t, ada, subject, "the service principal's policy names one subject")
			want = applicationID
		}
		require.Equal(t, sent.Get("scope"), out.body["scope"])
		require.LessOrEqual(t, out.body["expires_in"], (15 * time.Minute).Seconds())
		me := send(w, request("GET", mePath, out.body["access_token"].(string), ""))
		require.Equal(t, want, me.body["userName"])
	})
}

// Whatever scopes are asked for, a token may do no more than their names say,
// and writing implies reading.
func FuzzScopes(f *testing.F) {
	for _, s := range []string{"all-apis", "clusters", "clusters:read jobs", "sql:read:restricted-query", "sql:restricted-query", "x", " ", "all-apis:read"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, scopes string) {
		for _, name := range []string{"clusters", "jobs", "model-serving", "sql"} {
			write, ok := databrickstest.Allows(scopes, name, http.MethodPost)
			read, _ := databrickstest.Allows(scopes, name, http.MethodGet)
			require.False(t, write && !read)
			if read || write {
				require.True(t, ok)
			}
			var mayRead, mayWrite bool
			for _, scope := range strings.Split(scopes, " ") {
				mayWrite = mayWrite || scope == name || scope == "all-apis"
				mayRead = mayRead || scope == name+":read" || scope == "all-apis:read" || scope == "sql:read:restricted-query" && name == "sql"
			}
			if ok {
				require.Equal(t, mayWrite, write)
				require.Equal(t, mayWrite || mayRead, read)
			}
		}
	})
}

// What is accepted has one reading: its members, folded, are distinct at every
// level, so encoding it again loses nothing.
func FuzzStrictJSON(f *testing.F) {
	for _, s := range []string{`{"a":1}`, `{"a":1,"A":2}`, `[{"a":{}},{"a":[]}]`, `{"a":1}x`, `"x"`, `1e400`, `{"a":{"b":1,"b":2}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var got any
		if databrickstest.DecodeStrict(text, &got) != nil {
			return
		}
		require.True(t, json.Valid(text))
		again, err := json.Marshal(got)
		require.NoError(t, err)
		var twice any
		require.NoError(t, databrickstest.DecodeStrict(again, &twice), "%s became %s", text, again)
		require.Equal(t, got, twice)
	})
}

// A set that is accepted holds keys of the two kinds only, each named by its
// text, and none that is private.
func FuzzKeySet(f *testing.F) {
	f.Add(keySet(newES256(f, "a"), newRS256(f, "b", 2048)))
	f.Add(keySet(newRS256(f, "weak", 1024)))
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AAAA"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"","y":""}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := databrickstest.KeySet(text)
		if err != nil {
			require.Zero(t, n, "a failed parse returns no keys")
			return
		}
		var document struct{ Keys []map[string]any }
		require.NoError(t, json.Unmarshal(text, &document))
		usable := 0
		for _, k := range document.Keys {
			if k["kty"] == "RSA" || k["kty"] == "EC" && k["crv"] == "P-256" {
				usable++
			}
		}
		require.LessOrEqual(t, n, usable)
	})
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{"", `userName eq "a"`, `userName EQ "a\"b"`, `id eq "1" and id eq "2"`, `userName eq a`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, filter string) {
		if databrickstest.ParseFilter(filter) != nil || filter == "" {
			return
		}
		fields := strings.SplitN(filter, " ", 3)
		require.Len(t, fields, 3)
		require.True(t, strings.EqualFold(fields[1], "eq"))
		require.True(t, json.Valid([]byte(fields[2])), "one JSON string, and nothing after it")
	})
}
