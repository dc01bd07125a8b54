package issuer_test

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/idptest"
	"github.com/lakekey/lakekey/oidc/issuer"
)

//go:embed testdata/openid-client.mjs
var openidClient string

// TestOpenIDClient: npm's openid-client and jose do what they do at any provider,
// and find nothing amiss.
func TestOpenIDClient(t *testing.T) {
	key := newDPoPKey(t)
	f := newLiveFront(t, strangers(key)...)
	passed := f.accompany(t, idptest.Node(t.Context(), t, openidClient, f.url, key.private(t)))
	require.Equal(t, []string{"code", "wrong answers", "errors", "form_post", "pushed", "proof of possession", "device", "logout", "private_key_jwt", "introspection", "token exchange"}, passed)
}

// strangers are clients that nobody here wrote.
func strangers(key dpopKey) []issuer.Client {
	return []issuer.Client{
		{ID: "wiki", Name: "The wiki", RedirectURIs: []string{callback}, PostLogoutRedirectURIs: []string{"https://wiki.example.com/bye"}, InsecureBearer: true},
		{ID: "native", RedirectURIs: []string{"http://127.0.0.1/callback"}},
		{ID: "tv", Device: true, InsecureBearer: true},
		{ID: "service", RedirectURIs: []string{callback}, InsecureBearer: true, JWKS: key.jwks("1"), Audiences: []string{"assistant", "helper", "warehouse"}},
		{ID: "assistant", InsecureBearer: true, JWKS: key.jwks("1"), Audiences: []string{"helper", "warehouse"}, Scopes: []string{"sql", "files"}, MayActFor: []string{"service"}},
		{ID: "helper", InsecureBearer: true, JWKS: key.jwks("1"), Audiences: []string{"warehouse"}, Scopes: []string{"sql", "files"}, MayActFor: []string{"service"}},
	}
}

// private is the private key as a JWK, for the process of a client.
func (k dpopKey) private(t testing.TB) string {
	t.Helper()
	d, err := k.Bytes()
	require.NoError(t, err)
	jwk := k.jwk()
	jwk["d"], jwk["kid"], jwk["alg"] = b64.EncodeToString(d), "1", "ES256"
	text, err := json.Marshal(jwk)
	require.NoError(t, err)
	return string(text)
}

// accompany runs a client in a process of its own and does for it what a person
// does. Each line of the client's output is one object: what the person shall do,
// or what has passed; it returns the latter.
func (f *front) accompany(t *testing.T, cmd *exec.Cmd) (passed []string) {
	t.Helper()
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var do struct{ Open, Approve, Decline, Passed string }
		require.NoError(t, json.Unmarshal(lines.Bytes(), &do), lines.Text())
		if do.Passed != "" {
			passed = append(passed, do.Passed)
			continue
		}
		var came map[string]any
		switch {
		case do.Open != "":
			came = f.open(t, do.Open)
		case do.Approve != "":
			f.touch(t, f.codePage(t, do.Approve))
		case do.Decline != "":
			f.browse(t, http.MethodGet, strings.Replace(f.codePage(t, do.Decline), "/approve?", "/deny?", 1), nil)
		}
		answer, err := json.Marshal(came)
		require.NoError(t, err)
		_, err = in.Write(append(answer, '\n'))
		require.NoError(t, err)
	}
	require.NoError(t, lines.Err())
	_, _ = io.Copy(io.Discard, out)
	require.NoError(t, cmd.Wait(), complaints.String())
	return passed
}

// codePage types a device's code, and returns the page to touch a key on.
func (f *front) codePage(t testing.TB, code string) string {
	t.Helper()
	w := f.typed(t, "user_code", code)
	require.Equal(t, http.StatusSeeOther, w.Code, w.Body.String())
	return w.Header().Get("Location")
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

// open opens a URL of this issuer, touches a key where that is asked for, and
// returns where the browser ends up: outside.
func (f *front) open(t testing.TB, at string) map[string]any {
	t.Helper()
	for strings.HasPrefix(at, f.url+"/") {
		if strings.Contains(at, "/authorize/page?") {
			at = f.touch(t, at).String()
			continue
		}
		w := f.browse(t, http.MethodGet, at, nil)
		if to := w.Header().Get("Location"); to != "" {
			at = to
			continue
		}
		page := w.Body.String()
		_, action, found := strings.Cut(page, `<form method="post" action="`)
		require.True(t, found, "%s: %s", at, page)
		form := url.Values{}
		for _, field := range hidden.FindAllStringSubmatch(page, -1) {
			form.Add(html.UnescapeString(field[1]), html.UnescapeString(field[2]))
		}
		action, _, _ = strings.Cut(action, `"`)
		return map[string]any{"at": html.UnescapeString(action), "form": form.Encode()}
	}
	return map[string]any{"at": at}
}
