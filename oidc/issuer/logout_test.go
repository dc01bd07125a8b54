package issuer_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const bye = "https://bank.example.com/bye"

// signedIn signs in at the bank.
func (f *front) signedIn(t testing.TB, pairs ...string) answer {
	t.Helper()
	bank := append([]string{"client_id", "bank", "redirect_uri", "https://bank.example.com/callback"}, pairs...)
	u := f.touch(t, f.page(t, url.Values{"client_id": {"bank"}, "request_uri": {f.push(t, bank...)}}))
	a := f.redeem(t, u.Query().Get("code"), bank...)
	require.Equal(t, http.StatusOK, a.status, "%v", a.body)
	return a
}

func TestLogout(t *testing.T) {
	f := newFront(t, nil)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		a := f.signedIn(t)
		f.pass(time.Hour) // an ID token that has expired still says which session
		q := url.Values{"id_token_hint": {a.text("id_token")}, "client_id": {"bank"}, "post_logout_redirect_uri": {bye}, "state": {"s&"}}
		target, body := frontURL+"/logout?"+q.Encode(), ""
		if method == http.MethodPost {
			target, body = frontURL+"/logout", q.Encode()
		}
		w := f.browse(t, method, target, []byte(body), "Content-Type", "application/x-www-form-urlencoded")
		require.Equal(t, http.StatusSeeOther, w.Code, w.Body.String())
		require.Equal(t, bye+"?state=s%26", w.Header().Get("Location"))
		require.Contains(t, w.Header().Get("Set-Cookie"), "Max-Age=0")
		s, err := f.store.SessionByID(t.Context(), a.text("session_id"))
		require.NoError(t, err)
		require.False(t, s.Ended.IsZero())
	}
	records := f.records(t)
	last := records[len(records)-1]["event"].(map[string]any)
	require.Equal(t, "session.end", last["type"])
}

// Signed out, but sent nowhere that is not registered.
func TestLogoutStays(t *testing.T) {
	f := newFront(t, nil)
	for _, to := range []string{"", "https://evil.example.com/", bye + "/", bye + "?x=1", callback} {
		a := f.signedIn(t)
		w := f.browse(t, http.MethodGet, frontURL+"/logout?"+url.Values{"id_token_hint": {a.text("id_token")}, "post_logout_redirect_uri": {to}}.Encode(), nil)
		require.Equal(t, http.StatusOK, w.Code, to)
		require.Contains(t, w.Body.String(), "You have signed out")
	}
}

// A link of somebody else's ends no session.
func TestLogoutUnasked(t *testing.T) {
	f := newFront(t, nil)
	a := f.signedIn(t)
	key := newDPoPKey(t)
	native := []string{"client_id", "native", "redirect_uri", "http://127.0.0.1:5/callback", "dpop_jkt", key.jkt(), "audience", audience}
	u := f.touch(t, f.page(t, f.ask(verifier, native...)))
	form := set(url.Values{"grant_type": {"authorization_code"}, "code": {u.Query().Get("code")}, "code_verifier": {verifier}}, native...)
	elsewhere := post(t, f, frontURL+"/token", form, key.proof(frontURL+"/token", f.now()))
	header, claims := decode(t, a.text("id_token"))
	for name, q := range map[string]url.Values{
		"another client's":     {"id_token_hint": {a.text("id_token")}, "client_id": {"wiki"}},
		"for another audience": {"id_token_hint": {elsewhere.text("id_token")}},
		"access token":         {"id_token_hint": {a.text("access_token")}},
		"forged":               {"id_token_hint": {compact(header, claims, key.sign)}},
		"twice":                {"id_token_hint": {a.text("id_token"), a.text("id_token")}},
	} {
		t.Run(name, func(t *testing.T) {
			w := f.browse(t, http.MethodGet, frontURL+"/logout?"+q.Encode(), nil)
			require.Equal(t, http.StatusBadRequest, w.Code)
		})
	}
	// Without a hint the person is asked, and no other site answers for them.
	w := f.browse(t, http.MethodGet, frontURL+"/logout?client_id=bank&post_logout_redirect_uri="+url.QueryEscape(bye), nil)
	require.Equal(t, http.StatusOK, w.Code)
	require.Contains(t, w.Body.String(), "Sign out?")
	require.Empty(t, w.Header().Get("Set-Cookie"))
	confirm := frontURL + "/logout/confirm"
	require.Equal(t, http.StatusForbidden, f.browse(t, http.MethodPost, confirm, nil, "Sec-Fetch-Site", "cross-site").Code)
	require.Equal(t, http.StatusSeeOther, f.browse(t, http.MethodGet, confirm, nil).Code)
	w = f.browse(t, http.MethodPost, confirm, nil, "Sec-Fetch-Site", "same-origin")
	require.Equal(t, http.StatusOK, w.Code)
	require.Contains(t, w.Header().Get("Set-Cookie"), "Max-Age=0")

	for _, session := range []string{a.text("session_id"), elsewhere.text("session_id")} {
		s, err := f.store.SessionByID(t.Context(), session)
		require.NoError(t, err)
		require.True(t, s.Ended.IsZero())
	}
}

// A client that knows who it wants says so with an ID token of theirs.
func TestIDTokenHint(t *testing.T) {
	f := newFront(t, nil)
	a := f.signedIn(t)
	w := f.browse(t, http.MethodGet, f.page(t, f.ask(verifier, "id_token_hint", a.text("id_token"))), nil)
	require.Contains(t, w.Body.String(), `<p class="owner">`+ada+`</p>`)
	for _, hint := range []string{a.text("access_token"), "x"} {
		post(t, f, pushAt, f.ask(verifier, "id_token_hint", hint)).refused(t, 400, "invalid_request")
	}
	post(t, f, pushAt, f.ask(verifier, "id_token_hint", a.text("id_token"), "claims", `{"id_token":{"sub":{"value":"grace@example.com"}}}`)).refused(t, 400, "invalid_request")
}
