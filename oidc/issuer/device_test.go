package issuer_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/web"
	"github.com/lakekey/lakekey/oidc/issuer"
)

// device is a program that waits.
type device struct {
	f        *front
	clientID string
	answer
}

func (f *front) device(t testing.TB, clientID string, pairs ...string) *device {
	t.Helper()
	a := post(t, f, f.url+"/device_authorization", set(url.Values{"client_id": {clientID}, "scope": {"openid email"}}, pairs...))
	require.Equal(t, http.StatusOK, a.status, "%v", a.body)
	require.Regexp(t, `^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}-[1-9][0-9]$`, a.text("user_code"))
	require.Equal(t, []any{f.url + "/device", 600.0, 5.0}, []any{a.body["verification_uri"], a.body["expires_in"], a.body["interval"]})
	return &device{f, clientID, a}
}

func (d *device) poll(t testing.TB, pairs ...string) answer {
	t.Helper()
	return post(t, d.f, d.f.url+"/token", set(url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "client_id": {d.clientID}, "device_code": {d.text("device_code")},
	}, pairs...))
}

// letters and number are the parts of the user code.
func (d *device) letters() string {
	code := d.text("user_code")
	return code[:strings.LastIndex(code, "-")]
}
func (d *device) number() string { return strings.TrimPrefix(d.text("user_code"), d.letters()+"-") }

// typed sends what somebody typed on the page.
func (f *front) typed(t testing.TB, pairs ...string) *httptest.ResponseRecorder {
	t.Helper()
	return f.browse(t, http.MethodPost, f.url+"/device", []byte(set(url.Values{}, pairs...).Encode()),
		"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin")
}

// approve goes as far as the page on which a key is touched.
func (d *device) approval(t testing.TB) string {
	t.Helper()
	w := d.f.typed(t, "user_code", d.text("user_code"))
	require.Equal(t, http.StatusSeeOther, w.Code, w.Body.String())
	return w.Header().Get("Location")
}

func TestDevice(t *testing.T) {
	f := newFront(t, nil)
	d := f.device(t, "tv", "nonce", "n")
	d.poll(t).refused(t, 400, "authorization_pending")
	d.poll(t).refused(t, 400, "slow_down")
	f.pass(5 * time.Second)
	d.poll(t).refused(t, 400, "authorization_pending")

	page := d.approval(t)
	body := f.browse(t, http.MethodGet, page, nil).Body.String()
	for _, shown := range []string{"The television", d.text("user_code"), "192.0.2.1", "09:00:00 UTC"} {
		require.Contains(t, body, shown)
	}
	u := f.touch(t, page)
	require.Equal(t, frontURL+"/device/done", u.String())
	require.Contains(t, f.browse(t, http.MethodGet, u.String(), nil).Body.String(), "may go on")

	a := d.poll(t)
	require.Equal(t, http.StatusOK, a.status, "%v", a.body)
	_, claims := verify(t, a.text("id_token"), get(t, f, frontURL+"/jwks").body)
	require.Equal(t, []any{ada, "tv", "n"}, []any{claims["sub"], claims["aud"], claims["nonce"]})
	require.Equal(t, "Bearer", a.text("token_type"))
	d.poll(t).refused(t, 400, "invalid_grant")

	require.Equal(t, http.StatusGone, f.browse(t, http.MethodGet, page, nil).Code)
	var decided []any
	for _, r := range f.records(t) {
		if e := r["event"].(map[string]any); e["type"] == "device.decide" {
			decided = append(decided, e["outcome"], e["user"], e["client_id"], e["reason"])
		}
	}
	require.Equal(t, []any{"ok", ada, "tv", "asked from 192.0.2.1"}, decided)
}

// A device with a key of its own gets tokens that are bound to it.
func TestDeviceWithKey(t *testing.T) {
	f := newFront(t, nil)
	key := newDPoPKey(t)
	for _, named := range []string{key.jkt(), ""} { // before, or only when it fetches its tokens
		d := f.device(t, "job", "dpop_jkt", named, "audience", audience)
		f.touch(t, d.approval(t))
		form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "client_id": {"job"}, "device_code": {d.text("device_code")}}
		a := post(t, f, frontURL+"/token", form, key.proof(frontURL+"/token", f.now()))
		require.Equal(t, http.StatusOK, a.status, "%v", a.body)
		require.Equal(t, "DPoP", a.text("token_type"))
		_, claims := decode(t, a.text("id_token"))
		require.Equal(t, audience, claims["aud"])
		require.NotEmpty(t, a.text("refresh_token"))
	}
}

