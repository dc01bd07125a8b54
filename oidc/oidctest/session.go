package oidctest

import (
	"crypto"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// request is a sign-in that waits for its key.
type request struct {
	form      url.Values
	challenge string
	options   []byte
}

// login is a proven sign-in: first behind a code, then behind a refresh token.
type login struct {
	user, client, acr  string
	audience           string // of the first token
	codeChallenge, jkt string
	session            string
	at, ends           time.Time

	nonce, redirect string // of a sign-in by browser
}

// challenge is the authorization challenge endpoint of
// draft-ietf-oauth-first-party-apps.
func (p *Provider) challenge(w http.ResponseWriter, r *http.Request) {
	f, ok := form(w, r)
	if !ok {
		return
	}
	if f.Has("auth_session") {
		p.answer(w, r, f)
		return
	}
	for _, name := range []string{"client_id", "scope", "audience", "code_challenge", "dpop_jkt"} {
		if f.Get(name) == "" {
			fail(w, http.StatusBadRequest, "invalid_request", name+" is missing")
			return
		}
	}
	if f.Get("code_challenge_method") != "S256" || f.Get("scope") != "openid" {
		fail(w, http.StatusBadRequest, "invalid_request", "code_challenge_method must be S256 and scope openid")
		return
	}
	q := &request{form: f, challenge: random()}
	q.options, _ = json.Marshal(map[string]any{"challenge": q.challenge, "rpId": "localhost", "userVerification": "required"}) // strings only
	id := random()
	p.mu.Lock()
	p.asked[id] = q
	p.mu.Unlock()
	out := map[string]any{"error": "insufficient_authorization", "auth_session": id, "expires_in": 120, "webauthn": json.RawMessage(q.options)}
	if p.has(NoChallenge) {
		delete(out, "webauthn")
	}
	body, _ := json.Marshal(out) // strings only
	write(w, http.StatusForbidden, body)
}

// answer takes a key's answer. The challenge is gone whatever comes of it.
func (p *Provider) answer(w http.ResponseWriter, r *http.Request, f url.Values) {
	p.mu.Lock()
	q := p.asked[f.Get("auth_session")]
	delete(p.asked, f.Get("auth_session"))
	p.mu.Unlock()
	if q == nil || q.form.Get("client_id") != f.Get("client_id") {
		fail(w, http.StatusBadRequest, "invalid_session", "no such challenge: begin again")
		return
	}
	user, err := p.verify(r, q, f.Get("webauthn_response"))
	if err != nil {
		fail(w, http.StatusForbidden, "access_denied", err.Error())
		return
	}
	now := p.options.Now()
	l := &login{
		user: user, client: f.Get("client_id"), acr: q.form.Get("acr_values"), audience: q.form.Get("audience"),
		codeChallenge: q.form.Get("code_challenge"), jkt: q.form.Get("dpop_jkt"),
		at: now, ends: now.Add(p.options.SessionLifetime),
	}
	if l.acr == "" {
		l.acr = "phr"
	}
	code := random()
	p.mu.Lock()
	p.codes[code] = l
	p.mu.Unlock()
	body, _ := json.Marshal(map[string]string{"authorization_code": code}) // strings only
	write(w, http.StatusOK, body)
}

// token is the token endpoint, for codes and for refreshing.
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	f, ok := form(w, r)
	if !ok || p.unwell(w, f) {
		return
	}
	select {
	case <-time.After(p.options.Delay):
	case <-r.Context().Done():
		return
	}
	jkt, err := p.proof(r)
	if p.options.Bearer {
		jkt, err = "", nil
	}
	if errors.Is(err, errNonce) {
		p.mu.Lock()
		w.Header().Set("DPoP-Nonce", p.nonce)
		p.mu.Unlock()
		fail(w, http.StatusBadRequest, "use_dpop_nonce", "the proof must hold the nonce")
		return
	}
	if err != nil {
		fail(w, http.StatusBadRequest, "invalid_dpop_proof", err.Error())
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var l *login
	refresh := f.Get("refresh_token")
	switch f.Get("grant_type") {
	case "authorization_code":
		l = p.codes[f.Get("code")]
		delete(p.codes, f.Get("code"))
		sum := sha256.Sum256([]byte(f.Get("code_verifier")))
		if l != nil && (l.codeChallenge != encode(sum[:]) || l.audience != f.Get("audience") || l.redirect != f.Get("redirect_uri")) {
			l = nil
		}
	case "refresh_token":
		l = p.sessions[refresh]
		if reused := p.spent[refresh]; reused != nil {
			p.endSession(reused)
		}
	case deviceGrant:
		var code string
		if l, code = p.poll(f); code != "" {
			fail(w, http.StatusBadRequest, code, "")
			return
		}
	default:
		fail(w, http.StatusBadRequest, "unsupported_grant_type", "")
		return
	}
	if l != nil && l.jkt == "" {
		l.jkt = jkt // bound by the first proof, RFC 9449 §5
	}
	if l == nil || l.client != f.Get("client_id") || l.jkt != jkt || !p.options.Now().Before(l.ends) {
		fail(w, http.StatusBadRequest, "invalid_grant", "no such grant for this client and key")
		return
	}
	if len(p.options.Audiences) > 0 && !slices.Contains(p.options.Audiences, f.Get("audience")) {
		fail(w, http.StatusBadRequest, "invalid_target", "this audience is not for you")
		return
	}
	body, err := p.respond(l, issuer(r), f.Get("audience"), refresh)
	if err != nil {
		fail(w, http.StatusInternalServerError, "server_error", err.Error())
		return
	}
	write(w, http.StatusOK, body)
}

// unwell commits the faults that need no request to be read.
func (p *Provider) unwell(w http.ResponseWriter, f url.Values) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.busy > 0:
		p.busy--
		w.Header().Set("Retry-After", p.after)
		fail(w, http.StatusTooManyRequests, "slow_down", "too many requests")
	case p.faults[Unavailable]:
		w.Header().Set("Retry-After", "3600")
		fail(w, http.StatusServiceUnavailable, "temporarily_unavailable", "back in an hour")
	case p.faults[Echo]:
		fail(w, http.StatusInternalServerError, "server_error", "cannot make sense of "+f.Encode())
	default:
		return false
	}
	return true
}

