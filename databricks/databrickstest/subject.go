package databrickstest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// maxSubjectToken is far above any identity provider's token.
	maxSubjectToken = 32 << 10
	// clockSkew is how far the issuer's clock may be ahead of ours. Nothing is
	// granted at the other end: an access token cannot outlive the subject token,
	// so an expired one would buy nothing.
	clockSkew = 60 * time.Second
	// maxNumericDate is the end of the year 9999.
	maxNumericDate = 253402300799
)

// subjectToken is a JWT whose text has been read and whose signature has not
// been checked.
type subjectToken struct {
	text   string
	kid    string
	alg    string
	issuer string
	claims map[string]any
}

// refusal is why a subject token buys nothing. step says how far it got: with
// several policies for one issuer, the refusal that got furthest is told.
type refusal struct {
	step        int
	description string
}

func refuse(step int, format string, args ...any) *refusal {
	return &refusal{step, fmt.Sprintf(format, args...)}
}

// The steps, in order.
const (
	stepKey = iota
	stepSignature
	stepAudience
	stepTime
	stepSubject
)

// readSubjectToken reads the token's text. The JOSE header's jwk, jku, x5c and
// x5u are not looked at: which keys count is written in the policy.
func readSubjectToken(text string) (*subjectToken, *refusal) {
	if len(text) > maxSubjectToken {
		return nil, refuse(0, "subject_token is larger than 32 KiB")
	}
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return nil, refuse(0, "subject_token is not a signed JWT: it has %d parts, not 3", len(parts))
	}
	if _, ok := base64URL(parts[2]); !ok {
		return nil, refuse(0, "subject_token is not a JWT: its signature is not base64url")
	}
	header, claims := map[string]any{}, map[string]any{}
	for i, into := range []*map[string]any{&header, &claims} {
		name := []string{"header", "claims"}[i]
		part, ok := base64URL(parts[i])
		if !ok {
			return nil, refuse(0, "subject_token is not a JWT: its %s are not base64url", name)
		}
		if err := decodeStrict(part, into); err != nil || *into == nil {
			return nil, refuse(0, "subject_token is not a JWT: its %s are not one JSON object without duplicate members", name)
		}
	}
	t := &subjectToken{text: text, claims: claims}
	var ok bool
	if t.alg, ok = header["alg"].(string); !ok || t.alg != algRS256 && t.alg != algES256 {
		return nil, refuse(0, "subject_token must be signed with RS256 or ES256, its alg is %.20q", header["alg"])
	}
	// RFC 7515 section 4.1.11: "If any of the listed extension Header Parameters
	// are not understood and supported by the recipient, then the JWS is invalid."
	if _, crit := header["crit"]; crit {
		return nil, refuse(0, "subject_token needs extensions (crit) that are not known here")
	}
	// RFC 8725 section 3.11 asks for explicit types; a token made for another
	// purpose, such as a DPoP proof or a logout token, says so in typ.
	if typ, sent := header["typ"]; sent {
		name, _ := typ.(string)
		switch strings.TrimPrefix(strings.ToLower(name), "application/") {
		case "jwt", "at+jwt":
		default:
			return nil, refuse(0, "subject_token is of typ %.40q, not a JWT for this use", name)
		}
	}
	if kid, sent := header["kid"]; sent {
		if t.kid, ok = kid.(string); !ok || t.kid == "" {
			return nil, refuse(0, "subject_token has a kid that is not a string or is empty")
		}
	}
	if t.issuer, ok = claims["iss"].(string); !ok || t.issuer == "" {
		return nil, refuse(0, "subject_token has no iss")
	}
	return t, nil
}

