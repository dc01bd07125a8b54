package issuer_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/oidc/issuer"
)

// A browser, the page, a key, a code, tokens.
func TestAuthorizationCode(t *testing.T) {
	f := newFront(t, nil)
	page := f.page(t, f.ask(verifier))
	w := f.browse(t, http.MethodGet, page, nil)
	require.Equal(t, http.StatusOK, w.Code)
	require.Contains(t, w.Body.String(), "Sign in to The wiki")
	require.Contains(t, w.Body.String(), "wiki.example.com")
	require.NotContains(t, w.Body.String(), "the state")

	f.pass(time.Second)
	u := f.touch(t, page)
	q := u.Query()
	require.Equal(t, callback, "https://"+u.Host+u.Path)
	require.Equal(t, url.Values{"code": {q.Get("code")}, "state": {"the state"}, "iss": {frontURL}}, q, "RFC 9207: iss")

	a := f.redeem(t, q.Get("code"))
	require.Equal(t, http.StatusOK, a.status, "%v", a.body)
	require.Equal(t, "Bearer", a.text("token_type"))
	require.NotContains(t, a.body, "refresh_token")
	_, claims := verify(t, a.text("id_token"), get(t, f, frontURL+"/jwks").body)
	require.Equal(t, []any{ada, "wiki", "wiki", "the nonce", "phr"}, []any{claims["sub"], claims["aud"], claims["azp"], claims["nonce"], claims["acr"]})
	require.Equal(t, float64(f.now().Unix()), claims["auth_time"])
	require.NotContains(t, claims, "email")
	require.Equal(t, atHash(a.text("access_token")), claims["at_hash"])
	_, access := decode(t, a.text("access_token"))
	require.NotContains(t, access, "cnf")
	require.Equal(t, claims["sid"], access["sid"])

	// The page is used up, the code too; and that somebody tried ends the session.
	require.Equal(t, http.StatusGone, f.browse(t, http.MethodGet, page, nil).Code)
	f.redeem(t, q.Get("code")).refused(t, 400, "invalid_grant")
	var types []string
	for _, r := range f.records(t) {
		event := r["event"].(map[string]any)
		types = append(types, event["type"].(string)+" "+r["phase"].(string))
	}
	require.Contains(t, strings.Join(types, ","), "token.issue intent,token.issue result,session.end")
}

// What is wrong with a request that may go back to the client goes there, and
// names this issuer; anything else stays here.
func TestAuthorizationErrors(t *testing.T) {
	f := newFront(t, nil)
	for name, tc := range map[string]struct {
		pairs []string
		code  string
	}{
		"no response type":       {[]string{"response_type", ""}, "unsupported_response_type"},
		"implicit":               {[]string{"response_type", "id_token"}, "unsupported_response_type"},
		"hybrid":                 {[]string{"response_type", "code id_token"}, "unsupported_response_type"},
		"no openid":              {[]string{"scope", "profile"}, "invalid_scope"},
		"no PKCE":                {[]string{"code_challenge", ""}, "invalid_request"},
		"PKCE plain":             {[]string{"code_challenge_method", "plain"}, "invalid_request"},
		"PKCE without a method":  {[]string{"code_challenge_method", ""}, "invalid_request"},
		"PKCE challenge no hash": {[]string{"code_challenge", "abc"}, "invalid_request"},
		"prompt none":            {[]string{"prompt", "none"}, "login_required"},
		"prompt none and login":  {[]string{"prompt", "none login"}, "invalid_request"},
		"prompt create":          {[]string{"prompt", "create"}, "invalid_request"},
		"max_age":                {[]string{"max_age", "-1"}, "invalid_request"},
		"unprovable acr":         {[]string{"acr_values", "urn:gold"}, "unmet_authentication_requirements"},
		"essential unprovable":   {[]string{"claims", `{"id_token":{"acr":{"essential":true,"values":["urn:gold"]}}}`}, "unmet_authentication_requirements"},
		"claims no object":       {[]string{"claims", `[]`}, "invalid_request"},
		"claims twice":           {[]string{"claims", `{"id_token":null,"id_token":null}`}, "invalid_request"},
		"claims twice inside":    {[]string{"claims", `{"id_token":{"acr":{"value":"phrh"},"ACR":{"value":"phr"}}}`}, "invalid_request"},
		"claims of two people":   {[]string{"claims", `{"id_token":{"sub":{"value":"a"}},"userinfo":{"sub":{"value":"b"}}}`}, "invalid_request"},
		"request object":         {[]string{"request", "eyJ"}, "request_not_supported"},
		"registration":           {[]string{"registration", "{}"}, "registration_not_supported"},
		"resource":               {[]string{"resource", "https://api.example.com"}, "invalid_target"},
		"audience":               {[]string{"audience", audience}, "invalid_target"},
		"response mode":          {[]string{"response_mode", "fragment"}, "invalid_request"},
		"dpop_jkt":               {[]string{"dpop_jkt", "x"}, "invalid_request"},
		"nonce":                  {[]string{"nonce", strings.Repeat("x", 600)}, "invalid_request"},
		"hint":                   {[]string{"login_hint", strings.Repeat("x", 600)}, "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			q := f.ask(verifier, tc.pairs...)
			w := f.browse(t, http.MethodGet, frontURL+"/authorize?"+q.Encode(), nil)
			require.Equal(t, http.StatusSeeOther, w.Code, w.Body.String())
			u, err := url.Parse(w.Header().Get("Location"))
			require.NoError(t, err)
			got := u.Query()
			require.Equal(t, q.Get("redirect_uri"), strings.TrimSuffix(u.String(), "?"+u.RawQuery))
			require.Equal(t, []string{tc.code, "the state", frontURL}, []string{got.Get("error"), got.Get("state"), got.Get("iss")}, u)
			require.NotEmpty(t, got.Get("error_description"))
			require.NotContains(t, got, "code")
		})
	}
}

