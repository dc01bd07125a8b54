package oidc

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/lakekey/lakekey/internal/secret"
	"github.com/lakekey/lakekey/oidc/assurance"
)

const (
	maxIDToken = 64 << 10
	// leeway is how far the issuer's clock and ours may be apart. It is not
	// granted to exp.
	leeway = time.Minute
	// maxTokenAge is how old a token may be that was issued just now.
	maxTokenAge = 10 * time.Minute
	// maxLifetime bounds tokens and sessions, whatever an issuer says: nobody
	// should find a session that was forgotten long ago.
	maxLifetime = 24 * time.Hour
)

// IDToken is a verified ID token. Treat it as read-only: callers share it.
type IDToken struct {
	Value    secret.Value // the token itself
	Issuer   string
	Audience string // whom it is for
	Subject  string // who signed in
	ID       string // jti; may be empty
	Session  string // sid

	ACR      string    // how: phr or phrh, where the issuer says it; see SignInRequest.Assurance
	AMR      []string  // with what
	AuthTime time.Time // when the key was touched; refreshing never moves it
	IssuedAt time.Time
	Expires  time.Time

	sessionEnds time.Time // session_expiry; zero if the token does not say
	proof       assurance.Claims
	names       []string // by which people know the subject, as far as the token tells
}

// expectation is what an ID token must say to be the one we asked for.
type expectation struct {
	audience    string
	clientID    string
	profile     assurance.Profile
	asked       time.Time // when the sign-in was
	accessToken secret.Value
	nonce       string // of this sign-in; empty: none was sent

	// The rest continues a session; zero for its first token.
	subject  string
	session  string
	authTime time.Time
	acr      string
	proof    assurance.Claims

	sessionRepeats bool // every token names the session, and the time of its touch
}

// verify is the one way to an IDToken.
func (p *Provider) verify(ctx context.Context, raw secret.Value, want expectation) (*IDToken, error) {
	if len(raw.Reveal()) > maxIDToken {
		return nil, refuse("size", "longer than %d KiB", maxIDToken>>10)
	}
	if err := checkHeader(raw.Reveal()); err != nil {
		return nil, err
	}
	signature := &signatureCheck{keys: p.keys}
	verifier := gooidc.NewVerifier(p.issuer, signature, &gooidc.Config{
		ClientID:             want.audience,
		SupportedSigningAlgs: algorithmNames(),
		Now:                  p.now,
	})
	_, err := verifier.Verify(ctx, raw.Reveal())
	if signature.err != nil {
		return nil, signature.err
	}
	if signature.payload == nil {
		return nil, refuse("format", "not a signed JWT")
	}
	// Ours come first because they name the claim; go-oidc's verdict stands in
	// any case.
	token, ours := p.checkClaims(signature.payload, want)
	if ours != nil {
		return nil, ours
	}
	if err != nil {
		return nil, refuse("format", "%s", clean(err.Error(), raw.Reveal()))
	}
	token.Value = raw
	return token, nil
}

// signatureCheck is the key set that go-oidc asks, for one token. It keeps what
// it answered, because go-oidc returns the reason as text.
type signatureCheck struct {
	keys    *keySet
	payload []byte
	err     error
}

// VerifySignature implements the KeySet of go-oidc.
func (s *signatureCheck) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(jwt, algorithms)
	if err != nil {
		s.err = refuse("format", "not a signed JWT")
		return nil, s.err
	}
	s.payload, s.err = s.keys.verify(ctx, jws)
	return s.payload, s.err
}

func algorithmNames() []string {
	names := make([]string, len(algorithms))
	for i, a := range algorithms {
		names[i] = string(a)
	}
	return names
}

// checkHeader checks what decides how the rest is read.
func checkHeader(raw string) error {
	encoded, _, ok := strings.Cut(raw, ".")
	header, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if !ok || err != nil {
		return refuse("format", "not a signed JWT")
	}
	m, err := parseObject(header)
	if err != nil {
		return refuse("format", "header: %v", err)
	}
	alg, err := m.text("alg")
	if err != nil || alg != string(jose.ES256) && alg != string(jose.RS256) {
		return refuse("alg", "%.40q is not ES256 or RS256", clean(alg))
	}
	// A logout token and an access token are signed by the same keys and can have
	// the same claims; typ is what tells them apart, RFC 8725 §3.11.
	// https://www.rfc-editor.org/rfc/rfc8725#section-3.11
	if typ, err := m.optional("typ"); err != nil || typ != "" && !strings.EqualFold(typ, "JWT") {
		return refuse("typ", "%.40q is not an ID token", clean(typ))
	}
	// go-jose understands crit b64, which changes what is signed.
	if m.has("crit") {
		return refuse("crit", "no extension is expected in an ID token")
	}
	return nil
}

