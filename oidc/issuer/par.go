package issuer

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
)

const (
	// requestURIPrefix is the form that RFC 9126 §2.2 suggests.
	requestURIPrefix = "urn:ietf:params:oauth:request_uri:"
	// pushedLifetime: "relatively short" in RFC 9126 §2.2, "e.g., … between 5 and
	// 600 seconds". A program opens the browser at once.
	pushedLifetime = 90 * time.Second
)

type pushedBody struct {
	RequestURI string `json:"request_uri"`
	ExpiresIn  int64  `json:"expires_in"`
}

// push is the pushed authorization request endpoint (RFC 9126): what a client
// says here nobody in front of a browser can change.
// https://www.rfc-editor.org/rfc/rfc9126#section-2
func (i *Issuer) push(r *http.Request, c *call) (reply, error) {
	ctx := r.Context()
	i.sweep(ctx)
	to, err := frontTarget(c.client, c.form)
	if err != nil {
		return reply{}, err
	}
	req, err := i.frontRequest(ctx, c, *to)
	if err != nil {
		return reply{}, err
	}
	id, err := i.keep(ctx, *req, kindPushed, pushedLifetime)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusCreated, body: pushedBody{requestURIPrefix + id, int64(pushedLifetime / time.Second)}}, nil
}

// pushed takes the request that a client has pushed: once, and for nobody but
// that client. Whatever else is in the URL of the browser does not count (RFC
// 9126 §4, which refers to RFC 9101 §5).
func (i *Issuer) pushed(ctx context.Context, client Client, uri string) (*Request, error) {
	unknown := refuse(http.StatusBadRequest, "invalid_request_uri", "this request_uri is unknown, expired, or used already; go back to the program that sent you here, and start again there")
	id, ours := strings.CutPrefix(uri, requestURIPrefix)
	if !ours {
		return nil, refuse(http.StatusBadRequest, "request_uri_not_supported", "a request_uri must be one that was pushed here (RFC 9126)")
	}
	req, err := i.pending(ctx, id, kindPushed)
	if err == nil && req.ClientID == client.ID {
		req, err = i.take(ctx, id, kindPushed)
	}
	switch {
	case errors.Is(err, errGone):
		return nil, unknown
	case err != nil:
		return nil, err
	case req.ClientID != client.ID:
		return nil, unknown
	}
	return req, nil
}
