package issuer

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/lakekey/lakekey/internal/secret"
)

// introspection is what the introspection endpoint says of a live token (RFC 7662
// §2.2, with cnf of RFC 9449 §6.2, act of RFC 8693 §7.3 and the claims of RFC 9470 §6).
type introspection struct {
	Active       bool          `json:"active"`
	Scope        string        `json:"scope,omitempty"`
	ClientID     string        `json:"client_id"`
	UserName     string        `json:"username"`
	TokenType    string        `json:"token_type,omitempty"`
	Expires      int64         `json:"exp"`
	IssuedAt     int64         `json:"iat,omitempty"`
	Subject      string        `json:"sub"`
	Audience     string        `json:"aud,omitempty"`
	Issuer       string        `json:"iss"`
	ID           string        `json:"jti,omitempty"`
	Session      string        `json:"sid"`
	AuthTime     int64         `json:"auth_time"`
	ACR          string        `json:"acr"`
	AMR          []string      `json:"amr"`
	Confirmation *confirmation `json:"cnf,omitempty"`
	Actor        *actor        `json:"act,omitempty"`
}

type inactive struct {
	Active bool `json:"active"`
}

// introspect is the introspection endpoint of RFC 7662: whether a token is good at
// this moment, which a signature alone does not say. It answers clients that sign
// their requests, and about tokens that are for them or were issued to them; of any
// other it says no more than of one that never was, "to prevent token scanning
// attacks" (§4).
// https://www.rfc-editor.org/rfc/rfc7662#section-2
func (i *Issuer) introspect(r *http.Request, c *call) (reply, error) {
	if !c.client.confidential() {
		return reply{}, badClient("only clients that sign their requests (private_key_jwt) may ask about tokens; have the issuer's operator register keys for this one")
	}
	text, err := c.form.require("token")
	if err != nil {
		return reply{}, err
	}
	ctx := r.Context()
	found, s, err := i.look(ctx, text)
	if err != nil {
		return reply{}, err
	}
	if found == nil || found.ClientID != c.client.ID && found.Audience != c.client.ID || !i.stillAllowed(found, s) {
		return ok(inactive{}), nil
	}
	err = i.checkCredential(ctx, s)
	if _, refused := errors.AsType[*refusal](err); refused {
		return ok(inactive{}), nil
	}
	return ok(found), err
}

// stillAllowed: a client that was removed, or that may no longer act for people, has
// no live tokens.
func (i *Issuer) stillAllowed(found *introspection, s *Session) bool {
	if _, known := i.client(s.ClientID); !known {
		return false
	}
	for _, id := range found.Actor.chain() {
		if _, may := i.agent(id, s); !may {
			return false
		}
	}
	return true
}

// look finds out what a text is: an access or ID token, or a refresh token. nil: none
// that is good now, but for the key behind it.
func (i *Issuer) look(ctx context.Context, text string) (*introspection, *Session, error) {
	found, err := i.signedToken(ctx, text)
	var s *Session
	if err == nil {
		s, err = i.store.SessionByID(ctx, found.Session)
	} else if errors.Is(err, errNotOwn) {
		s, err = i.store.SessionByRefresh(ctx, HashOf(secret.New(text)))
		found = &introspection{}
	}
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, nil, nil
	case err != nil:
		return nil, nil, fmt.Errorf("reading a session: %w", err)
	case !s.Ended.IsZero() || !i.now().Before(s.Expires) || !s.Replaced.IsZero():
		return nil, nil, nil
	}
	if found.Session == "" { // a refresh token
		found.Scope, found.ClientID, found.Session, found.Expires = s.Scope, s.ClientID, s.ID, s.Expires.Unix()
		if s.JKT != "" {
			found.Confirmation = &confirmation{JKT: s.JKT}
		}
	} else if i.now().Unix() >= found.Expires {
		return nil, nil, nil
	}
	found.Active, found.Issuer = true, i.url.String()
	found.Subject, found.UserName = s.UserName, s.UserName
	found.AuthTime, found.ACR, found.AMR = s.AuthTime.Unix(), s.ACR, s.AMR
	return found, s, nil
}

// signedToken reads an access or ID token, whoever it is for.
func (i *Issuer) signedToken(ctx context.Context, text string) (*introspection, error) {
	t, err := i.own(ctx, text, typeAccessToken)
	kind := ""
	if err == nil {
		kind = tokenType("")
		if t.Confirmation != nil {
			kind = tokenType(t.Confirmation.JKT)
		}
	} else if t, err = i.own(ctx, text, typeIDToken); err != nil {
		return nil, err
	}
	client := t.ClientID
	if client == "" {
		client = t.AuthorizedFor
	}
	return &introspection{
		Scope: t.Scope, ClientID: client, TokenType: kind, Expires: t.Expires, IssuedAt: t.IssuedAt,
		Audience: t.Audience, ID: t.ID, Session: t.Session, Confirmation: t.Confirmation, Actor: t.Actor,
	}, nil
}