// registered are the claims we read. One written in another case is theirs to
// some readers (encoding/json, and with it go-oidc) and nothing to others.
var registered = []string{"iss", "sub", "aud", "azp", "exp", "iat", "nbf", "jti", "sid", "auth_time", "acr", "amr", "acrs", "tid", "at_hash", "nonce", "session_expiry"}

// checkClaims checks a payload whose signature is good.
func (p *Provider) checkClaims(payload []byte, want expectation) (*IDToken, error) {
	m, err := parseObject(payload)
	if err != nil {
		return nil, refuse("format", "%v", err)
	}
	for name := range m {
		for _, known := range registered {
			if name != known && strings.EqualFold(name, known) {
				return nil, refuse(known, "written in another case")
			}
		}
	}
	t := &IDToken{Audience: want.audience}
	r := claimReader{members: m}
	t.Issuer = r.text("iss")
	t.Subject = r.text("sub")
	t.ID = r.optional("jti")
	t.Session = r.optional("sid")
	t.ACR = r.optional("acr")
	t.AMR = r.list("amr")
	t.IssuedAt = r.time("iat")
	t.Expires = r.time("exp")
	t.AuthTime = r.time("auth_time")
	acrs, tenant, named := r.list("acrs"), r.optional("tid"), r.named(want.profile.Reads())
	azp, atHash, nonce := r.optional("azp"), r.optional("at_hash"), r.optional("nonce")
	notBefore, ends := r.optionalTime("nbf"), r.optionalTime("session_expiry")
	if r.err != nil {
		return nil, r.err
	}
	t.sessionEnds = ends
	t.names = namesIn(m)
	t.proof = assurance.Claims{ACR: t.ACR, AMR: t.AMR, ACRS: acrs, AuthTime: t.AuthTime, Tenant: tenant, Named: named}

	now := p.now()
	switch {
	case t.Issuer != p.issuer:
		return nil, refuse("iss", "issued by %.200q", clean(t.Issuer))
	case !onlyAudience(m["aud"], want.audience):
		// One audience per token: a second one could use it as we do.
		return nil, refuse("aud", "it is not for %q alone", want.audience)
	case azp != want.clientID && (azp != "" || want.audience != want.clientID):
		return nil, refuse("azp", "%.80q is not this client, %q", clean(azp), want.clientID)
	case t.Subject == "" || len(t.Subject) > 255 || strings.ContainsFunc(t.Subject, unseen):
		// OpenID Connect Core 1.0 §2: at most 255 characters.
		return nil, refuse("sub", "not the name of anyone")
	case strings.ContainsFunc(t.ID, unseen):
		return nil, refuse("jti", "it cannot be printed")
	case strings.ContainsFunc(strings.Join(t.AMR, ""), unseen):
		return nil, refuse("amr", "it cannot be printed")
	case !now.Before(t.Expires):
		return nil, refuse("exp", "it expired at %s; here it is %s", stamp(t.Expires), stamp(now))
	case t.IssuedAt.After(now.Add(leeway)):
		return nil, refuse("iat", "issued at %s; here it is %s: compare the clocks", stamp(t.IssuedAt), stamp(now))
	case t.IssuedAt.Before(now.Add(-maxTokenAge)):
		return nil, refuse("iat", "issued at %s, long before it was asked for; here it is %s", stamp(t.IssuedAt), stamp(now))
	case notBefore.After(now.Add(leeway)):
		return nil, refuse("nbf", "not before %s; here it is %s", stamp(notBefore), stamp(now))
	case t.Expires.After(now.Add(maxLifetime)):
		return nil, refuse("exp", "it lives until %s", stamp(t.Expires))
	case t.AuthTime.After(now.Add(leeway)):
		return nil, refuse("auth_time", "%s; here it is %s: compare the clocks", stamp(t.AuthTime), stamp(now))
	case atHash != "" && !matchesHash(want.accessToken, atHash):
		return nil, refuse("at_hash", "it belongs to another access token")
	case nonce != want.nonce && (nonce != "" && want.nonce != "" || want.subject == ""):
		// OpenID Connect Core 1.0 §3.1.3.7: the first token must repeat it. A
		// refreshed one may leave it out (§12.2).
		// https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
		return nil, refuse("nonce", "it belongs to another sign-in")
	}

	// OpenID Connect Core 1.0 §12.2: a refreshed token is for the same person
	// and keeps the time of the original authentication.
	// https://openid.net/specs/openid-connect-core-1_0.html#RefreshTokenResponse
	if want.subject == "" {
		if err := want.profile.Check(t.proof, want.asked); err != nil {
			return nil, unproven(err)
		}
		return t, nil
	}
	switch {
	case t.Subject != want.subject:
		return nil, refuse("sub", "the session is another person's")
	case t.Session != want.session && (t.Session != "" || want.sessionRepeats):
		return nil, refuse("sid", "it belongs to another session")
	case t.AuthTime.Before(want.authTime) || want.sessionRepeats && !t.AuthTime.Equal(want.authTime):
		// A later one passes where tokens follow the person's browser session
		// (Keycloak): it is of a sign-in there, and prolongs nothing here.
		return nil, refuse("auth_time", "it moved from %s to %s without a touch", stamp(want.authTime), stamp(t.AuthTime))
	case t.ACR != want.acr:
		return nil, refuse("acr", "%.80q, and the session began with %.80q", clean(t.ACR), clean(want.acr))
	}
	// A refreshed token may leave out what cannot have changed; what it says must
	// not be less than at first.
	still := t.proof
	if !m.has("amr") {
		still.AMR = want.proof.AMR
	}
	if !m.has("acrs") {
		still.ACRS = want.proof.ACRS
	}
	for name, values := range want.proof.Named {
		if !m.has(name) {
			still.Named[name] = values
		}
	}
	if err := want.profile.CheckMethod(still); err != nil {
		return nil, unproven(err)
	}
	return t, nil
}

