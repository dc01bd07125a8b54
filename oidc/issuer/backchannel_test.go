package issuer_test

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/idptest"
	"github.com/lakekey/lakekey/oidc/issuer"
)

//go:embed testdata/logout-token.mjs
var logoutClient string

// TestBackchannelLogout: a client hears of the end of its session, in a token that
// npm's jose accepts, and that passes for nothing else here.
func TestBackchannelLogout(t *testing.T) {
	heard := make(chan string, 1)
	client := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/logout" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		heard <- r.PostFormValue("logout_token")
	}))
	t.Cleanup(client.Close)
	f := newLiveFront(t, issuer.Client{ID: "wiki", RedirectURIs: []string{callback}, InsecureBearer: true, BackchannelLogoutURI: client.URL + "/logout"})
	t.Cleanup(f.Issuer.Close)
	a := f.redeem(t, f.code(t))
	require.NoError(t, f.EndSession(t.Context(), a.text("session_id"), "why"))
	token := <-heard
	require.Equal(t, []string{"logout token"}, f.accompany(t, idptest.Node(t.Context(), t, logoutClient, f.url, "wiki", a.text("session_id"), token)))

	refusedMe(t, f.me(t, http.MethodGet, "Bearer "+token), "invalid_token")
	for _, typ := range []string{"JWT", "at+jwt"} {
		_, _, err := f.OwnToken(token, typ)
		require.Error(t, err)
	}
	w := f.browse(t, http.MethodGet, f.url+"/logout?"+url.Values{"id_token_hint": {token}}.Encode(), nil)
	require.Equal(t, http.StatusBadRequest, w.Code)

	// A person's sessions, each told once; and one that had ended is over already.
	b := f.redeem(t, f.code(t))
	n, err := f.EndSessions(t.Context(), issuer.Sessions{UserName: ada}, "why")
	require.NoError(t, err)
	require.Equal(t, 1, n)
	_, claims := decode(t, <-heard)
	require.Equal(t, b.text("session_id"), claims["sid"])
	require.NoError(t, f.EndSession(t.Context(), b.text("session_id"), "again"))
	told := func() (n int) {
		for _, e := range f.events(t) {
			if e == "session.tell ok" {
				n++
			}
		}
		return n
	}
	for told() < 2 { // its answer is on its way
		require.NoError(t, t.Context().Err())
	}
	f.Issuer.Close()
	require.Empty(t, heard)
	require.Equal(t, 2, told())
}

// tripper is a client that answers from a list; 0 stands for no answer.
type tripper struct {
	mu      sync.Mutex
	answers []int
	at      []time.Duration
	began   time.Time
	jtis    map[any]bool
	t       *testing.T
}

func (c *tripper) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = append(c.at, time.Since(c.began))
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	_, claims := decode(c.t, form.Get("logout_token"))
	c.jtis[claims["jti"]] = true
	code := c.answers[min(len(c.at), len(c.answers))-1]
	if code == 0 {
		return nil, errors.New("10.1.2.3: no route to host")
	}
	return &http.Response{StatusCode: code, Header: http.Header{"Location": {"http://169.254.169.254/"}}, Body: io.NopCloser(strings.NewReader("secret")), Request: r}, nil
}

// A client that cannot be told is tried again for a minute and a half, and no more;
// who ends the session does not wait for it.
func TestBackchannelTries(t *testing.T) {
	s := time.Second
	for name, tc := range map[string]struct {
		answers []int
		want    []time.Duration
		outcome string
		closed  time.Duration
	}{
		"at once":            {[]int{200}, []time.Duration{0}, "session.tell ok", 0},
		"no content":         {[]int{204}, []time.Duration{0}, "session.tell ok", 0},
		"after an outage":    {[]int{503, 0, 429, 200}, []time.Duration{0, s, 5 * s, 21 * s}, "session.tell ok", 0},
		"never":              {[]int{0}, []time.Duration{0, s, 5 * s, 21 * s, 85 * s}, "session.tell failed", 0},
		"it does not want":   {[]int{400}, []time.Duration{0}, "session.tell failed", 0},
		"it points away":     {[]int{302}, []time.Duration{0}, "session.tell failed", 0},
		"the issuer is done": {[]int{0}, []time.Duration{0, s}, "session.tell failed", 3 * s},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newProvider(t, func(_ *provider, cfg *issuer.Config) {
					cfg.Clients[0].BackchannelLogoutURI = "https://agent.example.com/out"
				})
				c := &tripper{answers: tc.answers, began: time.Now(), jtis: map[any]bool{}, t: t}
				p.TellThrough(c)
				id := newPerson(t, p).signIn(t).text("session_id")
				require.NoError(t, p.EndSession(t.Context(), id, "why"))
				require.Zero(t, time.Since(c.began), "who ends a session waits for nobody")
				if tc.closed > 0 {
					time.Sleep(tc.closed)
				} else {
					time.Sleep(time.Hour)
				}
				p.Issuer.Close()
				synctest.Wait()
				require.Equal(t, tc.want, c.at)
				require.Len(t, c.jtis, len(c.at), "each try has a token of its own")
				events := p.events(t)
				require.Equal(t, tc.outcome, events[len(events)-1])
				for _, r := range p.records(t) {
					require.NotContains(t, fmt.Sprint(r), "10.1.2.3")
				}
				require.NoError(t, p.log.Close())
			})
		})
	}
}

// Where clients may be told, and what a name may lead to.
func TestBackchannelPlaces(t *testing.T) {
	p := newProvider(t)
	for uri, fine := range map[string]bool{
		"https://wiki.example.com/out": true, "http://127.0.0.1:8080/out": true, "http://[::1]/out": true, "https://10.0.0.1/out?a=b": true,
		"http://wiki.example.com/out": false, "http://localhost/out": false, "https://wiki.example.com/out#x": false, "https://a@wiki.example.com/": false,
		"file:///etc/passwd": false, "//wiki.example.com": false, "wiki": false, "https://": false, "https://" + strings.Repeat("a", 10_000): false,
		"https://wiki.example.com/#": false,
	} {
		err := p.SetClients([]issuer.Client{{ID: clientID, BackchannelLogoutURI: uri}})
		require.Equal(t, fine, err == nil, "%s: %v", uri, err)
	}
	for _, address := range []string{"169.254.169.254:80", "[fe80::1]:80", "0.0.0.0:80", "[::ffff:169.254.169.254]:80", "224.0.0.1:80", "localhost:80"} {
		_, err := issuer.DialFar(t.Context(), "tcp", address)
		require.ErrorContains(t, err, "this machine or its neighbours", address)
	}
	p2 := httptest.NewServer(http.NotFoundHandler())
	defer p2.Close()
	conn, err := issuer.DialFar(t.Context(), "tcp", p2.Listener.Addr().String())
	require.NoError(t, err)
	require.NoError(t, conn.Close())
}
