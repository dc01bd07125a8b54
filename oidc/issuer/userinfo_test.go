package issuer_test

import (
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const userinfoAt = frontURL + "/userinfo"

// me asks the userinfo endpoint.
func (f *front) me(t testing.TB, method, authorization string, proofs ...string) answer {
	t.Helper()
	r := httptest.NewRequest(method, userinfoAt, nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	for _, p := range proofs {
		r.Header.Add("DPoP", p)
	}
	return send(t, f, r)
}

func TestUserinfo(t *testing.T) {
	f := newFront(t, nil)
	for name, tc := range map[string]struct {
		pairs    []string
		userinfo map[string]any
		idToken  []string
	}{
		"openid":          {nil, map[string]any{"sub": ada}, nil},
		"email":           {[]string{"scope", "openid email"}, map[string]any{"sub": ada, "email": ada}, []string{"email"}},
		"all":             {[]string{"scope", "email profile openid offline_access"}, map[string]any{"sub": ada, "email": ada, "preferred_username": ada}, []string{"email", "preferred_username"}},
		"claims":          {[]string{"claims", `{"userinfo":{"email":null,"birthdate":null}}`}, map[string]any{"sub": ada, "email": ada}, nil},
		"claims id_token": {[]string{"claims", `{"id_token":{"preferred_username":{"essential":true}}}`}, map[string]any{"sub": ada}, []string{"preferred_username"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := f.redeem(t, f.code(t, tc.pairs...))
			require.Equal(t, http.StatusOK, a.status, "%v", a.body)
			_, claims := decode(t, a.text("id_token"))
			for _, c := range []string{"email", "preferred_username"} {
				if slices.Contains(tc.idToken, c) {
					require.Equal(t, ada, claims[c])
				} else {
					require.NotContains(t, claims, c)
				}
			}
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				got := f.me(t, method, "Bearer "+a.text("access_token"))
				require.Equal(t, http.StatusOK, got.status, "%v", got.body)
				require.Equal(t, tc.userinfo, got.body)
			}
		})
	}
}

// Another audience than the client learns who it is, and no more.
func TestNoMailForOthers(t *testing.T) {
	f := newFront(t, nil)
	key := newDPoPKey(t)
	for aud, told := range map[string]bool{"native": true, audience: false} {
		native := []string{"client_id", "native", "redirect_uri", "http://127.0.0.1:5/callback", "audience", aud, "scope", "openid email", "claims", `{"id_token":{"preferred_username":null}}`}
		u := f.touch(t, f.page(t, f.ask(verifier, native...)))
		form := set(url.Values{"grant_type": {"authorization_code"}, "code": {u.Query().Get("code")}, "code_verifier": {verifier}}, native...)
		_, claims := decode(t, post(t, f, frontURL+"/token", form, key.proof(frontURL+"/token", f.now())).text("id_token"))
		require.Equal(t, aud, claims["aud"])
		for _, c := range []string{"email", "preferred_username"} {
			require.Equal(t, told, claims[c] == ada, c)
		}
	}
}

// refusedMe requires the answer of RFC 6750 §3.
func refusedMe(t testing.TB, a answer, code string) {
	t.Helper()
	a.refused(t, http.StatusUnauthorized, code)
	require.Contains(t, strings.Join(a.header.Values("WWW-Authenticate"), "\n"), `DPoP error="`+code)
}

func TestUserinfoRefuses(t *testing.T) {
	f := newFront(t, nil)
	a := f.redeem(t, f.code(t))
	token := a.text("access_token")
	dot := strings.LastIndexByte(token, '.')
	header, _ := decode(t, token)
	for name, authorization := range map[string]string{
		"none":         "",
		"no token":     "Bearer",
		"ID token":     "Bearer " + a.text("id_token"),
		"DPoP scheme":  "DPoP " + token,
		"Basic":        "Basic " + token,
		"none of ours": "Bearer " + compact(header, map[string]any{"iss": frontURL, "aud": frontURL, "sub": "eve", "exp": f.now().Unix() + 60}, newDPoPKey(t).sign),
		"unsigned":     "Bearer " + b64.EncodeToString([]byte(`{"alg":"none","typ":"at+jwt"}`)) + token[strings.IndexByte(token, '.'):dot] + ".",
		"changed":      "Bearer " + token[:dot-1] + "A" + token[dot:],
		"own key": "Bearer " + compact(map[string]any{"alg": "ES256", "typ": "at+jwt", "kid": header["kid"], "jwk": newDPoPKey(t).jwk()},
			map[string]any{"iss": frontURL, "aud": frontURL, "sub": "eve", "exp": f.now().Unix() + 60}, newDPoPKey(t).sign),
	} {
		t.Run(name, func(t *testing.T) { refusedMe(t, f.me(t, http.MethodGet, authorization), "invalid_token") })
	}
	require.Equal(t, http.StatusMethodNotAllowed, f.me(t, http.MethodDelete, "Bearer "+token).status)
	require.Equal(t, http.StatusOK, f.me(t, http.MethodGet, "Bearer "+token).status)

	// An ended session is over here at once, whatever the token says.
	require.NoError(t, f.EndSession(t.Context(), a.text("session_id"), "test"))
	refusedMe(t, f.me(t, http.MethodGet, "Bearer "+token), "invalid_token")

	a = f.redeem(t, f.code(t))
	f.pass(15*time.Minute - time.Second)
	require.Equal(t, http.StatusOK, f.me(t, http.MethodGet, "Bearer "+a.text("access_token")).status)
	f.pass(time.Second)
	refusedMe(t, f.me(t, http.MethodGet, "Bearer "+a.text("access_token")), "invalid_token")
}

// A token that is bound to a key is of use with that key only.
func TestUserinfoWithKey(t *testing.T) {
	f := newFront(t, nil)
	key := newDPoPKey(t)
	native := []string{"client_id", "native", "redirect_uri", "http://127.0.0.1:5/callback", "dpop_jkt", key.jkt(), "scope", "openid email"}
	u := f.touch(t, f.page(t, f.ask(verifier, native...)))
	form := set(url.Values{"grant_type": {"authorization_code"}, "code": {u.Query().Get("code")}, "code_verifier": {verifier}}, native...)
	token := post(t, f, frontURL+"/token", form, key.proof(frontURL+"/token", f.now())).text("access_token")
	sum := sha256.Sum256([]byte(token))
	bound := change{claims: map[string]any{"htm": "GET", "ath": b64.EncodeToString(sum[:])}}
	proof := key.proof(userinfoAt, f.now(), bound)
	a := f.me(t, http.MethodGet, "DPoP "+token, proof)
	require.Equal(t, map[string]any{"sub": ada, "email": ada}, a.body)
	refusedMe(t, f.me(t, http.MethodGet, "DPoP "+token, proof), "invalid_dpop_proof") // replayed
	for name, proof := range map[string]string{
		"no ath":      key.proof(userinfoAt, f.now(), change{claims: map[string]any{"htm": "GET"}}),
		"another ath": key.proof(userinfoAt, f.now(), bound, change{claims: map[string]any{"ath": b64.EncodeToString(make([]byte, 32))}}),
		"another key": newDPoPKey(t).proof(userinfoAt, f.now(), bound),
		"POST":        key.proof(userinfoAt, f.now(), bound, change{claims: map[string]any{"htm": "POST"}}),
		"elsewhere":   key.proof(frontURL+"/token", f.now(), bound),
	} {
		t.Run(name, func(t *testing.T) {
			refusedMe(t, f.me(t, http.MethodGet, "DPoP "+token, proof), "invalid_dpop_proof")
		})
	}
	refusedMe(t, f.me(t, http.MethodGet, "DPoP "+token), "invalid_dpop_proof")
	refusedMe(t, f.me(t, http.MethodGet, "Bearer "+token), "invalid_token")
	refusedMe(t, f.me(t, http.MethodGet, "Bearer "+token, key.proof(userinfoAt, f.now(), bound)), "invalid_token")
}
