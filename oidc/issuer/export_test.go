package issuer

import (
	"context"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// SetFailPoint lets a test act between any two steps.
func (i *Issuer) SetFailPoint(fn func(string)) { i.failPoint = fn }

// VerifyProof returns what a DPoP header proves.
func VerifyProof(headers []string, target string, now time.Time) (jkt string, unique Hash, err error) {
	p, err := verifyProof(headers, http.MethodPost, target, now)
	if err != nil {
		return "", Hash{}, err
	}
	return p.jkt, p.unique, nil
}

// ParseForm reads a form body.
func ParseForm(body string) (map[string]string, error) { return parseForm(body) }

// ParseClaims reads a claims parameter.
func ParseClaims(s string) (acr []string, subject string, idToken, userinfo []string, err error) {
	a, err := parseClaims(s)
	return a.acr, a.subject, a.idToken, a.userinfo, err
}

// OwnToken reads a token of the issuer's.
func (i *Issuer) OwnToken(token, typ string) (subject, session string, err error) {
	t, err := i.own(context.Background(), token, typ)
	if err != nil {
		return "", "", err
	}
	return t.Subject, t.Session, nil
}

var (
	NewUserCode      = newUserCode
	SplitUserCode    = splitUserCode
	CheckRedirectURI = checkRedirectURI
	RedirectAllowed  = redirectAllowed
	NormalURL        = normalURL
	SameURL          = sameURL
	DialFar          = dialFar
)

// VerifyStatement returns who made a statement, and its jti.
func VerifyStatement(text string, c Client, audience string, now time.Time) (id, jti string, err error) {
	s, err := parseStatement(text)
	if err != nil {
		return "", "", err
	}
	if c.keys, err = parseClientKeys(c.JWKS); err != nil {
		return "", "", err
	}
	if err := s.verify(c, audience, now, "", "JWT", typeAssertion); err != nil {
		return "", "", err
	}
	return s.claims.sub, s.claims.jti, nil
}

// ClientKeys reads a JWK Set of a client's, and returns how many keys it has.
func ClientKeys(set []byte) (int, error) {
	keys, err := parseClientKeys(set)
	return len(keys), err
}

// Sign signs with the key that signs now, and returns its ID.
func (r *Keyring) Sign(ctx context.Context) (id string, err error) {
	h, err := r.current(ctx)
	if err != nil {
		return "", err
	}
	if h.signer == nil {
		return "", h.why
	}
	token, err := h.signer.sign(typeIDToken, map[string]string{})
	if err != nil {
		return "", err
	}
	signed, err := jose.ParseSignedCompact(token.Reveal(), []jose.SignatureAlgorithm{jose.ES256, jose.RS256})
	if err != nil {
		return "", err
	}
	id = signed.Signatures[0].Protected.KeyID
	_, err = signed.Verify(h.set.Key(id)[0])
	return id, err
}

// Published returns the IDs of the keys in the key set.
func (r *Keyring) Published(ctx context.Context) (ids []string, err error) {
	h, err := r.published(ctx)
	if err != nil {
		return nil, err
	}
	for _, k := range h.set.Keys {
		ids = append(ids, k.KeyID)
	}
	return ids, nil
}

// TellThrough lets logout tokens go through t.
func (i *Issuer) TellThrough(t http.RoundTripper) { i.back.http.Transport = t }
