package issuer

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/go-jose/go-jose/v4"
)

// The values of typ in the header of tokens of this issuer.
const (
	typeIDToken     = "JWT"
	typeAccessToken = "at+jwt"
	maxToken        = 8 << 10
)

// ownToken is what this issuer once said and somebody brings back.
type ownToken struct {
	Issuer        string        `json:"iss"`
	Subject       string        `json:"sub"`
	Audience      string        `json:"aud"`
	AuthorizedFor string        `json:"azp"`
	ClientID      string        `json:"client_id"`
	Scope         string        `json:"scope"`
	ID            string        `json:"jti"`
	IssuedAt      int64         `json:"iat"`
	Actor         *actor        `json:"act"`
	Expires       int64         `json:"exp"`
	Session       string        `json:"sid"`
	Confirmation  *confirmation `json:"cnf"`
}

var errNotOwn = errors.New("issuer: not a token of this issuer")

// own reads a token of the given type that this issuer has signed, expired or
// not: when it is too old, and for whom it must be, the caller decides. The key
// is looked up by kid among the published ones; nothing in the header names
// another. The error is errNotOwn, or a fault of ours.
func (i *Issuer) own(ctx context.Context, token, typ string) (*ownToken, error) {
	if len(token) > maxToken {
		return nil, errNotOwn
	}
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256, jose.RS256})
	if err != nil {
		return nil, errNotOwn
	}
	header := signed.Signatures[0].Protected
	if header.ExtraHeaders[jose.HeaderType] != typ {
		return nil, errNotOwn
	}
	held, err := i.keyring.current(ctx)
	if err != nil {
		return nil, err
	}
	keys := held.set.Key(header.KeyID)
	if len(keys) != 1 || keys[0].Algorithm != header.Algorithm {
		return nil, errNotOwn
	}
	payload, err := signed.Verify(keys[0])
	if err != nil {
		return nil, errNotOwn
	}
	var t ownToken
	if err := json.Unmarshal(payload, &t); err != nil || t.Issuer != i.url.String() {
		return nil, errNotOwn
	}
	return &t, nil
}
