package caep_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/oidc/caep"
)

const (
	okta = "https://acme.okta.com"
	here = "https://idp.example.com/events"
)

var b64 = base64.RawURLEncoding

// transmitter signs events, and publishes its keys.
type transmitter struct {
	t       testing.TB
	key     *ecdsa.PrivateKey
	rsa     *rsa.PrivateKey
	server  *httptest.Server
	fetches atomic.Int64
	down    atomic.Bool
	mu      sync.Mutex
	set     jose.JSONWebKeySet
	nanos   atomic.Int64
}

func newTransmitter(t testing.TB) *transmitter {
	t.Helper()
	x := &transmitter{t: t}
	x.nanos.Store(time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC).UnixNano())
	var err error
	x.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	x.rsa, err = rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	x.set.Keys = []jose.JSONWebKey{{Key: x.key.Public(), KeyID: "1", Algorithm: "ES256", Use: "sig"}, {Key: x.rsa.Public(), KeyID: "2", Algorithm: "RS256", Use: "sig"}}
	x.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		x.fetches.Add(1)
		if x.down.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		x.mu.Lock()
		defer x.mu.Unlock()
		_ = json.NewEncoder(w).Encode(x.set)
	}))
	t.Cleanup(x.server.Close)
	return x
}

func (x *transmitter) now() time.Time { return time.Unix(0, x.nanos.Load()) }

func (x *transmitter) pass(d time.Duration) { x.nanos.Add(int64(d)) }

func encode(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return b64.EncodeToString(b)
}

