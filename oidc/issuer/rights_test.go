package issuer_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/oidc/issuer"
)

// change lets an operator change a client and start the issuer again.
func (f *front) change(t testing.TB, id string, edit func(*issuer.Client)) {
	t.Helper()
	f.clients = slices.Clone(f.clients)
	for n := range f.clients {
		if f.clients[n].ID == id {
			edit(&f.clients[n])
		}
	}
	f.Issuer = f.replica(t)
}

// What a client may no longer do, it may not do with what it began before either.
func TestRightsThatAreGone(t *testing.T) {
	f := newFront(t, nil)
	code := f.code(t)
	f.change(t, "wiki", func(c *issuer.Client) { c.InsecureBearer = false })
	f.redeem(t, code).refused(t, 400, "invalid_dpop_proof")

	d := f.device(t, "tv")
	f.touch(t, d.approval(t))
	f.change(t, "tv", func(c *issuer.Client) { c.Device = false })
	d.poll(t).refused(t, 400, "unauthorized_client")

	f = newFront(t, nil)
	page, late := f.page(t, f.ask(verifier)), f.page(t, f.ask(verifier))
	code = f.touch(t, late).Query().Get("code")
	uri := f.push(t)
	d = f.device(t, "tv")
	approval := d.approval(t)
	f.clients = slices.DeleteFunc(f.clients, func(c issuer.Client) bool { return c.ID == "wiki" || c.ID == "tv" })
	f.Issuer = f.replica(t)
	f.redeem(t, code).refused(t, 400, "invalid_client")
	w := f.browse(t, http.MethodGet, frontURL+"/authorize?"+url.Values{"client_id": {"wiki"}, "request_uri": {uri}}.Encode(), nil)
	require.Equal(t, http.StatusBadRequest, w.Code)
	for _, at := range []string{page, approval} { // who is on their way sees whom they were on their way to
		require.Equal(t, http.StatusOK, f.browse(t, http.MethodGet, at, nil).Code)
	}
	f.touch(t, approval)
	d.poll(t).refused(t, 400, "invalid_client")
}

// The key behind a session is asked for at the userinfo endpoint, too.
func TestUserinfoOfARevokedKey(t *testing.T) {
	f := newFront(t, nil)
	a := f.redeem(t, f.code(t))
	require.Equal(t, http.StatusOK, f.me(t, http.MethodGet, "Bearer "+a.text("access_token")).status)
	u, err := f.rp.UserByName(t.Context(), ada)
	require.NoError(t, err)
	_, err = f.rp.Block(t.Context(), u.Handle, fido.Act{By: "eve@example.com", Rationale: "left"})
	require.NoError(t, err)
	refusedMe(t, f.me(t, http.MethodGet, "Bearer "+a.text("access_token")), "invalid_token")
}

// A bearer token with a proof is neither the one thing nor the other.
func TestUserinfoOfTwoMinds(t *testing.T) {
	f := newFront(t, nil)
	a := f.redeem(t, f.code(t))
	proof := newDPoPKey(t).proof(userinfoAt, f.now(), change{claims: map[string]any{"htm": "GET"}})
	refusedMe(t, f.me(t, http.MethodGet, "Bearer "+a.text("access_token"), proof), "invalid_token")
}

// An issuer that moved, or two on one store: what one has said is not the other's.
func TestTokensOfAnotherIssuer(t *testing.T) {
	f := newFront(t, nil)
	a := f.redeem(t, f.code(t))
	other, err := issuer.New(t.Context(), issuer.Config{URL: frontURL + "/moved", Audit: f.log, Now: f.clock, Site: f.site, Clients: f.clients}, f.rp, f.store)
	require.NoError(t, err)
	_, _, err = other.OwnToken(a.text("id_token"), "JWT")
	require.Error(t, err)
	_, _, err = f.OwnToken(a.text("id_token"), "JWT")
	require.NoError(t, err)
}

// What is too long is not sent along.
func TestLongState(t *testing.T) {
	f := newFront(t, nil)
	for length, code := range map[int]string{4096: "login_required", 4097: "invalid_request"} {
		w := f.browse(t, http.MethodGet, frontURL+"/authorize?"+f.ask(verifier, "state", strings.Repeat("x", length), "prompt", "none").Encode(), nil)
		u, err := url.Parse(w.Header().Get("Location"))
		require.NoError(t, err)
		require.Equal(t, code, u.Query().Get("error"))
		require.Equal(t, code == "login_required", u.Query().Has("state"))
	}
	claims := `{"id_token":{"x":"` + strings.Repeat("x", 8<<10) + `"}}`
	post(t, f, pushAt, f.ask(verifier, "claims", claims)).refused(t, 400, "invalid_request")
	post(t, f, pushAt, f.ask(verifier, "claims", `{"id_token":{"acr":{"values":["phr"`+strings.Repeat(`,"phr"`, 16)+`]}}}`)).refused(t, 400, "invalid_request")
	post(t, f, pushAt, f.ask(verifier, "claims", `{"id_token":{"sub":{"value":"`+strings.Repeat("x", 600)+`"}}}`)).refused(t, 400, "invalid_request")
	w := f.browse(t, http.MethodGet, frontURL+"/authorize?"+strings.Repeat("x", 65<<10), nil)
	require.Equal(t, http.StatusRequestURITooLong, w.Code)
}

// What waits for a page is no device, though it has the same client.
func TestPollForAPage(t *testing.T) {
	f := newFront(t, nil, issuer.Client{ID: "both", Device: true, InsecureBearer: true, RedirectURIs: []string{callback}})
	page := f.page(t, f.ask(verifier, "client_id", "both"))
	d := &device{f, "both", answer{body: map[string]any{"device_code": page[strings.Index(page, "=")+1:]}}}
	d.poll(t).refused(t, 400, "invalid_grant")
	f.touch(t, page)
}