// Nobody is sent anywhere by a redirect URI that is not registered, or could be
// read in two ways.
func TestNoOpenRedirect(t *testing.T) {
	f := newFront(t, nil)
	native := []string{"client_id", "native", "dpop_jkt", newDPoPKey(t).jkt(), "redirect_uri"}
	for name, q := range map[string]url.Values{
		"none":             f.ask(verifier, "redirect_uri", ""),
		"no client":        f.ask(verifier, "client_id", ""),
		"unknown client":   f.ask(verifier, "client_id", "nobody"),
		"other host":       f.ask(verifier, "redirect_uri", "https://evil.example.com/callback"),
		"prefix":           f.ask(verifier, "redirect_uri", callback+".evil"),
		"path below":       f.ask(verifier, "redirect_uri", callback+"/.."),
		"query":            f.ask(verifier, "redirect_uri", callback+"?next=//evil.example.com"),
		"fragment":         f.ask(verifier, "redirect_uri", callback+"#"),
		"user info":        f.ask(verifier, "redirect_uri", "https://wiki.example.com@evil.example.com/callback"),
		"case":             f.ask(verifier, "redirect_uri", "https://wiki.example.com/Callback"),
		"escape":           f.ask(verifier, "redirect_uri", "https://wiki.example.com/%63allback"),
		"own port":         f.ask(verifier, "redirect_uri", "https://wiki.example.com:443/callback"),
		"http":             f.ask(verifier, "redirect_uri", "http://wiki.example.com/callback"),
		"line break":       f.ask(verifier, "redirect_uri", callback+"\r\nX: y"),
		"two of them":      {"client_id": {"wiki"}, "redirect_uri": {callback, "https://evil.example.com"}},
		"two clients":      {"client_id": {"wiki", "native"}, "redirect_uri": {callback}},
		"another's":        f.ask(verifier, append(native, callback)...),
		"localhost":        f.ask(verifier, append(native, "http://localhost:5/callback")...),
		"loopback by name": f.ask(verifier, append(native, "http://127.0.0.1.evil.example.com/callback")...),
		"loopback user":    f.ask(verifier, append(native, "http://127.0.0.1:80@evil.example.com/callback")...),
		"loopback range":   f.ask(verifier, append(native, "http://127.0.0.2:5/callback")...),
		"loopback https":   f.ask(verifier, append(native, "https://127.0.0.1:5/callback")...),
		"loopback path":    f.ask(verifier, append(native, "http://127.0.0.1:5/other")...),
		"loopback colon":   f.ask(verifier, append(native, "http://127.0.0.1:/callback")...),
		"loopback port":    f.ask(verifier, append(native, "http://127.0.0.1:123456/callback")...),
		"loopback sign":    f.ask(verifier, append(native, "http://127.0.0.1:+80/callback")...),
		"no redirects":     f.ask(verifier, "client_id", "headless"),
	} {
		t.Run(name, func(t *testing.T) {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				target, body := frontURL+"/authorize?"+q.Encode(), ""
				if method == http.MethodPost {
					target, body = frontURL+"/authorize", q.Encode()
				}
				w := f.browse(t, method, target, []byte(body), "Content-Type", "application/x-www-form-urlencoded")
				require.Equal(t, http.StatusBadRequest, w.Code, w.Body.String())
				require.Empty(t, w.Header().Get("Location"))
				require.Contains(t, w.Body.String(), "This sign-in cannot go on")
				require.NotContains(t, w.Body.String(), "evil")
			}
		})
	}
}

