package oidc_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/oidc"
	"github.com/lakekey/lakekey/oidc/assurance"
	"github.com/lakekey/lakekey/oidc/oidctest"
)

// visitor is a browser without a screen: it follows where the issuer sends it.
// stop, if it is set, gets the address on this machine instead of the visitor
// going there.
type visitor struct {
	t      testing.TB
	before func(address string)
	stop   func(back *url.URL)

	mu     sync.Mutex
	opened []string
	status int
	page   string
	header http.Header
}

func (v *visitor) Open(ctx context.Context, address string) error {
	v.mu.Lock()
	v.opened = append(v.opened, address)
	v.mu.Unlock()
	if v.before != nil {
		v.before(address)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Get(address)
	require.NoError(v.t, err)
	_ = resp.Body.Close()
	back, err := resp.Location()
	require.NoError(v.t, err, "status %d", resp.StatusCode)
	if v.stop != nil {
		v.stop(back)
		return nil
	}
	v.status, v.page, v.header = visit(v.t, http.MethodGet, back.String(), back.Host)
	return nil
}

func visit(t testing.TB, method, address, host string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, nil)
	require.NoError(t, err)
	req.Host = host
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body), resp.Header
}

// webFixture is an issuer that a browser can reach.
func webFixture(t testing.TB, o oidctest.Options) *fixture {
	t.Helper()
	idp, err := oidctest.New(o)
	require.NoError(t, err)
	srv := httptest.NewServer(idp)
	t.Cleanup(srv.Close)
	p, err := oidc.Discover(t.Context(), srv.URL, oidc.Options{Now: o.Now})
	require.NoError(t, err)
	return &fixture{idp: idp, provider: p}
}

func TestSignInBrowser(t *testing.T) {
	for name, o := range map[string]oidctest.Options{
		"bound to a key":       {},
		"bearer tokens":        {Bearer: true, Rotate: true},
		"pushed":               {Pushed: true},
		"tokens for us only":   {OneAudience: true, Bearer: true},
		"everything at once":   {OneAudience: true, Pushed: true, Rotate: true},
		"bound and replaced":   {Rotate: true},
		"pushed without a key": {Pushed: true, Bearer: true},
	} {
		t.Run(name, func(t *testing.T) {
			f := webFixture(t, o)
			v := &visitor{t: t}
			r := oidc.SignInRequest{ClientID: client, LoginHint: "bob@example.com", LoginCommand: "keyagent"}
			s, err := oidc.SignInBrowser(t.Context(), f.provider, v, r)
			require.NoError(t, err)
			require.Equal(t, "bob@example.com", s.Subject())
			require.NotEmpty(t, s.ID())
			require.WithinDuration(t, time.Now().Add(8*time.Hour), s.Expires(), time.Minute)

			require.Len(t, v.opened, 1)
			asked, err := url.Parse(v.opened[0])
			require.NoError(t, err)
			if o.Pushed {
				require.Len(t, asked.Query(), 2, "the browser carries a part of the request")
			} else {
				require.Equal(t, "0", asked.Query().Get("max_age"))
				require.Equal(t, "phrh phr", asked.Query().Get("acr_values"))
				require.JSONEq(t, `{"id_token":{"acr":{"essential":true,"values":["phrh","phr"]},"amr":null,"auth_time":{"essential":true}}}`, asked.Query().Get("claims"))
				require.Equal(t, "openid offline_access", asked.Query().Get("scope"))
				require.Equal(t, "S256", asked.Query().Get("code_challenge_method"))
				require.NotContains(t, v.opened[0], "code_verifier")
			}
			require.Equal(t, http.StatusOK, v.status)
			require.Contains(t, v.page, "go back to the program")
			require.Equal(t, "no-store", v.header.Get("Cache-Control"))
			require.Equal(t, "no-referrer", v.header.Get("Referrer-Policy"))
			require.Equal(t, "nosniff", v.header.Get("X-Content-Type-Options"))

			token, err := s.IDToken(t.Context(), client)
			require.NoError(t, err)
			require.Equal(t, client, token.Audience)
			require.Equal(t, "phrh", token.ACR)

			// Another audience: where the issuer knows such a thing.
			before := f.tokens()
			for range 3 {
				other, err := s.IDToken(t.Context(), "https://a.example")
				if !o.OneAudience {
					require.NoError(t, err)
					require.Equal(t, "https://a.example", other.Audience)
					continue
				}
				var refused *oidc.IDTokenError
				require.ErrorAs(t, err, &refused)
				require.Equal(t, "aud", refused.Check)
				require.Contains(t, refused.Reason, client)
			}
			require.Equal(t, 1, f.tokens()-before)
			_, err = s.IDToken(t.Context(), client)
			require.NoError(t, err)
			require.NoError(t, s.Close(t.Context()))
			require.Zero(t, f.idp.Sessions())
		})
	}
}