// namesIn are what people call an account: what a person would give as the login
// hint. A subject is one where it reads like an address, and an identifier that
// nobody knows by heart elsewhere.
func namesIn(m members) (names []string) {
	for _, claim := range []string{"sub", "email", "preferred_username", "upn"} {
		name, err := m.text(claim)
		if err == nil && name != "" && (claim != "sub" || strings.Contains(name, "@")) {
			names = append(names, name)
		}
	}
	return names
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// unseen reports whether r steers what prints it instead of being seen: controls,
// C0 and C1, which are commands to a terminal; format characters, with which a
// text reads as another (bidirectional overrides, zero-width joiners); and
// separators of lines. People decide by what they see.
// https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing
func unseen(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }

func oneOf(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

// onlyAudience reports whether aud is the string want, or a list of it alone.
func onlyAudience(aud json.RawMessage, want string) bool {
	var one string
	if json.Unmarshal(aud, &one) == nil {
		return one == want && want != ""
	}
	var list []string
	return json.Unmarshal(aud, &list) == nil && len(list) == 1 && list[0] == want && want != ""
}

// matchesHash checks at_hash, OpenID Connect Core 1.0 §3.1.3.6: the left half of
// the hash that the algorithm uses, which is SHA-256 for both of ours.
// https://openid.net/specs/openid-connect-core-1_0.html#CodeIDToken
func matchesHash(accessToken secret.Value, hash string) bool {
	sum := sha256.Sum256([]byte(accessToken.Reveal()))
	want := base64.RawURLEncoding.EncodeToString(sum[:sha256.Size/2])
	return !accessToken.IsZero() && subtle.ConstantTimeCompare([]byte(want), []byte(hash)) == 1
}

// claimReader reads claims and keeps the first error.
type claimReader struct {
	members members
	err     error
}

func (r *claimReader) keep(claim string, err error) {
	if err != nil && r.err == nil {
		r.err = refuse(claim, "%v", err)
	}
}

func (r *claimReader) text(claim string) string {
	s, err := r.members.text(claim)
	r.keep(claim, err)
	return s
}

func (r *claimReader) optional(claim string) string {
	s, err := r.members.optional(claim)
	r.keep(claim, err)
	return s
}

func (r *claimReader) list(claim string) []string {
	l, err := r.members.texts(claim)
	r.keep(claim, err)
	return l
}

// named reads claims that hold a string or a list of them.
func (r *claimReader) named(claims []string) map[string][]string {
	out := map[string][]string{}
	for _, claim := range claims {
		if s, err := r.members.text(claim); err == nil {
			out[claim] = []string{s}
		} else {
			out[claim] = r.list(claim)
		}
	}
	return out
}

func (r *claimReader) time(claim string) time.Time {
	n, err := r.members.seconds(claim, false)
	if err == nil && n <= 0 {
		err = errors.New("not a time")
	}
	r.keep(claim, err)
	return time.Unix(n, 0)
}

func (r *claimReader) optionalTime(claim string) time.Time {
	if !r.members.has(claim) {
		return time.Time{}
	}
	return r.time(claim)
}