// A program on the person's machine: any port, and tokens bound to its key.
func TestLoopback(t *testing.T) {
	f := newFront(t, nil)
	key := newDPoPKey(t)
	for _, at := range []string{"http://127.0.0.1:41234/callback", "http://[::1]:5/callback", "http://127.0.0.1/callback", "com.example.app:/callback"} {
		native := []string{"client_id", "native", "redirect_uri", at, "audience", audience}
		u := f.touch(t, f.page(t, f.ask(verifier, append(native, "dpop_jkt", key.jkt())...)))
		require.True(t, strings.HasPrefix(u.String(), at+"?"), u)
		proof := key.proof(frontURL+"/token", f.now())
		form := set(url.Values{"grant_type": {"authorization_code"}, "code": {u.Query().Get("code")}, "code_verifier": {verifier}}, native...)
		a := post(t, f, frontURL+"/token", form, proof)
		require.Equal(t, http.StatusOK, a.status, "%v", a.body)
		require.Equal(t, "DPoP", a.text("token_type"))
		_, claims := decode(t, a.text("id_token"))
		require.Equal(t, audience, claims["aud"])
		refresh := url.Values{"grant_type": {"refresh_token"}, "client_id": {"native"}, "refresh_token": {a.text("refresh_token")}}
		require.Equal(t, http.StatusOK, post(t, f, frontURL+"/token", refresh, key.proof(frontURL+"/token", f.now())).status)
	}
}

// A code is for the client, the place and the verifier that it was asked for.
func TestCodeInTheWrongHands(t *testing.T) {
	f := newFront(t, nil, issuer.Client{ID: "evil", RedirectURIs: []string{"https://evil.example.com/callback"}, InsecureBearer: true})
	for name, pairs := range map[string][]string{
		"another client":       {"client_id", "evil"},
		"another client's URI": {"client_id", "evil", "redirect_uri", "https://evil.example.com/callback"},
		"another place":        {"redirect_uri", "https://wiki.example.com/other?tenant=1"},
		"no place":             {"redirect_uri", ""},
		"another verifier":     {"code_verifier", strings.Repeat("x", 43)},
		"no verifier":          {"code_verifier", ""},
	} {
		t.Run(name, func(t *testing.T) {
			code := f.code(t)
			f.redeem(t, code, pairs...).refused(t, 400, "invalid_grant")
			f.redeem(t, code).refused(t, 400, "invalid_grant") // burnt by the attempt
		})
	}
	t.Run("late", func(t *testing.T) {
		code := f.code(t)
		f.pass(61 * time.Second)
		f.redeem(t, code).refused(t, 400, "invalid_grant")
	})
}

// A key that nobody named before is the one that the code is redeemed with.
func TestKeyOfTheRedemption(t *testing.T) {
	f := newFront(t, nil)
	key, token := newDPoPKey(t), frontURL+"/token"
	native := []string{"client_id", "native", "redirect_uri", "http://127.0.0.1:5/callback"}
	redemption := func(pairs ...string) url.Values {
		code := f.touch(t, f.page(t, f.ask(verifier, pairs...))).Query().Get("code")
		return set(url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}, "redirect_uri": {callback}, "client_id": {"wiki"}}, pairs...)
	}
	for _, who := range [][]string{native, nil} { // one that must, and one that may
		a := post(t, f, token, redemption(who...), key.proof(token, f.now()))
		require.Equal(t, http.StatusOK, a.status, "%v", a.body)
		require.Equal(t, "DPoP", a.text("token_type"))
		_, access := decode(t, a.text("access_token"))
		require.Equal(t, map[string]any{"jkt": key.jkt()}, access["cnf"])
		refresh := set(url.Values{"grant_type": {"refresh_token"}, "client_id": {"wiki"}, "refresh_token": {a.text("refresh_token")}}, who...)
		require.Equal(t, http.StatusOK, post(t, f, token, refresh, key.proof(token, f.now())).status)
		post(t, f, token, refresh, newDPoPKey(t).proof(token, f.now())).refused(t, 400, "invalid_grant")
		post(t, f, token, refresh).refused(t, 400, "invalid_dpop_proof")
	}
	form := redemption(native...)
	post(t, f, token, form).refused(t, 400, "invalid_dpop_proof")
	post(t, f, token, form, key.proof(token, f.now())).refused(t, 400, "invalid_grant") // burnt
	form = redemption(append(native, "dpop_jkt", newDPoPKey(t).jkt())...)
	post(t, f, token, form, key.proof(token, f.now())).refused(t, 400, "invalid_grant")
	once := key.proof(token, f.now())
	require.Equal(t, http.StatusOK, post(t, f, token, redemption(native...), once).status)
	post(t, f, token, redemption(native...), once).refused(t, 400, "invalid_dpop_proof")
}

