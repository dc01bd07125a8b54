package issuer_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator/softkey"
	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/oidc/issuer"
)

// handed is news on its way to an issuer that is made later.
type handed struct{ to *issuer.Issuer }

func (h *handed) Notify(ctx context.Context, n fido.Notice) error {
	if h.to == nil {
		return nil
	}
	return h.to.Notify(ctx, n)
}

// listening is a client that says which sessions it was told are over.
func listening(t *testing.T) (client issuer.Client, heard <-chan string) {
	t.Helper()
	sids := make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, claims := decode(t, r.PostFormValue("logout_token"))
		sids <- claims["sid"].(string)
	}))
	t.Cleanup(server.Close)
	return issuer.Client{ID: "heard", RedirectURIs: []string{callback}, InsecureBearer: true, BackchannelLogoutURI: server.URL}, sids
}

// TestOutOfUse: what takes a key or a person out of use at one replica ends their
// sessions for all of them at once, and their client hears of it; nobody else's end.
// The relying party that is asked and the one that signs people in share their store
// and nothing else.
func TestOutOfUse(t *testing.T) {
	act := fido.Act{By: "admin", Rationale: "because"}
	owner := fido.Act{By: ada}
	for name, open := range stores() {
		t.Run(name, func(t *testing.T) {
			client, heard := listening(t)
			f := newFrontOf(t, open(t), peoples()[name](t), client)
			party := func() (*issuer.Issuer, *fido.RelyingParty) {
				news, cfg := &handed{}, f.party()
				cfg.Notifier = news
				rp, err := fido.New(cfg, f.people)
				require.NoError(t, err)
				f.rp = rp
				news.to = f.replica(t)
				t.Cleanup(news.to.Close)
				return news.to, rp
			}
			_, rp := party()
			f.Issuer, _ = party() // which signs in
			person, err := rp.UserByName(t.Context(), ada)
			require.NoError(t, err)

			first := f.key
			enrolled := func() []byte {
				f.key = newSecurityKey(t, softkey.Options{})
				return f.key.enroll(t, site{url: f.url}, rp, ada)
			}
			signedIn := func() string {
				a := f.redeem(t, f.code(t, "client_id", "heard"), "client_id", "heard")
				require.Equal(t, http.StatusOK, a.status, "%v", a.body)
				return a.text("session_id")
			}
			over := func(id string) bool {
				s, err := f.store.SessionByID(t.Context(), id)
				require.NoError(t, err)
				return !s.Ended.IsZero()
			}
			other := signedIn() // with the first key
			for what, do := range map[string]func(key []byte) error{
				"revoked":     func(key []byte) error { _, err := rp.Revoke(t.Context(), key, act); return err },
				"lost":        func(key []byte) error { _, err := rp.ReportLost(t.Context(), key, owner); return err },
				"quarantined": func(key []byte) error { _, err := rp.Quarantine(t.Context(), key, act); return err },
			} {
				key := enrolled()
				one, two := signedIn(), signedIn()
				_, err := rp.Rename(t.Context(), key, "blue", owner)
				require.NoError(t, err)
				_, err = rp.SetGroups(t.Context(), person.Handle, []string{what}, act)
				require.NoError(t, err)
				require.False(t, over(one), "that was no reason")

				require.NoError(t, do(key), what)
				require.True(t, over(one) && over(two), what)
				require.ElementsMatch(t, []string{one, two}, []string{<-heard, <-heard}, what)
				require.False(t, over(other), what)
			}
			_, err = rp.Block(t.Context(), person.Handle, act)
			require.NoError(t, err)
			require.True(t, over(other))
			require.Equal(t, other, <-heard)
			_, err = rp.Unblock(t.Context(), person.Handle, act)
			require.NoError(t, err)

			// A copy of a key shows itself by its counter.
			f.key = first
			id := signedIn()
			replay := f.page(t, f.ask(verifier, "client_id", "heard"))
			late := f.assertion(t, replay) // made now, and sent after a later one
			next := signedIn()
			status, _ := f.step(t, replay, late)
			require.NotEqual(t, http.StatusOK, status)
			require.ElementsMatch(t, []string{id, next}, []string{<-heard, <-heard})
			require.Empty(t, heard)
		})
	}
}

// A store that cannot be reached is somebody's news: it is said, not swallowed.
func TestOutOfUseUnreached(t *testing.T) {
	f := newFront(t, nil)
	cut := &cutStore{Store: f.store.Store}
	f.store.Store = cut
	cut.down.Store(true)
	err := f.Notify(t.Context(), fido.Notice{Type: "user.blocked", User: fido.User{Name: ada, Blocked: "why"}})
	require.ErrorContains(t, err, "user.blocked")
	require.NoError(t, f.Notify(t.Context(), fido.Notice{Type: "user.unblocked", User: fido.User{Name: ada}}))
}