// respond issues tokens; refresh is the token that was used, if one was. The
// caller holds mu.
func (p *Provider) respond(l *login, at, audience, refresh string) ([]byte, error) {
	refreshed := refresh != ""
	if !refreshed {
		l.session = random()[:11]
	}
	if !refreshed || p.options.Rotate {
		if refreshed {
			delete(p.sessions, refresh)
			p.spent[refresh] = l
		}
		refresh = random()
		p.sessions[refresh] = l
	}
	if audience == "" || p.options.OneAudience {
		audience = l.client
	}
	now := p.options.Now()
	exp := now.Add(p.options.TokenLifetime)
	if exp.After(l.ends) {
		exp = l.ends
	}
	access := random()
	sum := sha256.Sum256([]byte(access))
	claims := map[string]any{
		"iss": at, "sub": l.user, "aud": audience, "azp": l.client, "jti": random(), "sid": l.session,
		"iat": now.Unix(), "exp": exp.Unix(), "auth_time": l.at.Unix(), "session_expiry": l.ends.Unix(),
		"acr": l.acr, "amr": []string{"pop", "mfa", "user"}, "at_hash": encode(sum[:16]),
	}
	if l.nonce != "" {
		claims["nonce"] = l.nonce
	}
	for f := range p.faults {
		f.bend(claims, now, refreshed)
	}
	if p.rewrite != nil {
		p.rewrite(claims)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		return nil, err
	}
	for f := range p.faults {
		text = []byte(f.bendText(string(text)))
	}
	id, err := p.key.sign(string(text), p.faults)
	if err != nil {
		return nil, err
	}
	out := map[string]any{
		"token_type": "DPoP", "access_token": access, "id_token": id, "refresh_token": refresh, "scope": "openid",
		"expires_in": int(exp.Sub(now).Seconds()), "session_id": l.session, "session_expires_in": int(l.ends.Sub(now).Seconds()),
	}
	if p.options.Bearer {
		out["token_type"] = "Bearer"
	}
	switch {
	case p.faults[Bearer]:
		out["token_type"] = "Bearer"
	case p.faults[NoIDToken]:
		delete(out, "id_token")
	case p.faults[NoSessionEnd]:
		delete(out, "session_expires_in")
	case p.faults[OtherSession]:
		out["session_id"] = "another"
	}
	body, err := json.Marshal(out)
	if p.faults[DuplicateResponse] {
		body = append([]byte(`{"id_token":"another",`), body[1:]...)
	}
	return body, err
}

func (p *Provider) revoke(w http.ResponseWriter, r *http.Request) {
	f, ok := form(w, r)
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.sessions[f.Get("token")]; l != nil {
		p.endSession(l)
	}
	w.WriteHeader(http.StatusOK)
}

// endSession ends every refresh token of a session; the caller holds mu.
func (p *Provider) endSession(l *login) {
	for token, other := range p.sessions {
		if other == l {
			delete(p.sessions, token)
		}
	}
}

var errNonce = errors.New("another nonce is wanted")

// proof checks a DPoP proof, RFC 9449 §4.3, and returns the thumbprint of its
// key.
func (p *Provider) proof(r *http.Request) (string, error) {
	if len(r.Header.Values("DPoP")) != 1 {
		return "", errors.New("exactly one DPoP proof is needed")
	}
	jws, err := jose.ParseSignedCompact(r.Header.Get("DPoP"), []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return "", errors.New("the DPoP proof is not a JWS")
	}
	header := jws.Signatures[0].Protected
	if header.JSONWebKey == nil || !header.JSONWebKey.IsPublic() || header.ExtraHeaders["typ"] != "dpop+jwt" {
		return "", errors.New("the DPoP proof has no public key or the wrong type")
	}
	payload, err := jws.Verify(header.JSONWebKey)
	if err != nil {
		return "", errors.New("the DPoP proof does not verify")
	}
	var c struct {
		JTI, HTM, HTU, Nonce string
		IAT                  int64
	}
	if json.Unmarshal(payload, &c) != nil || c.JTI == "" {
		return "", errors.New("the DPoP proof has no jti")
	}
	age := p.options.Now().Sub(time.Unix(c.IAT, 0))
	if c.HTM != r.Method || c.HTU != issuer(r)+r.URL.Path || age > time.Minute || age < -time.Minute {
		return "", errors.New("the DPoP proof is for another request")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.Nonce != p.nonce {
		return "", errNonce
	}
	if p.proofs[c.JTI] {
		return "", errors.New("the DPoP proof was used before")
	}
	p.proofs[c.JTI] = true
	sum, err := header.JSONWebKey.Thumbprint(crypto.SHA256)
	return encode(sum), err
}