// PKCE that a device brings along counts.
func TestDeviceWithPKCE(t *testing.T) {
	f := newFront(t, nil)
	asked := f.ask(verifier)
	pkce := []string{"code_challenge", asked.Get("code_challenge"), "code_challenge_method", "S256"}
	for sent, status := range map[string]int{verifier: 200, "": 400, strings.Repeat("x", 43): 400} {
		d := f.device(t, "tv", pkce...)
		f.touch(t, d.approval(t))
		require.Equal(t, status, d.poll(t, "code_verifier", sent).status)
	}
	post(t, f, frontURL+"/device_authorization", url.Values{"client_id": {"tv"}, "scope": {"openid"}, "code_challenge_method": {"plain"}}).refused(t, 400, "invalid_request")
}

// A link or a picture of one brings a person to the page, but the number is on the
// device only.
func TestNumberMatching(t *testing.T) {
	f := newFront(t, nil)
	d := f.device(t, "tv")
	require.Equal(t, frontURL+"/device?user_code="+d.letters(), d.text("verification_uri_complete"))
	body := f.browse(t, http.MethodGet, d.text("verification_uri_complete"), nil).Body.String()
	require.Contains(t, body, "The television")
	require.Contains(t, body, d.letters())
	require.NotContains(t, body, d.text("user_code"))

	w := f.typed(t, "user_code", strings.ToLower(d.letters()), "number", " "+d.number())
	require.Equal(t, http.StatusSeeOther, w.Code)
	f.touch(t, w.Header().Get("Location"))
	require.Equal(t, http.StatusOK, d.poll(t).status)

	// A wrong number ends it: there is one guess.
	d = f.device(t, "tv")
	wrong := "11"
	if d.number() == wrong {
		wrong = "12"
	}
	w = f.typed(t, "user_code", d.letters(), "number", wrong)
	require.Equal(t, http.StatusBadRequest, w.Code)
	require.Contains(t, w.Body.String(), "not the number")
	require.Contains(t, f.typed(t, "user_code", d.letters(), "number", d.number()).Body.String(), "No device waits")
	d.poll(t).refused(t, 400, "access_denied")
}

func TestDeviceIsRefused(t *testing.T) {
	f := newFront(t, nil)
	t.Run("by the person", func(t *testing.T) {
		d := f.device(t, "tv")
		page := d.approval(t)
		deny := strings.Replace(page, "/approve?", "/deny?", 1)
		require.Contains(t, f.browse(t, http.MethodGet, page, nil).Body.String(), strings.TrimPrefix(deny, frontURL))
		require.Contains(t, f.browse(t, http.MethodGet, deny, nil).Body.String(), "was not let in")
		d.poll(t).refused(t, 400, "access_denied")
		require.Equal(t, http.StatusGone, f.browse(t, http.MethodGet, page, nil).Code)
	})
	t.Run("for a key that is too weak", func(t *testing.T) {
		d := f.device(t, "tv", "acr_values", "phrh")
		page := d.approval(t)
		status, body := f.step(t, page, f.assertion(t, page))
		require.Equal(t, http.StatusForbidden, status)
		require.Equal(t, "unmet_authentication_requirements", body["error"])
		d.poll(t).refused(t, 400, "unmet_authentication_requirements")
	})
	t.Run("in time", func(t *testing.T) {
		d := f.device(t, "tv")
		page := d.approval(t)
		f.pass(10 * time.Minute)
		d.poll(t).refused(t, 400, "expired_token")
		require.Equal(t, http.StatusGone, f.browse(t, http.MethodGet, page, nil).Code)
		require.Contains(t, f.typed(t, "user_code", d.text("user_code")).Body.String(), "No device waits")
	})
	t.Run("approved, and never fetched", func(t *testing.T) {
		d := f.device(t, "tv")
		f.touch(t, d.approval(t))
		f.pass(10 * time.Minute)
		d.poll(t).refused(t, 400, "invalid_grant")
	})
}