// The page names who is asked for; a name that the client suggests can be changed.
func TestWhoIsAsked(t *testing.T) {
	f := newFront(t, nil)
	text := func(pairs ...string) string {
		w := f.browse(t, http.MethodGet, f.page(t, f.ask(verifier, pairs...)), nil)
		require.Equal(t, http.StatusOK, w.Code)
		return w.Body.String()
	}
	require.Contains(t, text("login_hint", `x"><script>`), `value="x&#34;&gt;&lt;script&gt;"`)
	require.NotContains(t, text("login_hint", "grace", "prompt", "select_account login"), "grace")
	require.Contains(t, text("claims", `{"id_token":{"sub":{"value":"grace@example.com"}}}`), `<p class="owner">grace@example.com</p>`)
}

// A client that asks for a person gets that one or nobody.
func TestAnotherPerson(t *testing.T) {
	f := newFront(t, nil)
	// The ceremony is of a page that asks for nobody in particular.
	assertion := f.assertion(t, f.page(t, f.ask(verifier)))
	status, done := f.step(t, f.page(t, f.ask(verifier, "claims", `{"userinfo":{"sub":{"value":"grace@example.com"}}}`)), assertion)
	require.Equal(t, http.StatusOK, status)
	u, err := url.Parse(done["location"].(string))
	require.NoError(t, err)
	require.Equal(t, "login_required", u.Query().Get("error"))
	records := f.records(t)
	last := records[len(records)-1]["event"].(map[string]any)
	require.Equal(t, []any{"authorize", "denied", ada}, []any{last["type"], last["outcome"], last["user"]})
}

// An acr that was asked for is met or refused, whichever way it was asked for.
func TestAssuranceOnThePage(t *testing.T) {
	f := newFront(t, nil)
	for name, tc := range map[string]struct {
		pairs []string
		acr   string // empty: refused
	}{
		"acr_values met":      {[]string{"acr_values", "phrh phr"}, "phr"},
		"acr_values unmet":    {[]string{"acr_values", "phrh"}, ""},
		"essential met":       {[]string{"claims", `{"id_token":{"acr":{"essential":true,"values":["urn:gold","phr"]}}}`}, "phr"},
		"essential unmet":     {[]string{"claims", `{"id_token":{"acr":{"essential":true,"value":"phrh"}}}`}, ""},
		"claims count":        {[]string{"acr_values", "phr", "claims", `{"id_token":{"acr":{"essential":true,"value":"phrh"}}}`}, ""},
		"none in particular":  {[]string{"claims", `{"id_token":{"acr":{"essential":true},"auth_time":{"essential":true}}}`}, "phr"},
		"max_age is met":      {[]string{"max_age", "0", "prompt", "login"}, "phr"},
		"claims for userinfo": {[]string{"claims", `{"userinfo":{"acr":{"value":"phrh"}}}`}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			u := f.touch(t, f.page(t, f.ask(verifier, tc.pairs...)))
			if tc.acr == "" {
				require.Equal(t, "unmet_authentication_requirements", u.Query().Get("error"), u)
				require.Empty(t, u.Query().Get("code"))
				return
			}
			a := f.redeem(t, u.Query().Get("code"))
			_, claims := decode(t, a.text("id_token"))
			require.Equal(t, tc.acr, claims["acr"])
		})
	}
}

