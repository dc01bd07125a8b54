package issuer

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/lakekey/lakekey/internal/secret"
)

// revoke is the revocation endpoint of RFC 7009: a client that is done with its
// session ends it. The proof by the session's key that a refresh takes is asked
// for here, too, so that a refresh token in the wrong hands does not end
// somebody's day. The key behind the session is not looked at: what it may no
// longer do, it may still end.
// https://www.rfc-editor.org/rfc/rfc7009#section-2
func (i *Issuer) revoke(r *http.Request, c *call) (reply, error) {
	ctx := r.Context()
	token, err := c.form.require("token")
	if err != nil {
		return reply{}, err
	}
	s, err := i.store.SessionByRefresh(ctx, HashOf(secret.New(token)))
	switch {
	case errors.Is(err, ErrNotFound):
		return notLive(c)
	case err != nil:
		return reply{}, fmt.Errorf("reading a session: %w", err)
	case s.ClientID != c.client.ID:
		return reply{}, i.refused(ctx, eventEnd, c, s, refuse(http.StatusBadRequest, "invalid_grant", "this refresh token was issued to another client"))
	}
	if err := i.prove(ctx, c, s); err != nil {
		return reply{}, i.refused(ctx, eventEnd, c, s, err)
	}
	// A client that hangs up now has still said that it is done.
	err = i.EndSession(context.WithoutCancel(ctx), s.ID, "its client ended it")
	if err != nil && !errors.Is(err, ErrNotFound) { // forgotten meanwhile
		return reply{}, err
	}
	return ok(struct{}{}), nil
}

// notLive answers for a token that is no live refresh token: "invalid tokens do
// not cause an error response since the client cannot handle such an error in a
// reasonable way" (§2.2). Access tokens are not revoked: nobody must be told that
// one was.
func notLive(c *call) (reply, error) {
	if c.form["token_type_hint"] == "access_token" {
		return reply{}, refuse(http.StatusBadRequest, "unsupported_token_type", "access tokens cannot be revoked; revoke the refresh token, which ends the session, and they expire soon after")
	}
	return ok(struct{}{}), nil
}
