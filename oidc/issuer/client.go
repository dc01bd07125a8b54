package issuer

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Client is a program that may ask this issuer for tokens. No client has a
// secret: what holds a token to it is its DPoP key, and a confidential one signs
// its requests. Clients are listed, never registered by themselves.
type Client struct {
	ID string
	// Name is what people read who are asked to sign in to it; empty: the ID.
	Name string
	// Audiences are the values of aud it may ask for, beside its own ID.
	Audiences []string
	// InsecureAnyAudience lets it ask for any audience: every party that
	// trusts this issuer must then check azp by itself.
	InsecureAnyAudience bool

	// RedirectURIs are the places that a browser may bring its codes to,
	// compared character by character. Only the port of an http URI with the
	// host 127.0.0.1 or [::1] is the program's choice (RFC 8252 §7.3). Empty: it
	// does not sign people in through a browser.
	RedirectURIs []string
	// PushedOnly refuses what it asks for in the browser's URL, where whoever sits
	// there can change it, and takes pushed requests only (RFC 9126).
	PushedOnly bool
	// Device lets it ask for a sign-in on another device (RFC 8628), where a
	// person may be talked into approving what somebody else began.
	Device bool
	// PostLogoutRedirectURIs are the places that a browser may go to after
	// signing out, compared as RedirectURIs are.
	PostLogoutRedirectURIs []string
	// BackchannelLogoutURI is where it is told, by a logout token, that a session of
	// its person is over (OpenID Connect Back-Channel Logout 1.0): https, or http on
	// a loopback address. Empty: it is not told.
	BackchannelLogoutURI string
	// InsecureBearer lets it have tokens that are not bound to a DPoP key, if it
	// sends no proof: whoever holds them can use them, and without keys of its own
	// it cannot refresh them. For programs that cannot do DPoP (RFC 9449), such as
	// most brokers.
	InsecureBearer bool

	// JWKS are the public keys of a confidential client, as a JWK Set (RFC 7517):
	// it must sign every request with one (private_key_jwt, RFC 7523). Empty: a
	// public client.
	JWKS json.RawMessage
	keys []clientKey // of JWKS

	// MayActFor are the clients in whose sessions it may act for people, by token
	// exchange (RFC 8693); it needs keys for that. The person's program must hand it
	// an ID token whose audience is its ID. Empty: it acts for nobody.
	MayActFor []string
	// Scopes are what it may ask for when it acts for somebody; they mean what the
	// audience makes of them.
	Scopes []string
}

// confidential reports whether the client proves with a key of its own who it is.
func (c Client) confidential() bool { return len(c.JWKS) > 0 }

// title is what people know the client as.
func (c Client) title() string {
	if c.Name != "" {
		return c.Name
	}
	return c.ID
}

// client returns the client with an ID.
func (i *Issuer) client(id string) (Client, bool) {
	c, known := (*i.clients.Load())[id]
	return c, known
}

// title is what people know the client with an ID as; one that was removed
// meanwhile they know by that.
func (i *Issuer) title(id string) string {
	if c, known := i.client(id); known {
		return c.title()
	}
	return id
}

// SetClients replaces the clients, all at once: what one that is gone began comes
// to nothing from then on, and what one may no longer do it may not finish either.
// If there is an error, nothing has changed. Replicas are each told by themselves.
func (i *Issuer) SetClients(clients []Client) error {
	if len(clients) == 0 {
		return errors.New("issuer: Clients is empty: nobody could sign in")
	}
	known := make(map[string]Client, len(clients))
	for _, c := range clients {
		if _, twice := known[c.ID]; twice {
			return fmt.Errorf("issuer: client %q is listed twice", c.ID)
		}
		if err := i.checkClient(c); err != nil {
			return err
		}
		if c.confidential() {
			var err error
			if c.keys, err = parseClientKeys(c.JWKS); err != nil {
				return fmt.Errorf("issuer: the JWKS of client %q: %v", c.ID, err)
			}
		}
		c.MayActFor, c.Scopes = slices.Clone(c.MayActFor), slices.Clone(c.Scopes)
		c.Audiences, c.RedirectURIs, c.PostLogoutRedirectURIs = slices.Clone(c.Audiences), slices.Clone(c.RedirectURIs), slices.Clone(c.PostLogoutRedirectURIs)
		known[c.ID] = c
	}
	for _, c := range clients {
		for _, id := range c.MayActFor {
			if _, there := known[id]; !there {
				return fmt.Errorf("issuer: client %q may act in sessions of %q, which is no client: look for a misspelling", c.ID, id)
			}
		}
	}
	i.clients.Store(&known)
	return nil
}

func (i *Issuer) checkClient(c Client) error {
	if !printable(c.ID, maxIdentifier) {
		return fmt.Errorf("issuer: client ID %q: must be 1 to %d printable ASCII characters without spaces", c.ID, maxIdentifier)
	}
	if len(c.Name) > maxName {
		return fmt.Errorf("issuer: the name of client %q is longer than %d bytes", c.ID, maxName)
	}
	for _, a := range c.Audiences {
		if !printable(a, maxIdentifier) {
			return fmt.Errorf("issuer: audience %q of client %q: must be 1 to %d printable ASCII characters without spaces", a, c.ID, maxIdentifier)
		}
	}
	if i.isSelf(c.ID) || slices.ContainsFunc(c.Audiences, i.isSelf) {
		return fmt.Errorf("issuer: an audience of client %q is the issuer itself", c.ID)
	}
	for _, u := range slices.Concat(c.RedirectURIs, c.PostLogoutRedirectURIs) {
		if err := checkRedirectURI(u); err != nil {
			return fmt.Errorf("issuer: redirect URI %q of client %q: %v", u, c.ID, err)
		}
	}
	if c.BackchannelLogoutURI != "" {
		if err := checkLogoutURI(c.BackchannelLogoutURI); err != nil {
			return fmt.Errorf("issuer: back-channel logout URI %q of client %q: %v", c.BackchannelLogoutURI, c.ID, err)
		}
	}
	for _, s := range c.Scopes {
		if !printable(s, maxIdentifier) {
			return fmt.Errorf("issuer: scope %q of client %q: must be 1 to %d printable ASCII characters without spaces", s, c.ID, maxIdentifier)
		}
	}
	if len(c.MayActFor) > 0 && !c.confidential() {
		return fmt.Errorf("issuer: client %q may act for people but has no keys to prove that it is it: set JWKS", c.ID)
	}
	if i.site == nil && (len(c.RedirectURIs) > 0 || c.Device) {
		return fmt.Errorf("issuer: client %q signs people in on a page, but there is none: set Config.Site", c.ID)
	}
	return nil
}

// audience returns the aud that the client gets when it asks for requested.
// An ID token that is asked for without an audience is for the client itself
// (OpenID Connect Core §2).
func (i *Issuer) audience(c Client, requested string) (string, bool) {
	switch {
	case i.isSelf(requested):
		return requested, false
	case requested == "" || requested == c.ID:
		return c.ID, true
	case slices.Contains(c.Audiences, requested):
		return requested, true
	default:
		return requested, c.InsecureAnyAudience && printable(requested, maxIdentifier)
	}
}

// isSelf reports whether an audience is the issuer, however spelled. The issuer's
// access tokens are for itself: an ID token with that audience would be a second
// kind of token for one place.
func (i *Issuer) isSelf(audience string) bool {
	return sameURL(strings.TrimRight(audience, "/"), i.url.String())
}