// Whoever declines is not signed in, and the client is told.
func TestDecline(t *testing.T) {
	f := newFront(t, nil)
	page := f.page(t, f.ask(verifier))
	cancel := strings.Replace(page, "/page?", "/cancel?", 1)
	require.Contains(t, f.browse(t, http.MethodGet, page, nil).Body.String(), strings.TrimPrefix(cancel, frontURL))
	require.Empty(t, f.browse(t, http.MethodHead, cancel, nil).Header().Get("Location"), "a look at it does nothing")
	w := f.browse(t, http.MethodGet, cancel, nil)
	u, err := url.Parse(w.Header().Get("Location"))
	require.NoError(t, err)
	require.Equal(t, url.Values{"error": {"access_denied"}, "error_description": {"the person declined"}, "state": {"the state"}, "iss": {frontURL}}, u.Query())
	require.Equal(t, http.StatusGone, f.browse(t, http.MethodGet, page, nil).Code)
	require.Equal(t, http.StatusGone, f.browse(t, http.MethodGet, cancel, nil).Code)
}

// A page that waited too long signs nobody in.
func TestLatePage(t *testing.T) {
	f := newFront(t, nil)
	page := f.page(t, f.ask(verifier))
	f.pass(10*time.Minute - time.Second)
	assertion := f.assertion(t, page)
	f.pass(time.Second)
	status, body := f.step(t, page, assertion)
	require.Equal(t, http.StatusGone, status, "%v", body)
	require.Equal(t, "request_expired", body["error"])
}

// The parameters of the client's own that are in its redirect URI stay there.
func TestRedirectURIKeepsItsQuery(t *testing.T) {
	f := newFront(t, nil)
	u := f.touch(t, f.page(t, f.ask(verifier, "redirect_uri", "https://wiki.example.com/other?tenant=1", "state", "")))
	require.True(t, strings.HasPrefix(u.String(), "https://wiki.example.com/other?tenant=1&"), u)
	require.NotContains(t, u.Query(), "state")
}

// The answer as a form: sent by a page, once, by its one script.
func TestFormPost(t *testing.T) {
	f := newFront(t, nil)
	u := f.touch(t, f.page(t, f.ask(verifier, "response_mode", "form_post", "state", `"><script>`)))
	require.Equal(t, frontURL+"/authorize/post", strings.TrimSuffix(u.String(), "?"+u.RawQuery))
	w := f.browse(t, http.MethodGet, u.String(), nil)
	require.Equal(t, http.StatusOK, w.Code)
	body := w.Body.String()
	require.Contains(t, body, `action="`+callback+`"`)
	require.Contains(t, body, `name="iss" value="`+frontURL+`"`)
	require.Contains(t, body, `name="state" value="&#34;&gt;&lt;script&gt;"`)
	sum := sha256.Sum256([]byte("document.forms[0].submit()"))
	require.Contains(t, body, "<script>document.forms[0].submit()</script>")
	require.Contains(t, w.Header().Get("Content-Security-Policy"), "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	require.Equal(t, http.StatusGone, f.browse(t, http.MethodGet, u.String(), nil).Code)
	require.Equal(t, http.StatusOK, f.redeem(t, u.Query().Get("code")).status)

	// Errors, too: those before the page and those after it.
	q := f.ask(verifier, "response_mode", "form_post", "prompt", "none")
	w = f.browse(t, http.MethodGet, frontURL+"/authorize?"+q.Encode(), nil)
	require.Contains(t, w.Body.String(), `name="error" value="login_required"`)
	u = f.touch(t, f.page(t, f.ask(verifier, "response_mode", "form_post", "acr_values", "phrh")))
	w = f.browse(t, http.MethodGet, u.String()+"&code=smuggled", nil)
	require.Contains(t, w.Body.String(), `name="error" value="unmet_authentication_requirements"`)
	require.NotContains(t, w.Body.String(), "smuggled")
}

// A secret that names one kind of request opens no other.
func TestKindsOfRequests(t *testing.T) {
	f := newFront(t, nil)
	page := f.page(t, f.ask(verifier))
	id := page[strings.Index(page, "=")+1:]
	require.Equal(t, http.StatusGone, f.browse(t, http.MethodGet, frontURL+"/authorize/post?request="+id, nil).Code)
	f.touch(t, page) // that has not used it up
	page = f.page(t, f.ask(verifier))
	id = page[strings.Index(page, "=")+1:]
	post(t, f, frontURL+"/authorize-challenge", url.Values{"client_id": {"wiki"}, "auth_session": {id}, "webauthn_response": {"{}"}}).refused(t, 400, "invalid_session")
}
