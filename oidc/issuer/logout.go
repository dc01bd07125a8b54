package issuer

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/lakekey/lakekey/fido/web"
)

// logout is the end session endpoint of OpenID Connect RP-Initiated Logout 1.0.
// Whoever brings the ID token of a session to the client that it was issued to
// may end that session. Without one a person is asked, "to prevent … logging the
// End-User out" by a link of somebody else's, and leaves this site's pages only.
// https://openid.net/specs/openid-connect-rpinitiated-1_0.html#RPLogout
func (i *Issuer) logout(w http.ResponseWriter, r *http.Request) {
	if !i.site.Unhurried(w, r) {
		return
	}
	f, err := readQuery(w, r)
	if err != nil {
		i.stay(w, r, err)
		return
	}
	hint := f["id_token_hint"]
	if hint == "" {
		i.site.Ask(w, r, web.Question{Title: "Sign out?", Text: "You will have to touch a key again to look after your keys here.", Action: i.url.Path + "/logout/confirm", Button: "Sign out"})
		return
	}
	// An ID token for another audience is in other hands than the client's: it
	// is good for what it was exchanged for, and not to end the session. That it
	// has expired does not matter: it "SHOULD" be taken (§2).
	token, err := i.own(r.Context(), hint, typeIDToken)
	if err != nil && !errors.Is(err, errNotOwn) {
		i.stay(w, r, err)
		return
	}
	if err != nil || token.Audience != token.AuthorizedFor || f["client_id"] != "" && f["client_id"] != token.AuthorizedFor {
		i.stay(w, r, refuse(http.StatusBadRequest, "invalid_request", "the id_token_hint is not an ID token that this issuer gave to that client; nobody was signed out"))
		return
	}
	client, _ := i.client(token.AuthorizedFor) // without one there is nowhere to go
	if err := i.EndSession(r.Context(), token.Session, "its person signed out at its client"); err != nil && !errors.Is(err, ErrNotFound) {
		i.stay(w, r, err)
		return
	}
	// Whose browser this is does not show: the cookie does not come along from
	// another site. Leaving nobody signed in is the lesser evil.
	i.site.SignOut(w, r)
	to := f["post_logout_redirect_uri"]
	if to == "" || !redirectAllowed(client.PostLogoutRedirectURIs, to) || len(f["state"]) > maxState {
		i.signedOut(w, r)
		return
	}
	if s := f["state"]; s != "" {
		to = answerURI(to, url.Values{"state": {s}})
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// confirmLogout is behind [web.Site.Guard]: no other site's page gets here.
func (i *Issuer) confirmLogout(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.Redirect(w, r, i.url.String()+"/logout", http.StatusSeeOther)
		return
	}
	i.site.SignOut(w, r)
	i.signedOut(w, r)
}

func (i *Issuer) signedOut(w http.ResponseWriter, r *http.Request) {
	i.site.Say(w, r, http.StatusOK, "You have signed out", "What programs were given for you before is good for a few minutes more, and is not renewed.")
}
