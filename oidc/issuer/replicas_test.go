package issuer_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator/softkey"
	"github.com/lakekey/lakekey/fido/web"
	"github.com/lakekey/lakekey/internal/postgrestest"
	"github.com/lakekey/lakekey/oidc/issuer"
	"github.com/lakekey/lakekey/oidc/issuer/issuertest"
	"github.com/lakekey/lakekey/oidc/issuer/postgres"
	"github.com/lakekey/lakekey/oidc/issuer/sqlite"
)

// stores are ways to open an empty store of every kind.
func stores() map[string]func(t *testing.T) issuer.Store {
	return map[string]func(t *testing.T) issuer.Store{
		"memory": func(*testing.T) issuer.Store { return issuer.NewMemoryStore() },
		"sqlite": func(t *testing.T) issuer.Store {
			s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "issuer.db"))
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, s.Close()) })
			return s
		},
		"postgres": func(t *testing.T) issuer.Store {
			s, err := postgres.Open(t.Context(), postgrestest.URL(t))
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, s.Close()) })
			return s
		},
	}
}

// onEveryStore runs a test on three replicas, each time on another kind of store.
// Two requests in a row are never served by the same replica.
func onEveryStore(t *testing.T, rounds map[string]int, test func(t *testing.T, f *front, rounds int)) {
	t.Helper()
	for name, open := range stores() {
		t.Run(name, func(t *testing.T) {
			f := newFront(t, open(t))
			f.limits = web.Limits{AddressPerMinute: 100_000, AddressBurst: 100_000, AccountPerMinute: 100_000, AccountBurst: 100_000}
			f.Issuer = f.replica(t)
			f.replicas = []http.Handler{f.replica(t), f.replica(t)}
			test(t, f, short(rounds[name]))
		})
	}
}

func TestAnyReplicaServesAnyStep(t *testing.T) {
	onEveryStore(t, nil, func(t *testing.T, f *front, _ int) {
		for range 3 { // as many as there are, so that each has its turn at each step
			page := f.page(t, url.Values{"client_id": {"wiki"}, "request_uri": {f.push(t, "response_mode", "form_post")}})
			u := f.touch(t, page)
			require.Equal(t, http.StatusOK, f.browse(t, http.MethodGet, u.String(), nil).Code)
			a := f.redeem(t, u.Query().Get("code"))
			require.Equal(t, http.StatusOK, a.status, "%v", a.body)
			require.Equal(t, http.StatusOK, f.me(t, http.MethodGet, "Bearer "+a.text("access_token")).status)
			w := f.browse(t, http.MethodGet, frontURL+"/logout?id_token_hint="+a.text("id_token"), nil)
			require.Equal(t, http.StatusOK, w.Code)
			refusedMe(t, f.me(t, http.MethodGet, "Bearer "+a.text("access_token")), "invalid_token")

			d := f.device(t, "tv")
			d.poll(t).refused(t, 400, "authorization_pending")
			d.poll(t).refused(t, 400, "slow_down") // whichever replica counted the first
			f.touch(t, d.approval(t))
			require.Equal(t, http.StatusOK, d.poll(t).status)
			f.turn.Add(1)
		}
	})
}

// Of many who use a one-time thing at once, one gets somewhere.
func TestFrontRaces(t *testing.T) {
	const takers = 32
	rounds := map[string]int{"memory": 40, "sqlite": 20, "postgres": 20}
	status := func(f *front, method, target, body, kind string) (int, string) {
		r := httptest.NewRequest(method, target, strings.NewReader(body))
		r.Header.Set("Content-Type", kind)
		w := httptest.NewRecorder()
		f.ServeHTTP(w, r)
		return w.Code, w.Header().Get("Location") + w.Body.String()
	}
	onEveryStore(t, rounds, func(t *testing.T, f *front, rounds int) {
		for range rounds {
			// A pushed request leads to one page.
			uri := f.push(t)
			require.Equal(t, 1, issuertest.Race(t, takers, func(int) error {
				if code, _ := status(f, http.MethodGet, frontURL+"/authorize?"+url.Values{"client_id": {"wiki"}, "request_uri": {uri}}.Encode(), "", ""); code != http.StatusSeeOther {
					return issuer.ErrTaken
				}
				return nil
			}))
			// A device is approved or refused once, and fetches its tokens once.
			d := f.device(t, "tv")
			pages := make([]string, 4)
			for n := range pages {
				pages[n] = strings.Replace(d.approval(t), "/approve?", "/deny?", 1)
			}
			require.Equal(t, 1, issuertest.Race(t, len(pages)*2, func(n int) error {
				if code, _ := status(f, http.MethodGet, pages[n/2], "", ""); code != http.StatusOK {
					return issuer.ErrTaken
				}
				return nil
			}))
			d.poll(t).refused(t, 400, "access_denied")
			d = f.device(t, "tv")
			f.touch(t, d.approval(t))
			form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "client_id": {"tv"}, "device_code": {d.text("device_code")}}.Encode()
			require.Equal(t, 1, issuertest.Race(t, takers, func(int) error {
				if code, _ := status(f, http.MethodPost, frontURL+"/token", form, "application/x-www-form-urlencoded"); code != http.StatusOK {
					return issuer.ErrTaken
				}
				return nil
			}))
			// An answer as a form is sent once.
			post := f.touch(t, f.page(t, f.ask(verifier, "response_mode", "form_post"))).String()
			require.Equal(t, 1, issuertest.Race(t, takers, func(int) error {
				if code, _ := status(f, http.MethodGet, post, "", ""); code != http.StatusOK {
					return issuer.ErrTaken
				}
				return nil
			}))
		}
	})
}

// A page that many windows show, each with a touch of its own, gives one code.
func TestOnePageManyTouches(t *testing.T) {
	onEveryStore(t, map[string]int{"memory": 20, "sqlite": 10, "postgres": 10}, func(t *testing.T, f *front, rounds int) {
		// A key each: one key whose touches arrive out of order looks copied.
		keys := make([]securityKey, 8)
		for n := range keys {
			keys[n] = newSecurityKey(t, softkey.Options{})
			keys[n].enroll(t, site{url: f.url}, f.rp, ada)
		}
		for range rounds {
			page := f.page(t, f.ask(verifier))
			bodies := make([]map[string]any, len(keys))
			for n := range bodies {
				f.key = keys[n]
				bodies[n] = f.assertion(t, page)
			}
			require.Equal(t, 1, issuertest.Race(t, len(bodies), func(n int) error {
				if code, _ := f.step(t, page, bodies[n]); code != http.StatusOK {
					return issuer.ErrTaken
				}
				return nil
			}))
		}
	})
}