// es256 signs with an ECDSA key.
func es256(t testing.TB, k *ecdsa.PrivateKey) func(string) []byte {
	return func(input string) []byte {
		sum := sha256.Sum256([]byte(input))
		r, s, err := ecdsa.Sign(rand.Reader, k, sum[:])
		require.NoError(t, err)
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
}

// token makes a token of what is right and what is changed; nil takes a member out.
func (x *transmitter) token(header, claims map[string]any, sign func(string) []byte) string {
	h := map[string]any{"alg": "ES256", "kid": "1", "typ": "secevent+jwt"}
	c := map[string]any{
		"iss": okta, "aud": here, "jti": rand.Text(), "iat": x.now().Unix(),
		"sub_id": map[string]any{"format": "email", "email": "ada@example.com"},
		"events": map[string]any{string(caep.SessionRevoked): map[string]any{"event_timestamp": x.now().Unix()}},
	}
	for to, from := range map[*map[string]any]map[string]any{&h: header, &c: claims} {
		maps.Copy(*to, from)
		maps.DeleteFunc(*to, func(_ string, v any) bool { return v == nil })
	}
	if sign == nil {
		sign = es256(x.t, x.key)
	}
	input := encode(x.t, h) + "." + encode(x.t, c)
	return input + "." + b64.EncodeToString(sign(input))
}

// heard is a receiver, and what it has heard.
type heard struct {
	*caep.Receiver
	mu     sync.Mutex
	events []caep.Event
	err    error
}

func (x *transmitter) receiver() *heard {
	h := &heard{}
	var err error
	h.Receiver, err = caep.NewReceiver(caep.Transmitter{Issuer: okta, Audience: here, KeysURL: x.server.URL}, func(_ context.Context, e caep.Event) error {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.events = append(h.events, e)
		return h.err
	}, caep.Options{Now: x.now})
	require.NoError(x.t, err)
	return h
}

func (h *heard) push(token string) (int, string) {
	r := httptest.NewRequest(http.MethodPost, here, strings.NewReader(token))
	r.Header.Set("Content-Type", "application/secevent+jwt")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var body struct{ Err string }
	_ = json.Unmarshal(w.Body.Bytes(), &body)
	return w.Code, body.Err
}

func TestReceive(t *testing.T) {
	x := newTransmitter(t)
	h := x.receiver()
	email := map[string]any{"format": "email", "email": "ada@example.com"}
	sub := map[string]any{"format": "iss_sub", "iss": okta, "sub": "00u1"}
	kind := func(k caep.Kind, subject any) map[string]any {
		e := map[string]any{"event_timestamp": 1}
		if subject != nil {
			e["subject"] = subject
		}
		return map[string]any{"events": map[string]any{string(k): e}}
	}
	with := func(a, b map[string]any) map[string]any { maps.Copy(a, b); return a }
	for name, tc := range map[string]struct {
		claims map[string]any
		kind   caep.Kind
		want   caep.Subject
	}{
		"session revoked, email":    {nil, caep.SessionRevoked, caep.Subject{Email: "ada@example.com"}},
		"credential change":         {kind(caep.CredentialChange, nil), caep.CredentialChange, caep.Subject{Email: "ada@example.com"}},
		"a list with one audience":  {map[string]any{"aud": []string{here}}, caep.SessionRevoked, caep.Subject{Email: "ada@example.com"}},
		"iss_sub":                   {map[string]any{"sub_id": sub}, caep.SessionRevoked, caep.Subject{Issuer: okta, ID: "00u1"}},
		"opaque":                    {map[string]any{"sub_id": map[string]any{"format": "opaque", "id": "7"}}, caep.SessionRevoked, caep.Subject{ID: "7"}},
		"complex":                   {map[string]any{"sub_id": map[string]any{"format": "complex", "user": email, "session": map[string]any{"format": "opaque", "id": "s"}}}, caep.SessionRevoked, caep.Subject{Email: "ada@example.com", Session: "s"}},
		"within the event":          {with(kind(caep.SessionRevoked, sub), map[string]any{"sub_id": nil}), caep.SessionRevoked, caep.Subject{Issuer: okta, ID: "00u1"}},
		"a user within the event":   {with(kind(caep.SessionRevoked, map[string]any{"user": sub}), map[string]any{"sub_id": nil}), caep.SessionRevoked, caep.Subject{Issuer: okta, ID: "00u1"}},
		"sub_id counts, not within": {kind(caep.SessionRevoked, sub), caep.SessionRevoked, caep.Subject{Email: "ada@example.com"}},
	} {
		h.events = nil
		code, said := h.push(x.token(nil, tc.claims, nil))
		require.Equal(t, http.StatusAccepted, code, "%s: %s", name, said)
		require.Len(t, h.events, 1, name)
		require.Equal(t, []any{tc.kind, tc.want, x.now().Unix()}, []any{h.events[0].Kind, h.events[0].Subject, h.events[0].Sent.Unix()}, name)
	}
	h.events = nil
	byRSA := x.token(map[string]any{"alg": "RS256", "kid": "2"}, nil, func(input string) []byte {
		sum := sha256.Sum256([]byte(input))
		sig, err := x.rsa.Sign(rand.Reader, sum[:], crypto.SHA256)
		require.NoError(t, err)
		return sig
	})
	code, _ := h.push(byRSA)
	require.Equal(t, http.StatusAccepted, code)
	require.Len(t, h.events, 1)

	// What is not understood is acknowledged, and comes to nothing.
	h.events = nil
	for _, events := range []map[string]any{{"https://schemas.openid.net/secevent/ssf/event-type/verification": map[string]any{"state": "x"}}, {}} {
		code, _ := h.push(x.token(nil, map[string]any{"events": events}, nil))
		require.Equal(t, http.StatusAccepted, code)
	}
	require.Empty(t, h.events)
}

// Nothing forged, and nothing meant for something else, ends a session.
func TestForgedEvents(t *testing.T) {
	x := newTransmitter(t)
	h := x.receiver()
	thief, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	public, err := x.key.PublicKey.Bytes()
	require.NoError(t, err)
	set, err := json.Marshal(x.set)
	require.NoError(t, err)
	mac := func(key []byte) func(string) []byte {
		return func(input string) []byte {
			m := hmac.New(sha256.New, key)
			m.Write([]byte(input))
			return m.Sum(nil)
		}
	}
	none := func(string) []byte { return nil }
	stolen := es256(t, thief)
	thiefs := jose.JSONWebKey{Key: thief.Public(), KeyID: "1", Algorithm: "ES256"}
	header := func(pairs ...any) map[string]any {
		m := map[string]any{}
		for n := 0; n < len(pairs); n += 2 {
			m[pairs[n].(string)] = pairs[n+1]
		}
		return m
	}
	good := x.token(nil, nil, nil)
	parts := strings.Split(good, ".")
	raw := func(payload string) string {
		input := parts[0] + "." + b64.EncodeToString([]byte(payload))
		return input + "." + b64.EncodeToString(es256(t, x.key)(input))
	}
	body := `"iss":"` + okta + `","aud":"` + here + `","jti":"j","iat":` + strconv.FormatInt(x.now().Unix(), 10) + `,"sub_id":{"format":"email","email":"ada@example.com"},"events":{"` + string(caep.SessionRevoked) + `":{}}`
	code, _ := h.push(raw("{" + body + "}"))
	require.Equal(t, http.StatusAccepted, code, "the table below starts from what is right")
	h.events = nil
	revoked := func(subject any) map[string]any {
		return map[string]any{"sub_id": subject, "events": map[string]any{string(caep.SessionRevoked): map[string]any{}}}
	}
	for name, token := range map[string]string{
		"empty": "", "dots": "..", "five parts": good + ".a.b", "text": "Hello",
		"none":                       x.token(header("alg", "none"), nil, none),
		"None":                       x.token(header("alg", "None"), nil, none),
		"none with a signature":      x.token(header("alg", "none"), nil, nil),
		"no alg":                     x.token(header("alg", nil), nil, nil),
		"HS256 with the public key":  x.token(header("alg", "HS256"), nil, mac(public)),
		"HS256 with the key set":     x.token(header("alg", "HS256"), nil, mac(set)),
		"another key":                x.token(nil, nil, stolen),
		"embedded jwk":               x.token(header("jwk", thiefs), nil, stolen),
		"its own key embedded":       x.token(header("jwk", x.set.Keys[0]), nil, nil),
		"jku":                        x.token(header("jku", "https://evil.example.com"), nil, stolen),
		"jku beside a right one":     x.token(header("jku", x.server.URL), nil, nil),
		"x5u":                        x.token(header("x5u", "https://evil.example.com"), nil, stolen),
		"x5c":                        x.token(header("x5c", []string{"AAAA"}), nil, stolen),
		"crit":                       x.token(header("crit", []string{"exp"}, "exp", 1), nil, nil),
		"b64":                        x.token(header("b64", false, "crit", []string{"b64"}), nil, nil),
		"b64 alone":                  x.token(header("b64", true), nil, nil),
		"no kid":                     x.token(header("kid", nil), nil, nil),
		"unknown kid":                x.token(header("kid", "9"), nil, nil),
		"kid of the other key":       x.token(header("kid", "2"), nil, nil),
		"kid of a file":              x.token(header("kid", "../../dev/null"), nil, stolen),
		"kid that is no text":        x.token(header("kid", 1), nil, nil),
		"RS256 by an EC key":         x.token(header("alg", "RS256"), nil, nil),
		"ES384":                      x.token(header("alg", "ES384"), nil, nil),
		"no typ":                     x.token(header("typ", nil), nil, nil),
		"an ID token's typ":          x.token(header("typ", "JWT"), nil, nil),
		"an access token's typ":      x.token(header("typ", "at+jwt"), nil, nil),
		"a logout token's typ":       x.token(header("typ", "logout+jwt"), nil, nil),
		"another issuer":             x.token(nil, header("iss", "https://evil.okta.com"), nil),
		"a slash more":               x.token(nil, header("iss", okta+"/"), nil),
		"no issuer":                  x.token(nil, header("iss", nil), nil),
		"another audience":           x.token(nil, header("aud", "https://other.example.com"), nil),
		"two audiences":              x.token(nil, header("aud", []string{here, "https://other.example.com"}), nil),
		"no audience":                x.token(nil, header("aud", nil), nil),
		"no jti":                     x.token(nil, header("jti", nil), nil),
		"a long jti":                 x.token(nil, header("jti", strings.Repeat("a", 300)), nil),
		"no iat":                     x.token(nil, header("iat", nil), nil),
		"an old one":                 x.token(nil, header("iat", x.now().Add(-25*time.Hour).Unix()), nil),
		"one of the future":          x.token(nil, header("iat", x.now().Add(6*time.Minute).Unix()), nil),
		"an iat with a fraction":     x.token(nil, header("iat", 1.5), nil),
		"sub":                        x.token(nil, header("sub", "ada@example.com"), nil),
		"exp":                        x.token(nil, header("exp", x.now().Add(time.Hour).Unix()), nil),
		"nonce":                      x.token(nil, header("nonce", "n"), nil),
		"no events":                  x.token(nil, header("events", nil), nil),
		"events that are a list":     x.token(nil, header("events", []string{string(caep.SessionRevoked)}), nil),
		"an event that is a text":    x.token(nil, header("events", header(string(caep.SessionRevoked), "x")), nil),
		"another event, no object":   x.token(nil, header("events", header("https://example.com/x", 1)), nil),
		"about nobody":               x.token(nil, header("sub_id", nil), nil),
		"about an empty address":     x.token(nil, revoked(header("format", "email", "email", "")), nil),
		"half an iss_sub":            x.token(nil, revoked(header("format", "iss_sub", "sub", "x")), nil),
		"a phone number":             x.token(nil, revoked(header("format", "phone_number", "phone_number", "+1")), nil),
		"complex within complex":     x.token(nil, revoked(header("format", "complex", "user", header("format", "complex"))), nil),
		"a subject that is a text":   x.token(nil, revoked("ada@example.com"), nil),
		"an issuer twice":            raw("{" + body + `,"iss":"` + okta + `"}`),
		"an audience twice, in caps": raw("{" + body + `,"AUD":"` + here + `"}`),
		"something behind":           raw("{" + body + "}{}"),
		"another payload":            parts[0] + "." + encode(t, map[string]any{"iss": okta}) + "." + parts[2],
		"another signature's form":   good + "=",
	} {
		code, said := h.push(token)
		require.Equal(t, http.StatusBadRequest, code, name)
		require.Contains(t, []string{"invalid_request", "invalid_key", "invalid_issuer", "invalid_audience"}, said, name)
	}
	require.Empty(t, h.events)
	require.LessOrEqual(t, x.fetches.Load(), int64(2), "unknown keys cause one fetch at most")

	for _, change := range []func(*http.Request){
		func(r *http.Request) { r.Method = http.MethodGet },
		func(r *http.Request) { r.Header.Set("Content-Type", "application/jwt") },
		func(r *http.Request) { r.Header.Del("Content-Type") },
		func(r *http.Request) { r.Body = http.NoBody },
	} {
		r := httptest.NewRequest(http.MethodPost, here, strings.NewReader(good))
		r.Header.Set("Content-Type", "application/secevent+jwt")
		change(r)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, http.StatusBadRequest, w.Code)
	}
	code, _ = h.push(good + strings.Repeat(" ", 65<<10))
	require.Equal(t, http.StatusBadRequest, code)
	require.Empty(t, h.events)
}

