package issuer

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/internal/secret"
)

// idClaims are the claims of an ID token (OpenID Connect Core §2) and, with
// session_expiry, of OpenID Connect's enterprise extensions. There is one
// audience, as a string: a token with two is a token that one of them can use
// at the other.
type idClaims struct {
	Issuer        string   `json:"iss"`
	Subject       string   `json:"sub"`
	Audience      string   `json:"aud"`
	AuthorizedFor string   `json:"azp"`
	Expires       int64    `json:"exp"`
	IssuedAt      int64    `json:"iat"`
	AuthTime      int64    `json:"auth_time"`
	ACR           string   `json:"acr"`
	AMR           []string `json:"amr"`
	Nonce         string   `json:"nonce,omitempty"`
	AccessHash    string   `json:"at_hash"`
	Email         string   `json:"email,omitempty"`
	UserName      string   `json:"preferred_username,omitempty"`
	ID            string   `json:"jti"`
	Session       string   `json:"sid"`
	SessionExpiry int64    `json:"session_expiry"`
}

// accessClaims are the claims of RFC 9068 §2.2, bound to the client's key as
// RFC 9449 §6.1 has it, unless it is a bearer token. It is for the issuer itself.
type accessClaims struct {
	Issuer       string        `json:"iss"`
	Subject      string        `json:"sub"`
	Audience     string        `json:"aud"`
	ClientID     string        `json:"client_id"`
	Scope        string        `json:"scope"`
	Expires      int64         `json:"exp"`
	IssuedAt     int64         `json:"iat"`
	AuthTime     int64         `json:"auth_time"`
	ACR          string        `json:"acr"`
	AMR          []string      `json:"amr"`
	ID           string        `json:"jti"`
	Session      string        `json:"sid"`
	Confirmation *confirmation `json:"cnf,omitempty"`
	Actor        *actor        `json:"act,omitempty"` // of a delegated one, which is for its audience
}

type confirmation struct {
	JKT string `json:"jkt"`
}

type tokenBody struct {
	AccessToken      string `json:"access_token"`
	TokenType        string `json:"token_type"`
	ExpiresIn        int64  `json:"expires_in"`
	IDToken          string `json:"id_token"`
	RefreshToken     string `json:"refresh_token,omitempty"`
	Scope            string `json:"scope"`
	SessionID        string `json:"session_id"`
	SessionExpiresIn int64  `json:"session_expires_in"`
}

// issue is what one token response adds to its session.
type issue struct {
	typ      string // of the audit event
	audience string
	nonce    string
	refresh  secret.Value // zero: there is none
	settle   func() error // the last step before the tokens are out; nil: none
}

// accessSuffix turns the jti of an ID token into that of the access token
// issued with it, so that one record in the log names both.
const accessSuffix = ".at"

// mint issues the tokens of one response: the intent is on disk before there is
// a token, the result is queued for it before anybody gets one, and if the log
// takes either no longer nobody does. A crash before the result is on disk leaves
// the intent open, which the log's verifier reports.
func (i *Issuer) mint(ctx context.Context, c *call, s *Session, is issue) (answer reply, err error) {
	now := i.now()
	expires := now.Add(i.token)
	if expires.After(s.Expires) {
		expires = s.Expires
	}
	id := newID()
	e := i.event(is.typ, c, s)
	e.Audience, e.TokenID = is.audience, id
	if !is.refresh.IsZero() {
		sum := HashOf(is.refresh)
		e.TokenHash = hex.EncodeToString(sum[:])
	}
	intent, err := i.audit.Begin(ctx, e)
	if err != nil {
		return reply{}, fmt.Errorf("recording the intent to issue: %w", err)
	}
	i.point("intent recorded")
	idToken, accessToken, err := i.signBoth(ctx, s, is, id, now, expires)
	if err != nil {
		e.Reason = "the tokens could not be signed"
		i.end(ctx, intent, audit.Failed, e, err)
		return reply{}, err
	}
	i.point("tokens signed")
	if is.settle != nil {
		if err := is.settle(); err != nil {
			i.unsettled(ctx, intent, e, err)
			return reply{}, err
		}
	}
	if err := intent.End(ctx, audit.OK, e); err != nil {
		return reply{}, fmt.Errorf("recording what was issued: %w", err)
	}
	i.point("result recorded")
	return ok(tokenBody{
		AccessToken:      accessToken.Reveal(),
		TokenType:        tokenType(s.JKT),
		ExpiresIn:        int64(expires.Sub(now) / time.Second),
		IDToken:          idToken.Reveal(),
		RefreshToken:     is.refresh.Reveal(),
		Scope:            s.Scope,
		SessionID:        s.ID,
		SessionExpiresIn: int64(s.Expires.Sub(now) / time.Second),
	}), nil
}

func (i *Issuer) signBoth(ctx context.Context, s *Session, is issue, id string, now, expires time.Time) (idToken, accessToken secret.Value, err error) {
	signer, err := i.keyring.sign(ctx)
	if err != nil {
		return idToken, accessToken, err
	}
	access := accessClaims{
		Issuer:   i.url.String(),
		Subject:  s.UserName,
		Audience: i.url.String(),
		ClientID: s.ClientID,
		Scope:    s.Scope,
		Expires:  expires.Unix(),
		IssuedAt: now.Unix(),
		AuthTime: s.AuthTime.Unix(),
		ACR:      s.ACR,
		AMR:      s.AMR,
		ID:       id + accessSuffix,
		Session:  s.ID,
	}
	if s.JKT != "" {
		access.Confirmation = &confirmation{JKT: s.JKT}
	}
	accessToken, err = signer.sign(typeAccessToken, access)
	if err != nil {
		return idToken, accessToken, err
	}
	claims := idClaims{
		Issuer:        i.url.String(),
		Subject:       s.UserName,
		Audience:      is.audience,
		AuthorizedFor: s.ClientID,
		Expires:       expires.Unix(),
		IssuedAt:      now.Unix(),
		AuthTime:      s.AuthTime.Unix(),
		ACR:           s.ACR,
		AMR:           s.AMR,
		Nonce:         is.nonce,
		AccessHash:    accessHash(accessToken),
		ID:            id,
		Session:       s.ID,
		SessionExpiry: s.Expires.Unix(),
	}
	// Only for the client that asked: another audience learns no more than sub.
	// Brokers look for them here, and not at the userinfo endpoint alone.
	if is.audience == s.ClientID {
		claims.Email, claims.UserName = named(s, s.IDClaims)
	}
	idToken, err = signer.sign(typeIDToken, claims)
	return idToken, accessToken, err
}

// accessHash is at_hash for a token that is signed with SHA-256: "the left-most
// half of the hash" (OpenID Connect Core §3.1.3.6).
func accessHash(token secret.Value) string {
	sum := HashOf(token)
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// named returns the claims about the session's person that its scope or names
// ask for (OpenID Connect Core §5.4). A person's name here is their mail address.
func named(s *Session, names []string) (email, userName string) {
	scopes := strings.Fields(s.Scope)
	if slices.Contains(names, claimEmail) || slices.Contains(scopes, scopeEmail) {
		email = s.UserName
	}
	if slices.Contains(names, claimUserName) || slices.Contains(scopes, scopeProfile) {
		userName = s.UserName
	}
	return email, userName
}

// tokenType is DPoP for tokens that are bound to a key (RFC 9449 §5).
func tokenType(jkt string) string {
	if jkt == "" {
		return "Bearer"
	}
	return "DPoP"
}