// Where a refresh token is good once, renewals for many audiences at once are one
// after the other.
func TestRotatedTokensAreUsedOnce(t *testing.T) {
	f := webFixture(t, oidctest.Options{Bearer: true, Rotate: true})
	s, err := oidc.SignInBrowser(t.Context(), f.provider, &visitor{t: t}, oidc.SignInRequest{ClientID: client})
	require.NoError(t, err)
	var wg sync.WaitGroup
	for _, aud := range strings.Fields("a b c d e f g h") {
		for range 4 {
			wg.Go(func() {
				if _, err := s.IDToken(t.Context(), aud); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	require.Equal(t, 1+8, f.tokens())
	require.Equal(t, 1, f.idp.Sessions(), "a token was used twice")
}

// Every fault ends without a session.
func TestBrowserFaultsAreRefused(t *testing.T) {
	native := []oidctest.Fault{ // of what a sign-in by browser does not use, or does not need
		oidctest.NoChallenge, oidctest.RedirectedChallenge, oidctest.NoSession, oidctest.UnsafeSession, oidctest.NoSessionEnd, oidctest.NoClient,
		oidctest.HungDiscovery, oidctest.HungKeys, oidctest.HungToken, oidctest.HugeDiscovery, oidctest.HugeKeys, oidctest.HugeResponse,
	}
	for _, fault := range append(oidctest.BrowserFaults(), oidctest.Faults()...) {
		skip := false
		for _, n := range native {
			skip = skip || n == fault
		}
		if skip {
			continue
		}
		t.Run(string(fault), func(t *testing.T) {
			idp, err := oidctest.New(oidctest.Options{Pushed: fault == oidctest.FailingPush})
			require.NoError(t, err)
			idp.Inject(fault)
			srv := httptest.NewServer(idp)
			defer srv.Close()
			p, err := oidc.Discover(t.Context(), srv.URL, oidc.Options{})
			if err == nil {
				v := &visitor{t: t}
				_, err = oidc.SignInBrowser(t.Context(), p, v, oidc.SignInRequest{ClientID: client})
				require.NotContains(t, v.page, "script")
			}
			require.Error(t, err)
			require.True(t, strings.HasPrefix(err.Error(), "oidc: "), err.Error())
			require.NotContains(t, err.Error(), "eyJ")
		})
	}
}

func TestDeniedInTheBrowser(t *testing.T) {
	f := webFixture(t, oidctest.Options{})
	f.idp.Inject(oidctest.Denied)
	_, err := oidc.SignInBrowser(t.Context(), f.provider, &visitor{t: t}, oidc.SignInRequest{ClientID: client})
	var refused *oidc.ExchangeError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "access_denied", refused.Code)
	require.Equal(t, "authorization", refused.Endpoint)
}

// What strangers send to the port neither ends the sign-in nor learns anything,
// and the page is the same whatever they send.
func TestStrangersAtTheLoopbackPort(t *testing.T) {
	f := webFixture(t, oidctest.Options{})
	v := &visitor{t: t}
	pages := map[string]bool{}
	v.stop = func(back *url.URL) {
		at := "http://" + back.Host
		right := back.Query()
		other := url.Values{"state": {"stolen"}, "code": {"c"}, "iss": {f.provider.Issuer()}}
		denied := url.Values{"state": {"x"}, "error": {"access_denied"}, "error_description": {"<b>hello</b>"}}
		for name, c := range map[string]struct {
			method, address, host string
			status                int
		}{
			"another state":       {"GET", at + "/callback?" + other.Encode(), back.Host, 400},
			"an error":            {"GET", at + "/callback?" + denied.Encode(), back.Host, 400},
			"no state":            {"GET", at + "/callback?code=c", back.Host, 400},
			"nothing":             {"GET", at + "/callback", back.Host, 400},
			"state twice":         {"GET", at + "/callback?" + right.Encode() + "&state=x", back.Host, 400},
			"code twice":          {"GET", at + "/callback?" + right.Encode() + "&code=x", back.Host, 400},
			"not a query":         {"GET", at + "/callback?%zz", back.Host, 400},
			"another path":        {"GET", at + "/callback/?" + right.Encode(), back.Host, 404},
			"another case":        {"GET", at + "/Callback?" + right.Encode(), back.Host, 404},
			"root":                {"GET", at + "/", back.Host, 404},
			"a post":              {"POST", at + "/callback?" + right.Encode(), back.Host, 405},
			"a preflight":         {"OPTIONS", at + "/callback?" + right.Encode(), back.Host, 405},
			"a rebound name":      {"GET", at + "/callback?" + right.Encode(), "evil.example:" + back.Port(), 421},
			"localhost":           {"GET", at + "/callback?" + right.Encode(), "localhost:" + back.Port(), 421},
			"no port in the name": {"GET", at + "/callback?" + right.Encode(), "127.0.0.1", 421},
		} {
			status, page, header := visit(t, c.method, c.address, c.host)
			require.Equal(t, c.status, status, name)
			require.Empty(t, header.Get("Access-Control-Allow-Origin"), name)
			pages[page] = true
		}
		status, page, _ := visit(t, "GET", back.String(), back.Host)
		require.Equal(t, 200, status)
		require.False(t, pages[page])
		status, page, _ = visit(t, "GET", back.String(), back.Host)
		require.Equal(t, 400, status, "a second answer")
		pages[page] = true
	}
	s, err := oidc.SignInBrowser(t.Context(), f.provider, v, oidc.SignInRequest{ClientID: client})
	require.NoError(t, err)
	require.Len(t, pages, 1, "the page repeats what was sent")
	require.NotNil(t, s)

	// Afterwards nobody listens.
	back, err := url.Parse(v.opened[0])
	require.NoError(t, err)
	back, err = url.Parse(back.Query().Get("redirect_uri"))
	require.NoError(t, err)
	_, err = net.Dial("tcp", back.Host)
	require.Error(t, err)
}

func TestNobodySignsIn(t *testing.T) {
	f := webFixture(t, oidctest.Options{})
	v := &visitor{t: t, stop: func(*url.URL) {}}
	_, err := oidc.SignInBrowser(t.Context(), f.provider, v, oidc.SignInRequest{ClientID: client, Patience: 50 * time.Millisecond})
	require.ErrorContains(t, err, "nobody signed in within 50ms")
	require.NotErrorIs(t, err, context.DeadlineExceeded)

	ctx, cancel := context.WithCancel(t.Context())
	v.stop = func(*url.URL) { cancel() }
	_, err = oidc.SignInBrowser(ctx, f.provider, v, oidc.SignInRequest{ClientID: client})
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, f.tokens())
}

func TestRedirectURL(t *testing.T) {
	f := webFixture(t, oidctest.Options{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	taken := ln.Addr().String()
	_, err = oidc.SignInBrowser(t.Context(), f.provider, &visitor{t: t}, oidc.SignInRequest{ClientID: client, RedirectURL: "http://" + taken + "/cb"})
	require.ErrorContains(t, err, "listening for the browser")
	require.NoError(t, ln.Close())
	for _, good := range []string{"http://" + taken + "/cb", "http://localhost/other/path", "http://127.0.0.1/"} {
		v := &visitor{t: t}
		_, err = oidc.SignInBrowser(t.Context(), f.provider, v, oidc.SignInRequest{ClientID: client, RedirectURL: good})
		require.NoError(t, err, good)
		at, err := url.Parse(v.opened[0])
		require.NoError(t, err)
		back, err := url.Parse(at.Query().Get("redirect_uri"))
		require.NoError(t, err)
		want, err := url.Parse(good)
		require.NoError(t, err)
		require.Equal(t, want.Hostname(), back.Hostname())
		require.Equal(t, want.Path, back.Path)
		require.NotEmpty(t, back.Port())
		if want.Port() != "" {
			require.Equal(t, good, back.String())
		}
	}
	for _, bad := range []string{
		"https://127.0.0.1/cb", "http://0.0.0.0/cb", "http://192.168.1.1/cb", "http://localhost.evil.example/cb", "http://127.0.0.1", "myapp://cb",
		"http://127.0.0.1/cb?x=1", "http://127.0.0.1/cb#x", "http://user@127.0.0.1/cb", "http://[::]/cb", "%zz",
	} {
		_, err = oidc.SignInBrowser(t.Context(), f.provider, noBrowser{t}, oidc.SignInRequest{ClientID: client, RedirectURL: bad})
		require.ErrorContains(t, err, "RedirectURL", bad)
	}
}

type noBrowser struct{ t testing.TB }

func (b noBrowser) Open(context.Context, string) error {
	b.t.Error("a browser was opened")
	return errors.New("no")
}

// A browser that cannot be opened ends the sign-in with its own reason.
func TestBrowserThatDoesNotOpen(t *testing.T) {
	f := webFixture(t, oidctest.Options{})
	broken := errors.New("no display")
	_, err := oidc.SignInBrowser(t.Context(), f.provider, opener(func(context.Context, string) error { return broken }), oidc.SignInRequest{ClientID: client})
	require.ErrorIs(t, err, broken)
}

type opener func(context.Context, string) error

func (o opener) Open(ctx context.Context, address string) error { return o(ctx, address) }

// remote is a browser on another machine: what it ends at is pasted.
type remote struct {
	visitor
	pastes   chan string
	problems []error
}

func (b *remote) Paste(ctx context.Context, problem error) (string, error) {
	b.problems = append(b.problems, problem)
	select {
	case text := <-b.pastes:
		return text, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func TestPastedAddress(t *testing.T) {
	f := webFixture(t, oidctest.Options{})
	b := &remote{pastes: make(chan string, 9)}
	b.t = t
	b.stop = func(back *url.URL) {
		other := *back
		other.Host = "127.0.0.1:1"
		stale := *back
		stale.RawQuery = "state=old&code=c"
		for _, wrong := range []string{"", "hello", "::::", other.String(), stale.String(), back.RawQuery, strings.Repeat("a", 1<<20)} {
			b.pastes <- wrong
		}
		b.pastes <- "  " + back.String() + "\r\n"
	}
	s, err := oidc.SignInBrowser(t.Context(), f.provider, b, oidc.SignInRequest{ClientID: client})
	require.NoError(t, err)
	require.Equal(t, "alice@example.com", s.Subject())
	require.Len(t, b.problems, 8)
	require.NoError(t, b.problems[0])
	for _, p := range b.problems[1:] {
		require.Error(t, p)
		require.Less(t, len(p.Error()), 300)
	}

	// A browser that comes back by itself ends the waiting for a paste.
	b = &remote{pastes: make(chan string)}
	b.t = t
	_, err = oidc.SignInBrowser(t.Context(), f.provider, b, oidc.SignInRequest{ClientID: client})
	require.NoError(t, err)
}

// A page lets people choose another account than the one that was asked for.
func TestAnotherAccount(t *testing.T) {
	f := webFixture(t, oidctest.Options{})
	for name, c := range map[string]struct {
		claims map[string]any
		good   bool
	}{
		"the same":               {nil, true},
		"in another case":        {map[string]any{"sub": "Bob@Example.COM"}, true},
		"another":                {map[string]any{"sub": "mallory@example.com"}, false},
		"by mail address":        {map[string]any{"sub": "00u1", "email": "bob@example.com"}, true},
		"by user name":           {map[string]any{"sub": "00u1", "email": "b@example.com", "preferred_username": "bob@example.com"}, true},
		"another mail address":   {map[string]any{"sub": "00u1", "email": "mallory@example.com"}, false},
		"an identifier and that": {map[string]any{"sub": "00u1"}, true},
	} {
		f.idp.Rewrite(func(claims map[string]any) {
			for name, value := range c.claims {
				claims[name] = value
			}
		})
		_, err := oidc.SignInBrowser(t.Context(), f.provider, &visitor{t: t}, oidc.SignInRequest{ClientID: client, LoginHint: "bob@example.com"})
		if c.good {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorContains(t, err, "was asked for", name)
	}
}

// Only what the issuer offers is asked for, and if that is not enough, nobody is.
func TestOfferedACR(t *testing.T) {
	f := webFixture(t, oidctest.Options{ACRs: []string{"pwd", "phr"}})
	v := &visitor{t: t}
	_, err := oidc.SignInBrowser(t.Context(), f.provider, v, oidc.SignInRequest{ClientID: client})
	require.NoError(t, err)
	asked, err := url.Parse(v.opened[0])
	require.NoError(t, err)
	require.Equal(t, "phr", asked.Query().Get("acr_values"))
	require.Contains(t, asked.Query().Get("claims"), `"values":["phr"]`)
	for _, r := range []struct{ offers, wants string }{{"pwd", ""}, {"phr", "phrh"}, {"PHR", "phr"}} {
		f = webFixture(t, oidctest.Options{ACRs: []string{r.offers}})
		_, err = oidc.SignInBrowser(t.Context(), f.provider, noBrowser{t}, oidc.SignInRequest{ClientID: client, Assurance: assurance.EAP(assurance.Level(r.wants))})
		require.ErrorContains(t, err, "acr_values_supported", r)
	}
}

// An issuer whose refreshed tokens say less than the first ends the session, with
// the reason: asking again would not help. A later sign-in in the same browser
// does not disturb it.
func TestBrowserSessionChanges(t *testing.T) {
	for _, fault := range oidctest.RefreshFaults() {
		t.Run(string(fault), func(t *testing.T) {
			clock := &fixedClock{time.Now()}
			f := webFixture(t, oidctest.Options{Now: clock.now})
			store := &shelf{}
			s, err := oidc.SignInBrowser(t.Context(), f.provider, &visitor{t: t}, sharedRequest(store))
			require.NoError(t, err)
			ends := s.Expires()
			clock.at = clock.at.Add(20 * time.Minute)
			f.idp.Inject(fault)
			_, err = s.IDToken(t.Context(), client)
			if fault == oidctest.AuthTimeMoves || fault == oidctest.OutlivesSession {
				require.NoError(t, err)
				require.Equal(t, ends, s.Expires())
				return
			}
			var login *oidc.LoginRequiredError
			require.ErrorAs(t, err, &login)
			require.Contains(t, login.Reason, "began with")
			require.Empty(t, store.names(), "a session that is over is still kept")
		})
	}
}

func FuzzLoopbackQuery(f *testing.F) {
	f.Add("state=s&code=c&iss=https%3A%2F%2Fidp.example")
	f.Add("state=s&error=access_denied&iss=https://idp.example")
	f.Add("state=s&state=s&code=c&iss=https://idp.example")
	f.Add("STATE=s&code=c;iss=https://idp.example")
	f.Fuzz(func(t *testing.T, query string) {
		taken, code, err := oidc.Take(query, "s", "https://idp.example")
		values, bad := url.ParseQuery(query)
		if taken {
			require.NoError(t, bad)
			require.Equal(t, []string{"s"}, values["state"])
		}
		if code != "" {
			require.NoError(t, err)
			require.Equal(t, []string{"https://idp.example"}, values["iss"])
			require.Equal(t, []string{code}, values["code"])
			require.False(t, values.Has("error"))
		}
		if taken && err == nil {
			require.NotEmpty(t, code)
		}
	})
}
