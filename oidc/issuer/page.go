package issuer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/web"
)

// page is where a person is asked for a touch, in the middle of an authorization
// request. It implements [web.Visit].
type page struct{ *Issuer }

// Prompt implements [web.Visit].
func (p page) Prompt(r *http.Request) (web.Prompt, error) {
	id := r.URL.Query().Get("request")
	req, err := p.pending(r.Context(), id, kindPage)
	if err != nil {
		return web.Prompt{}, gone(err)
	}
	client := p.title(req.ClientID)
	return web.Prompt{
		Title: "Sign in to " + client,
		Text:  "Touch your key only if you have just asked for this yourself.",
		Facts: []web.Fact{
			{Name: "Program", Value: client},
			{Name: "Goes on to", Value: redirectHost(req.RedirectURI)},
			{Name: "Learns", Value: "your user name, and what kind of key you used"},
		},
		UserName: req.Subject,
		Suggest:  req.LoginHint,
		Cancel:   p.url.Path + "/authorize/cancel?request=" + id,
	}, nil
}

// SignedIn implements [web.Visit]. The ceremony is used up; so is the request
// from here on.
func (p page) SignedIn(_ http.ResponseWriter, r *http.Request, proof *fido.Proof) (string, error) {
	ctx := r.Context()
	req, err := p.take(ctx, r.URL.Query().Get("request"), kindPage)
	if err != nil {
		return "", gone(err)
	}
	p.point("request taken")
	c := &call{remote: p.site.Remote(r)}
	value, err := p.assure(ctx, c, req, proof)
	if _, refused := errors.AsType[*refusal](err); refused {
		return p.locate(ctx, req, answer{err: err})
	} else if err != nil {
		return "", err
	}
	code := newSecret()
	if err := p.begun(ctx, req, proof, value, HashOf(code), p.now().Add(codeLifetime)); err != nil {
		return "", err
	}
	return p.locate(ctx, req, answer{code: code})
}

// begun keeps the session that a proof has begun, until its code is redeemed.
func (i *Issuer) begun(ctx context.Context, req *Request, proof *fido.Proof, value string, code Hash, until time.Time) error {
	s := newSession(req, proof, value)
	s.Code, s.CodeExpires = code, until
	s.Expires = s.AuthTime.Add(i.session)
	if err := i.store.AddSession(ctx, s); err != nil {
		return fmt.Errorf("keeping a session: %w", err)
	}
	i.point("session kept")
	return nil
}

// cancel is where the page's way out leads: the client is told.
func (i *Issuer) cancel(w http.ResponseWriter, r *http.Request) {
	req, err := i.take(r.Context(), r.URL.Query().Get("request"), kindPage)
	if err != nil {
		i.stay(w, r, err)
		return
	}
	i.respond(w, r, req.target(), answer{err: refuse(http.StatusForbidden, "access_denied", "the person declined")})
}

// gone is for people what errGone is for programs.
func gone(err error) error {
	if errors.Is(err, errGone) {
		return &web.Refusal{Status: http.StatusGone, Code: "request_expired", Description: "It was finished already, or it took longer than ten minutes. Go back to the program that sent you here, and start again there."}
	}
	return err
}
