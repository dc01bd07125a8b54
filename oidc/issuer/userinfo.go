package issuer

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/lakekey/lakekey/internal/secret"
)

// userinfo is the userinfo endpoint (OpenID Connect Core §5.3), a resource of
// this issuer: its access token is one of ours, for us, and not expired, and its
// session and key are still good, which a token alone does not say.
// https://openid.net/specs/openid-connect-core-1_0.html#UserInfo
func (i *Issuer) userinfo(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		i.writeError(w, r, refuse(http.StatusMethodNotAllowed, "invalid_request", "this endpoint takes GET and POST"))
		return
	}
	s, err := i.bearer(r)
	if ref, refused := errors.AsType[*refusal](err); refused {
		i.challengeFor(w, ref)
	}
	if err != nil {
		i.writeError(w, r, err)
		return
	}
	body := map[string]string{"sub": s.UserName}
	email, userName := named(s, s.UserinfoClaims)
	if email != "" {
		body[claimEmail] = email
	}
	if userName != "" {
		body[claimUserName] = userName
	}
	i.write(w, r, ok(body))
}

// challengeFor says which tokens are taken (RFC 6750 §3, RFC 9449 §7.1).
func (i *Issuer) challengeFor(w http.ResponseWriter, ref *refusal) {
	if ref.status != http.StatusUnauthorized {
		return
	}
	for _, scheme := range []string{"DPoP", "Bearer"} {
		challenge := scheme + ` error="` + ref.code + `", error_description="` + describable(ref.description) + `"`
		if scheme == "DPoP" {
			challenge += `, algs="ES256 EdDSA Ed25519"`
		}
		w.Header().Add("WWW-Authenticate", challenge)
	}
}

// bearer returns the session of the request's access token.
func (i *Issuer) bearer(r *http.Request) (*Session, error) {
	invalid := func(why string) error { return refuse(http.StatusUnauthorized, "invalid_token", why) }
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 {
		return nil, invalid("send one access token of this issuer in the Authorization header")
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	access, err := i.own(r.Context(), token, typeAccessToken)
	switch {
	case err != nil && !errors.Is(err, errNotOwn):
		return nil, err
	case err != nil || access.Audience != i.url.String():
		return nil, invalid("that is not an access token of this issuer")
	case i.now().Unix() >= access.Expires:
		return nil, invalid("the access token has expired; refresh it")
	}
	if err := i.holder(r, scheme, token, access); err != nil {
		return nil, err
	}
	s, err := i.store.SessionByID(r.Context(), access.Session)
	switch {
	case errors.Is(err, ErrNotFound) || err == nil && (!s.Ended.IsZero() || !i.now().Before(s.Expires)):
		return nil, invalid("the session of this access token is over; sign in again")
	case err != nil:
		return nil, fmt.Errorf("reading a session: %w", err)
	}
	err = i.checkCredential(r.Context(), s)
	if ref, refused := errors.AsType[*refusal](err); refused {
		return nil, invalid(ref.description)
	}
	return s, err
}

// holder checks that a token that is bound to a key comes with a proof by that
// key, for this very token (RFC 9449 §7.1), and one that is not as a bearer token.
func (i *Issuer) holder(r *http.Request, scheme, token string, access *ownToken) error {
	proofs := r.Header.Values("DPoP")
	if access.Confirmation == nil {
		if !strings.EqualFold(scheme, "Bearer") || len(proofs) > 0 {
			return refuse(http.StatusUnauthorized, "invalid_token", "that is a bearer token: send it with the scheme Bearer")
		}
		return nil
	}
	if !strings.EqualFold(scheme, "DPoP") {
		return refuse(http.StatusUnauthorized, "invalid_token", "this access token is bound to a key: send it with the scheme DPoP, and a proof by that key")
	}
	p, err := verifyProof(proofs, r.Method, i.userinfoURL, i.now())
	if err == nil && (p.jkt != access.Confirmation.JKT || p.ath != strictBase64.EncodeToString(hashOfToken(token))) {
		err = badProof("the DPoP proof is by another key than the access token's, or its ath is not the hash of the token")
	}
	if err == nil {
		err = i.spend(r.Context(), p)
	}
	if ref, refused := errors.AsType[*refusal](err); refused {
		return refuse(http.StatusUnauthorized, ref.code, ref.description)
	}
	return err
}

func hashOfToken(token string) []byte {
	sum := HashOf(secret.New(token))
	return sum[:]
}
