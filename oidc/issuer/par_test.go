package issuer_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const pushAt = frontURL + "/par"

// push pushes a request and returns its request_uri.
func (f *front) push(t testing.TB, pairs ...string) string {
	t.Helper()
	a := post(t, f, pushAt, f.ask(verifier, pairs...))
	require.Equal(t, http.StatusCreated, a.status, "%v", a.body)
	require.EqualValues(t, 90, a.body["expires_in"])
	require.True(t, strings.HasPrefix(a.text("request_uri"), "urn:ietf:params:oauth:request_uri:"))
	return a.text("request_uri")
}

func TestPushedRequest(t *testing.T) {
	f := newFront(t, nil)
	uri := f.push(t)
	// What somebody adds in the browser does not count.
	page := f.page(t, url.Values{"client_id": {"wiki"}, "request_uri": {uri}, "redirect_uri": {"https://evil.example.com"}, "scope": {"openid email"}, "state": {"another"}})
	u := f.touch(t, page)
	require.Equal(t, "wiki.example.com", u.Host)
	require.Equal(t, "the state", u.Query().Get("state"))
	a := f.redeem(t, u.Query().Get("code"))
	require.Equal(t, http.StatusOK, a.status, "%v", a.body)
	require.Equal(t, "openid", a.text("scope"))
}

// A request_uri is for one client, once, and soon.
func TestPushedRequestInTheWrongHands(t *testing.T) {
	f := newFront(t, nil)
	stays := func(q url.Values) {
		t.Helper()
		w := f.browse(t, http.MethodGet, frontURL+"/authorize?"+q.Encode(), nil)
		require.Equal(t, http.StatusBadRequest, w.Code)
		require.Empty(t, w.Header().Get("Location"))
	}
	uri := f.push(t)
	stays(url.Values{"client_id": {"native"}, "request_uri": {uri}})
	stays(url.Values{"request_uri": {uri}})
	stays(url.Values{"client_id": {"wiki"}, "request_uri": {uri + "x"}})
	stays(url.Values{"client_id": {"wiki"}, "request_uri": {"https://wiki.example.com/request"}})
	f.page(t, url.Values{"client_id": {"wiki"}, "request_uri": {uri}}) // none of which has used it up
	stays(url.Values{"client_id": {"wiki"}, "request_uri": {uri}})
	uri = f.push(t)
	f.pass(90 * time.Second)
	stays(url.Values{"client_id": {"wiki"}, "request_uri": {uri}})
	// The secret of a page is not one of a pushed request, nor the other way round.
	id := strings.TrimPrefix(f.push(t), "urn:ietf:params:oauth:request_uri:")
	require.Equal(t, http.StatusGone, f.browse(t, http.MethodGet, frontURL+"/authorize/page?request="+id, nil).Code)
	page := f.page(t, f.ask(verifier))
	stays(url.Values{"client_id": {"wiki"}, "request_uri": {"urn:ietf:params:oauth:request_uri:" + page[strings.Index(page, "=")+1:]}})
}

func TestPushRefusals(t *testing.T) {
	f := newFront(t, nil)
	for name, tc := range map[string]struct {
		pairs  []string
		status int
		code   string
	}{
		"redirect_uri":   {[]string{"redirect_uri", "https://evil.example.com"}, 400, "invalid_request"},
		"request_uri":    {[]string{"request_uri", "urn:ietf:params:oauth:request_uri:x"}, 400, "request_uri_not_supported"},
		"prompt none":    {[]string{"prompt", "none"}, 400, "login_required"},
		"PKCE plain":     {[]string{"code_challenge_method", "plain"}, 400, "invalid_request"},
		"unknown client": {[]string{"client_id", "nobody"}, 400, "invalid_client"},
	} {
		t.Run(name, func(t *testing.T) {
			post(t, f, pushAt, f.ask(verifier, tc.pairs...)).refused(t, tc.status, tc.code)
		})
	}
	native := f.ask(verifier, "client_id", "native", "redirect_uri", "http://127.0.0.1/callback", "audience", audience)
	key := newDPoPKey(t)
	proof := key.proof(pushAt, f.now())
	require.Equal(t, http.StatusCreated, post(t, f, pushAt, native, proof).status, "RFC 9449 10.1: a proof names the key")
	post(t, f, pushAt, native, proof).refused(t, 400, "invalid_dpop_proof")
	post(t, f, pushAt, set(native, "dpop_jkt", newDPoPKey(t).jkt()), key.proof(pushAt, f.now())).refused(t, 400, "invalid_dpop_proof")
}

// A client may bind itself to pushed requests.
func TestPushedOnly(t *testing.T) {
	f := newFront(t, nil)
	bank := []string{"client_id", "bank", "redirect_uri", "https://bank.example.com/callback"}
	w := f.browse(t, http.MethodGet, frontURL+"/authorize?"+f.ask(verifier, bank...).Encode(), nil)
	u, err := url.Parse(w.Header().Get("Location"))
	require.NoError(t, err)
	require.Equal(t, "invalid_request", u.Query().Get("error"))
	f.page(t, url.Values{"client_id": {"bank"}, "request_uri": {f.push(t, bank...)}})
}