// A token is acted upon once; one whose sessions could not be ended comes again.
func TestAgain(t *testing.T) {
	x := newTransmitter(t)
	h := x.receiver()
	token := x.token(nil, nil, nil)
	h.err = errors.New("the store does not answer")
	for range 2 {
		code, said := h.push(token)
		require.Equal(t, http.StatusServiceUnavailable, code)
		require.Empty(t, said)
	}
	h.err = nil
	for range 3 {
		code, _ := h.push(token)
		require.Equal(t, http.StatusAccepted, code)
	}
	require.Len(t, h.events, 3, "two that failed and one that did not")
	x.pass(23 * time.Hour)
	code, _ := h.push(token)
	require.Equal(t, http.StatusAccepted, code)
	require.Len(t, h.events, 3)
	x.pass(2 * time.Hour)
	code, _ = h.push(token)
	require.Equal(t, http.StatusBadRequest, code)
	require.Len(t, h.events, 3)
}

// A new key of the transmitter counts within half a minute, one that it has
// withdrawn for no more than a quarter of an hour.
func TestKeysChange(t *testing.T) {
	x := newTransmitter(t)
	h := x.receiver()
	code, _ := h.push(x.token(nil, nil, nil))
	require.Equal(t, http.StatusAccepted, code)
	next, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	x.mu.Lock()
	x.set.Keys = []jose.JSONWebKey{{Key: next.Public(), KeyID: "3"}, {Key: x.key.Public(), KeyID: "1", Use: "enc"}}
	x.mu.Unlock()
	x.pass(30 * time.Second)
	code, _ = h.push(x.token(map[string]any{"kid": "3"}, nil, es256(t, next)))
	require.Equal(t, http.StatusAccepted, code)
	code, said := h.push(x.token(nil, nil, nil))
	require.Equal(t, []any{http.StatusBadRequest, "invalid_key"}, []any{code, said})

	x.down.Store(true)
	x.pass(time.Hour)
	code, _ = h.push(x.token(map[string]any{"kid": "3"}, nil, es256(t, next)))
	require.Equal(t, http.StatusServiceUnavailable, code, "it comes again, when the keys can be had")
}

func TestNewReceiver(t *testing.T) {
	end := func(context.Context, caep.Event) error { return nil }
	for want, from := range map[string]caep.Transmitter{
		"needs an Issuer":             {Audience: here, KeysURL: okta},
		"an Audience":                 {Issuer: okta, KeysURL: okta},
		"KeysURL must be":             {Issuer: okta, Audience: here, KeysURL: "http://acme.okta.com/keys"},
		"KeysURL must be the https U": {Issuer: okta, Audience: here, KeysURL: "file:///keys"},
	} {
		_, err := caep.NewReceiver(from, end, caep.Options{})
		require.ErrorContains(t, err, want)
	}
	_, err := caep.NewReceiver(caep.Transmitter{Issuer: okta, Audience: here, KeysURL: okta}, nil, caep.Options{})
	require.ErrorContains(t, err, "a function that ends sessions")
}
