package issuer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/internal/secret"
)

const (
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"

	tokenTypeAccess = "urn:ietf:params:oauth:token-type:access_token"
	tokenTypeID     = "urn:ietf:params:oauth:token-type:id_token"
	tokenTypeJWT    = "urn:ietf:params:oauth:token-type:jwt"

	// typeActor is the typ of actor tokens: nothing else that a client signs
	// passes for one (RFC 8725 §3.11).
	typeActor = "actor+jwt"
	// maxActors is how many hands a person's session goes through.
	maxActors = 3
)

// actor is the act claim of RFC 8693 §4.1: who acts, and who has handed on to them.
type actor struct {
	Subject string `json:"sub"`
	Before  *actor `json:"act,omitempty"`
}

// chain is every actor, the current one first.
func (a *actor) chain() (subjects []string) {
	for ; a != nil; a = a.Before {
		subjects = append(subjects, a.Subject)
	}
	return subjects
}

// exchange is a request to act for a person that has been found good.
type exchange struct {
	session  *Session
	subject  *ownToken
	actor    *actor
	audience string
	scope    string
	jkt      string // empty: a bearer token
	issued   string // token type
}

type exchangeBody struct {
	AccessToken string `json:"access_token"`
	IssuedType  string `json:"issued_token_type"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int64  `json:"expires_in"`
	Scope       string `json:"scope,omitempty"`
}

// exchangeToken is delegation by RFC 8693: an agent that was handed a token of a
// person's session, made for it, gets one with which it acts for that person at one
// place. There is no impersonation: the token names the agent in act, and the agent
// must have proven by an actor token that it is it.
// https://www.rfc-editor.org/rfc/rfc8693#section-2.1
func (i *Issuer) exchangeToken(ctx context.Context, c *call) (reply, error) {
	if !c.client.confidential() || len(c.client.MayActFor) == 0 {
		return reply{}, refuse(http.StatusBadRequest, "unauthorized_client", "this client may not act for people; ask the issuer's operator to register keys for it, and the clients in whose sessions it may act")
	}
	issued, err := exchangeTypes(c.form)
	if err != nil {
		return reply{}, err
	}
	x := &exchange{issued: issued, audience: c.form["audience"]}
	if x.subject, err = i.subjectToken(ctx, c); err != nil {
		return reply{}, err
	}
	x.session, err = i.store.SessionByID(ctx, x.subject.Session)
	switch {
	case errors.Is(err, ErrNotFound):
		return reply{}, refuse(http.StatusBadRequest, "invalid_grant", "the session of the subject token is over")
	case err != nil:
		return reply{}, fmt.Errorf("reading a session: %w", err)
	}
	if err := i.checkExchange(ctx, c, x); err != nil {
		return reply{}, i.refusedExchange(ctx, c, x, err)
	}
	i.point("exchange checked")
	return i.delegate(ctx, c, x)
}

// exchangeTypes checks what does not depend on who asks, and returns the type of the
// token to issue.
func exchangeTypes(f form) (issued string, err error) {
	for _, name := range []string{"audience", "subject_token", "subject_token_type", "actor_token", "actor_token_type"} {
		if _, err := f.require(name); err != nil {
			return "", err
		}
	}
	switch {
	case f["resource"] != "":
		return "", refuse(http.StatusBadRequest, "invalid_target", "name one audience, and no resource")
	case f["actor_token_type"] != tokenTypeJWT:
		return "", refuse(http.StatusBadRequest, "invalid_request", "the actor_token_type must be "+tokenTypeJWT)
	}
	switch issued = f["requested_token_type"]; issued {
	case "":
		return tokenTypeAccess, nil
	case tokenTypeAccess, tokenTypeJWT:
		return issued, nil
	}
	return "", refuse(http.StatusBadRequest, "invalid_request", "this issuer gives tokens of the types "+tokenTypeAccess+" and "+tokenTypeJWT)
}

// subjectToken reads the token of the person's session: an ID token of the session,
// or what an earlier agent got for this one. Both must be for this very client:
// whatever else it got hold of was not given to it to act with.
func (i *Issuer) subjectToken(ctx context.Context, c *call) (*ownToken, error) {
	text, kind := c.form["subject_token"], c.form["subject_token_type"]
	invalid := func(why string) error { return refuse(http.StatusBadRequest, "invalid_request", why) } // RFC 8693 §2.2.2
	token, err := i.own(ctx, text, typeIDToken)
	is := tokenTypeID
	if err != nil {
		token, err = i.own(ctx, text, typeAccessToken)
		is = tokenTypeAccess
	}
	if err != nil && !errors.Is(err, errNotOwn) {
		return nil, err
	}
	switch {
	case err != nil || kind != is && kind != tokenTypeJWT:
		return nil, invalid("the subject_token is not a token of this issuer, of the type that subject_token_type says")
	case token.Audience != c.client.ID:
		return nil, invalid("the subject_token is not for this client: have the person's program ask for one whose audience is " + c.client.ID)
	case i.now().Unix() >= token.Expires:
		return nil, invalid("the subject_token has expired")
	}
	return token, nil
}

// checkExchange decides whether the agent may act so. Each step may only narrow.
func (i *Issuer) checkExchange(ctx context.Context, c *call, x *exchange) error {
	s := x.session
	switch {
	case !s.Ended.IsZero() || !i.now().Before(s.Expires):
		return refuse(http.StatusBadRequest, "invalid_grant", "the session of the subject token is over")
	case !slices.Contains(c.client.MayActFor, s.ClientID):
		return refuse(http.StatusBadRequest, "unauthorized_client", "this client may not act in sessions of the client "+s.ClientID+"; ask the issuer's operator to allow it")
	}
	if err := i.actorToken(ctx, c); err != nil {
		return err
	}
	x.actor = &actor{Subject: c.client.ID, Before: x.subject.Actor}
	if len(x.actor.chain()) > maxActors {
		return refuse(http.StatusBadRequest, "invalid_request", fmt.Sprintf("a session goes through the hands of %d actors at most", maxActors))
	}
	if err := i.checkTarget(c, x); err != nil {
		return err
	}
	if err := i.checkScope(c, x); err != nil {
		return err
	}
	if err := i.exchangeKey(ctx, c, x); err != nil {
		return err
	}
	return i.checkCredential(ctx, s)
}

// actorToken verifies the token with which the agent says that it acts: signed by
// it, for this, and once. The request's own signature is not enough: it does not say
// that the agent means to be named (RFC 8693 §1.1).
func (i *Issuer) actorToken(ctx context.Context, c *call) error {
	s, err := parseStatement(c.form["actor_token"])
	if err == nil {
		err = s.verify(c.client, i.url.String(), i.now(), typeActor)
	}
	if err != nil {
		return refuse(http.StatusBadRequest, "invalid_request", "the actor_token was not accepted: "+err.Error())
	}
	err = i.once(ctx, s)
	if errors.Is(err, ErrTaken) {
		return refuse(http.StatusBadRequest, "invalid_request", "this actor_token was used before; sign a new one, with a jti of its own")
	}
	return err
}

// checkTarget: the place must be one that everybody on the way may ask for, today:
// the person's program, each agent that handed on, and this one. The agents are
// those that the subject token's act names, which this issuer has verified.
func (i *Issuer) checkTarget(c *call, x *exchange) error {
	refused := refuse(http.StatusBadRequest, "invalid_target", "not everybody on the way may ask for this audience: the client of the session, and each client that acts, must have it registered")
	if x.audience == c.client.ID {
		return refused // to itself: nothing would come of it
	}
	origin, known := i.client(x.session.ClientID)
	if !known || !i.allowed(origin, x.audience) {
		return refused
	}
	for _, id := range x.actor.chain() {
		if agent, may := i.agent(id, x.session); !may || !i.allowed(agent, x.audience) {
			return refused
		}
	}
	// Another client is the next agent. It can use the token with its own signature
	// only, so it must have keys.
	if next, hop := i.client(x.audience); hop && !next.confidential() {
		return refused
	}
	return nil
}

// agent returns the client with an ID if it may, as things are now, act in s.
func (i *Issuer) agent(id string, s *Session) (Client, bool) {
	c, known := i.client(id)
	return c, known && c.confidential() && slices.Contains(c.MayActFor, s.ClientID)
}

func (i *Issuer) allowed(c Client, audience string) bool {
	_, allowed := i.audience(c, audience)
	return allowed
}

// checkScope: scopes are asked for by name, and are never more than the operator
// lets the agent have, nor than whoever handed on has got.
func (i *Issuer) checkScope(c *call, x *exchange) error {
	asked := strings.Fields(c.form["scope"])
	had := strings.Fields(x.subject.Scope)
	for _, s := range asked {
		if !slices.Contains(c.client.Scopes, s) || x.subject.Actor != nil && !slices.Contains(had, s) {
			return refuse(http.StatusBadRequest, "invalid_scope", "this client may not have the scope "+s+": it must be registered for the client, and whoever handed on to it must have it")
		}
	}
	x.scope = strings.Join(asked, " ")
	return nil
}

// exchangeKey finds the key that the new token is bound to. A subject token that is
// bound to a key comes with a proof by that key. What is for the next agent is bound
// to nothing but its audience, which signs for itself.
func (i *Issuer) exchangeKey(ctx context.Context, c *call, x *exchange) error {
	bound := x.subject.Confirmation
	if len(c.proofs) == 0 {
		_, hop := i.client(x.audience)
		if bound != nil || !hop && !c.client.InsecureBearer {
			return missingProof()
		}
		return nil
	}
	p, err := verifyProof(c.proofs, http.MethodPost, c.url, i.now())
	if err != nil {
		return err
	}
	if bound != nil && p.jkt != bound.JKT {
		return refuse(http.StatusBadRequest, "invalid_grant", "the DPoP proof is by another key than the subject token's")
	}
	if _, hop := i.client(x.audience); !hop {
		x.jkt = p.jkt
	}
	return i.spend(ctx, p)
}

// delegate issues the token, as [Issuer.mint] does: not before the intent is on
// disk, and for no longer than the subject token and the session.
func (i *Issuer) delegate(ctx context.Context, c *call, x *exchange) (reply, error) {
	now, s := i.now(), x.session
	expires := now.Add(i.token)
	for _, end := range []time.Time{s.Expires, time.Unix(x.subject.Expires, 0)} {
		if expires.After(end) {
			expires = end
		}
	}
	e := i.exchangeEvent(c, x)
	e.TokenID = newID()
	intent, err := i.audit.Begin(ctx, e)
	if err != nil {
		return reply{}, fmt.Errorf("recording the intent to issue: %w", err)
	}
	claims := accessClaims{
		Issuer:   i.url.String(),
		Subject:  s.UserName,
		Audience: x.audience,
		ClientID: c.client.ID,
		Scope:    x.scope,
		Expires:  expires.Unix(),
		IssuedAt: now.Unix(),
		AuthTime: s.AuthTime.Unix(),
		ACR:      s.ACR,
		AMR:      s.AMR,
		ID:       e.TokenID,
		Session:  s.ID,
		Actor:    x.actor,
	}
	if x.jkt != "" {
		claims.Confirmation = &confirmation{JKT: x.jkt}
	}
	signer, err := i.keyring.sign(ctx)
	var token secret.Value
	if err == nil {
		token, err = signer.sign(typeAccessToken, claims)
	}
	if err != nil {
		e.Reason = "the token could not be signed"
		i.end(ctx, intent, audit.Failed, e, err)
		return reply{}, err
	}
	if err := intent.End(ctx, audit.OK, e); err != nil {
		return reply{}, fmt.Errorf("recording what was issued: %w", err)
	}
	return ok(exchangeBody{
		AccessToken: token.Reveal(),
		IssuedType:  x.issued,
		TokenType:   tokenType(x.jkt),
		ExpiresIn:   int64(expires.Sub(now) / time.Second),
		Scope:       x.scope,
	}), nil
}

// exchangeEvent names the person, whose session it is, and the agent that acts.
func (i *Issuer) exchangeEvent(c *call, x *exchange) audit.Event {
	e := i.event(eventExchange, c, x.session)
	e.Actor, e.Audience, e.Scope = c.client.ID, x.audience, x.scope
	return e
}

func (i *Issuer) refusedExchange(ctx context.Context, c *call, x *exchange, err error) error {
	ref, ok := errors.AsType[*refusal](err)
	if !ok {
		return err
	}
	e := i.exchangeEvent(c, x)
	e.Outcome, e.Reason = audit.Denied, ref.description
	if aerr := i.audit.Append(context.WithoutCancel(ctx), e); aerr != nil {
		i.log.ErrorContext(ctx, "recording a refusal", "error", aerr)
	}
	return err
}
