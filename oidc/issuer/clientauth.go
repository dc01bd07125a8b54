package issuer

import (
	"context"
	"errors"
	"net/http"
)

const (
	authNone = "none"
	authKey  = "private_key_jwt"

	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	// typeAssertion is what draft-ietf-oauth-rfc7523bis §4 calls them; most clients
	// still say JWT or nothing.
	typeAssertion = "client-authentication+jwt"
)

// authenticate finds the client of a request. One that has keys must have signed
// an assertion for it (RFC 7523 §2.2, OpenID Connect Core §9: private_key_jwt), and
// for no request before; others say who they are, and prove what they hold.
// https://www.rfc-editor.org/rfc/rfc7523#section-2.2
func (i *Issuer) authenticate(ctx context.Context, f form) (Client, error) {
	if f["client_secret"] != "" {
		return Client{}, badClient("clients of this issuer have no secret: send client_id in the form and a DPoP proof, or a client_assertion where keys are registered for the client")
	}
	if f["client_assertion"] == "" && f["client_assertion_type"] == "" {
		return i.unsigned(f)
	}
	if f["client_assertion_type"] != assertionType {
		return Client{}, badClient("client_assertion_type must be " + assertionType)
	}
	text, err := f.require("client_assertion")
	if err != nil {
		return Client{}, err
	}
	s, err := parseStatement(text)
	if err != nil {
		return Client{}, badClient("the client_assertion was not accepted: " + err.Error())
	}
	// RFC 7521 §4.2: client_id "is unnecessary", but "if present … MUST identify
	// the same client".
	if id := f["client_id"]; id != "" && id != s.claims.sub {
		return Client{}, badClient("the sub of the client_assertion is not the client_id")
	}
	client, known := i.client(s.claims.sub)
	switch {
	case !known:
		return Client{}, unknownClient()
	case !client.confidential():
		return Client{}, badClient("no keys are registered for this client: send no client_assertion, or have them registered")
	}
	if err := s.verify(client, i.url.String(), i.now(), "", "JWT", typeAssertion); err != nil {
		return Client{}, badClient("the client_assertion was not accepted: " + err.Error())
	}
	err = i.once(ctx, s)
	if errors.Is(err, ErrTaken) {
		return Client{}, badClient("this client_assertion was used before; sign a new one, with a jti of its own, for every request")
	}
	return client, err
}

func (i *Issuer) unsigned(f form) (Client, error) {
	id, err := f.require("client_id")
	if err != nil {
		return Client{}, err
	}
	client, known := i.client(id)
	switch {
	case !known:
		return Client{}, unknownClient()
	case client.confidential():
		return Client{}, badClient("keys are registered for this client: it must sign a client_assertion for every request (private_key_jwt)")
	}
	return client, nil
}

func badClient(why string) *refusal {
	return refuse(http.StatusBadRequest, "invalid_client", why)
}

func unknownClient() *refusal {
	return badClient("this client_id is not registered; ask the issuer's operator to add it")
}