// What a device says about itself is shown, and is nothing but text.
func TestDeviceNamesItself(t *testing.T) {
	f := newFront(t, nil)
	r := httptest.NewRequest(http.MethodPost, frontURL+"/device_authorization", strings.NewReader("client_id=tv&scope=openid"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", "TV/1 <script>alert(1)</script>\x1b[31m\u202e"+strings.Repeat("x", 500))
	d := &device{f, "tv", send(t, f, r)}
	body := f.browse(t, http.MethodGet, d.approval(t), nil).Body.String()
	require.Contains(t, body, "TV/1 &lt;script&gt;alert(1)&lt;/script&gt;[31m")
	require.NotContains(t, body, strings.Repeat("x", 200))
}

// A device code is for its client and its grant; a code of another grant is not one.
func TestDeviceCodeInTheWrongHands(t *testing.T) {
	f := newFront(t, nil, issuer.Client{ID: "other", Device: true, InsecureBearer: true},
		issuer.Client{ID: "both", Device: true, InsecureBearer: true, RedirectURIs: []string{callback}})
	d := f.device(t, "tv")
	d.poll(t, "client_id", "other").refused(t, 400, "invalid_grant")
	d.poll(t, "device_code", "x").refused(t, 400, "invalid_grant")
	f.touch(t, d.approval(t))
	d.poll(t, "client_id", "other").refused(t, 400, "invalid_grant")
	d.poll(t).refused(t, 400, "invalid_grant") // burnt

	d = f.device(t, "tv")
	f.touch(t, d.approval(t))
	f.redeem(t, d.text("device_code"), "client_id", "tv", "redirect_uri", "", "code_verifier", verifier).refused(t, 400, "invalid_grant")

	// Without PKCE, a code from the browser would be anybody's who has it.
	d = f.device(t, "tv")
	d.poll(t, "client_id", "both", "device_code", f.code(t, "client_id", "both"), "redirect_uri", callback).refused(t, 400, "invalid_grant")

	a := post(t, f, frontURL+"/device_authorization", url.Values{"client_id": {"wiki"}, "scope": {"openid"}})
	a.refused(t, 400, "unauthorized_client")

	d = f.device(t, "job")
	f.touch(t, d.approval(t))
	d.poll(t).refused(t, 400, "invalid_dpop_proof") // no key
}

// Two people, or one with two windows: one approval counts.
func TestTwoApprovals(t *testing.T) {
	f := newFront(t, nil)
	d := f.device(t, "tv")
	first, second := d.approval(t), d.approval(t)
	assertion := f.assertion(t, second)
	f.touch(t, first)
	status, body := f.step(t, second, assertion)
	require.Equal(t, http.StatusGone, status, "%v", body)
	require.Equal(t, http.StatusOK, d.poll(t).status)
	require.Equal(t, http.StatusGone, f.browse(t, http.MethodGet, strings.Replace(second, "/approve?", "/deny?", 1), nil).Code)
}

// Another site cannot make a visitor's browser answer the page, and nobody tries
// codes without end.
func TestDevicePageIsGuarded(t *testing.T) {
	f := newFront(t, nil)
	d := f.device(t, "tv")
	form := url.Values{"user_code": {d.text("user_code")}}.Encode()
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example.com"}} {
		w := f.browse(t, http.MethodPost, frontURL+"/device", []byte(form), append(headers, "Content-Type", "application/x-www-form-urlencoded")...)
		require.Equal(t, http.StatusForbidden, w.Code)
		page := d.approval(t)
		w = f.browse(t, http.MethodPost, page, []byte(`{"step":"options"}`), append(headers, "Content-Type", "application/json")...)
		require.Equal(t, http.StatusForbidden, w.Code)
	}
	require.Equal(t, http.StatusMisdirectedRequest, f.browse(t, http.MethodGet, "http://evil.example.com/device", nil).Code)
	w := f.browse(t, http.MethodGet, frontURL+"/device", nil)
	require.Equal(t, "DENY", w.Header().Get("X-Frame-Options"))
	require.Contains(t, w.Header().Get("Content-Security-Policy"), "frame-ancestors 'none'")

	limit := web.Limits{AddressBurst: 100}.AddressBurst
	tried := 0
	for ; tried < 2*limit; tried++ {
		if f.typed(t, "user_code", "BCDF-GHJK-10").Code == http.StatusTooManyRequests {
			break
		}
	}
	require.LessOrEqual(t, tried, limit)
	require.Equal(t, http.StatusTooManyRequests, f.browse(t, http.MethodGet, frontURL+"/device?user_code=BCDF-GHJK", nil).Code)
	require.Equal(t, http.StatusTooManyRequests, f.browse(t, http.MethodGet, frontURL+"/authorize?"+f.ask(verifier).Encode(), nil).Code)
	a := post(t, f, frontURL+"/device_authorization", url.Values{"client_id": {"tv"}, "scope": {"openid"}})
	require.Equal(t, http.StatusTooManyRequests, a.status)
	require.Equal(t, "slow_down", a.text("error"))
}