// check applies one policy and returns the value of its subject claim and when
// the token expires.
func (w *Workspace) check(ctx context.Context, t *subjectToken, p *policy) (string, time.Time, *refusal) {
	none := time.Time{}
	key, err := w.keys.find(ctx, p, t.kid, t.alg)
	if err != nil {
		return "", none, refuse(stepKey, "subject_token cannot be checked: %v", err)
	}
	// golang-jwt reads the text a second time, on its own; only the answer to
	// whether the signature holds is taken from it.
	parser := jwt.NewParser(jwt.WithValidMethods([]string{t.alg}), jwt.WithStrictDecoding(), jwt.WithoutClaimsValidation())
	parsed, err := parser.Parse(t.text, func(*jwt.Token) (any, error) { return key, nil })
	if err != nil || !parsed.Valid {
		return "", none, refuse(stepSignature, "subject_token's signature does not hold")
	}
	audiences, ok := audienceOf(t.claims["aud"])
	if !ok {
		return "", none, refuse(stepAudience, "subject_token's aud is missing or is not a string or a list of strings")
	}
	wanted := p.audiences(w.accountID)
	// "As long as the audience in the token matches at least one audience in the
	// policy, the token is considered a match."
	if !slices.ContainsFunc(audiences, func(s string) bool { return slices.Contains(wanted, s) }) {
		return "", none, refuse(stepAudience, "subject_token's aud %.200q meets none of the policy's audiences %.200q", audiences, wanted)
	}
	expires, refused := w.checkTimes(t.claims)
	if refused != nil {
		return "", none, refused
	}
	subject, ok := t.claims[p.subjectClaim()].(string)
	if !ok || subject == "" {
		return "", none, refuse(stepSubject, "subject_token's claim %.60q is missing or is not a string", p.subjectClaim())
	}
	if p.oidc.Subject != "" && subject != p.oidc.Subject {
		return "", none, refuse(stepSubject, "subject_token's subject %.120q is not the policy's", subject)
	}
	return subject, expires, nil
}

// checkTimes checks exp, nbf and iat and returns when the token expires.
func (w *Workspace) checkTimes(claims map[string]any) (time.Time, *refusal) {
	now := w.now()
	times := map[string]time.Time{}
	for _, name := range []string{"exp", "nbf", "iat"} {
		value, sent := claims[name]
		if !sent {
			continue
		}
		at, ok := numericDate(value)
		if !ok {
			return time.Time{}, refuse(stepTime, "subject_token's %s is not a number of seconds", name)
		}
		times[name] = at
	}
	expires, ok := times["exp"]
	switch {
	case !ok:
		return time.Time{}, refuse(stepTime, "subject_token has no exp")
	// RFC 7519 section 4.1.4: "on or after which the JWT MUST NOT be accepted".
	case !now.Before(expires):
		return time.Time{}, refuse(stepTime, "subject_token expired at %s", expires.UTC().Format(time.RFC3339))
	case times["nbf"].After(now.Add(clockSkew)):
		return time.Time{}, refuse(stepTime, "subject_token is not valid before %s", times["nbf"].UTC().Format(time.RFC3339))
	case times["iat"].After(now.Add(clockSkew)):
		return time.Time{}, refuse(stepTime, "subject_token is issued in the future, at %s", times["iat"].UTC().Format(time.RFC3339))
	}
	return expires, nil
}

// numericDate reads a NumericDate, "seconds from 1970-01-01T00:00:00Z UTC", which
// may have a fraction: RFC 7519 section 2. The fraction is dropped.
func numericDate(value any) (time.Time, bool) {
	n, ok := value.(json.Number)
	if !ok {
		return time.Time{}, false
	}
	f, err := n.Float64()
	if err != nil || f < 0 || f > maxNumericDate {
		return time.Time{}, false
	}
	return time.Unix(int64(f), 0), true
}

// audienceOf reads aud: "an array of case-sensitive strings […]. In the special
// case when the JWT has one audience, the aud value MAY be a single
// case-sensitive string": RFC 7519 section 4.1.3.
func audienceOf(value any) ([]string, bool) {
	if one, ok := value.(string); ok {
		return []string{one}, one != ""
	}
	list, ok := value.([]any)
	if !ok || len(list) == 0 {
		return nil, false
	}
	var out []string
	for _, v := range list {
		s, ok := v.(string)
		if !ok {
			return nil, false
		}
		out = append(out, s)
	}
	return out, true
}
