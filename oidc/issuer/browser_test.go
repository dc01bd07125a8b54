package issuer_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/browser"
	"github.com/lakekey/lakekey/oidc/issuer"
)

// enrol registers the key that is plugged into the page.
func (f *front) enrol(t testing.TB, p *browser.Page, user string) {
	t.Helper()
	token, err := f.rp.Invite(t.Context(), user, time.Hour)
	require.NoError(t, err)
	p.Open(f.url + "/enroll#" + token.Reveal())
	p.WaitFor("#register", "This registers a key for")
	p.Type("#name", "Black key")
	p.Click("#registerform button")
	p.WaitFor("#registered", "is a key of")
}

const grace = "grace@example.com"

// callbacks is a client's place for answers, which shows what came.
func callbacks(t testing.TB) (at string, got chan map[string][]string) {
	t.Helper()
	got = make(chan map[string][]string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/callback" {
			http.NotFound(w, r)
			return
		}
		_ = r.ParseForm()
		got <- r.Form
		_, _ = w.Write([]byte("<p id=back>You are back.</p>"))
	}))
	t.Cleanup(server.Close)
	return server.URL + "/callback", got
}

// Chromium, its own key, and the page: as a person sees it.
func TestBrowser(t *testing.T) {
	b := browser.Start(t)
	back, got := callbacks(t)
	f := newLiveFront(t, issuer.Client{ID: "wiki", Name: "The wiki", RedirectURIs: []string{back}, InsecureBearer: true})
	p := b.Page(t)
	p.PlugIn(browser.KeyOptions{Transport: "usb", Resident: true, Verifies: true})
	f.enrol(t, p, grace)
	at := func(pairs ...string) string {
		return f.url + "/authorize?" + f.ask(verifier, append([]string{"redirect_uri", back}, pairs...)...).Encode()
	}
	for _, mode := range []string{"query", "form_post"} {
		p.Open(at("response_mode", mode, "login_hint", grace))
		p.WaitFor("h1", "Sign in to The wiki")
		p.WaitFor(".stated", "a program on this computer")
		p.Click("#signin button")
		p.WaitFor("#back", "You are back.")
		answer := <-got
		require.Equal(t, []string{"the state"}, answer["state"])
		require.Equal(t, []string{f.url}, answer["iss"])
		a := post(t, f, f.url+"/token", url.Values{"grant_type": {"authorization_code"}, "client_id": {"wiki"}, "code": answer["code"], "redirect_uri": {back}, "code_verifier": {verifier}})
		require.Equal(t, http.StatusOK, a.status, "%v", a.body)
	}

	// The hardware that Chromium pretends to be is attested by nobody.
	p.Open(at("acr_values", "phrh"))
	p.WaitFor("h1", "Sign in to The wiki")
	p.Click("#signin button")
	p.WaitFor("#back", "You are back.")
	require.Equal(t, []string{"unmet_authentication_requirements"}, (<-got)["error"])

	p.Open(at())
	p.WaitFor("h1", "Sign in to The wiki")
	p.Click("main a[href*='/authorize/cancel']")
	p.WaitFor("#back", "You are back.")
	require.Equal(t, []string{"access_denied"}, (<-got)["error"])

	p.Open(f.url + "/authorize?client_id=nobody&redirect_uri=" + url.QueryEscape(back))
	p.WaitFor("main", "This sign-in cannot go on")
}

// A device far away, a browser with a key: the link, the number, the touch.
func TestDeviceInBrowser(t *testing.T) {
	b := browser.Start(t)
	f := newLiveFront(t, issuer.Client{ID: "tv", Name: "The television", Device: true, InsecureBearer: true})
	p := b.Page(t)
	p.PlugIn(browser.KeyOptions{Transport: "usb", Resident: true, Verifies: true})
	f.enrol(t, p, grace)
	for _, link := range []bool{true, false} {
		a := post(t, f, f.url+"/device_authorization", url.Values{"client_id": {"tv"}, "scope": {"openid"}})
		d := &device{f, "tv", a}
		if link {
			p.Open(a.text("verification_uri_complete"))
			p.WaitFor("h1", "Which number does your device show?")
			p.WaitFor(".stated", d.letters())
			picture(p, "device-number")
			p.Type("#f-number", d.number())
		} else {
			p.Open(a.text("verification_uri"))
			p.WaitFor("h1", "Let a device sign in")
			p.Type("#f-user_code", "bcdf ghjk 10")
			p.Click("form.card button")
			p.WaitFor(".wrong", "No device waits with that code")
			picture(p, "device-code")
			p.Type("#f-user_code", a.text("user_code"))
		}
		p.Click("form.card button")
		p.WaitFor("h1", "Let this device sign in as you")
		p.WaitFor(".stated", a.text("user_code"))
		picture(p, "device-approve")
		p.Click("#signin button")
		p.WaitFor("h1", "The device may go on")
		a = post(t, f, f.url+"/token", url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "client_id": {"tv"}, "device_code": {a.text("device_code")}})
		require.Equal(t, http.StatusOK, a.status, "%v", a.body)
	}
}

// picture takes a screenshot where LAKEKEY_SCREENSHOTS names a folder for them.
func picture(p *browser.Page, name string) {
	if dir := os.Getenv("LAKEKEY_SCREENSHOTS"); dir != "" {
		p.Screenshot(filepath.Join(dir, name+".png"))
	}
}
