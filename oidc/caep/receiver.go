package caep

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/lakekey/lakekey/internal/origin"
	"github.com/lakekey/lakekey/internal/strictjson"
)

const (
	typeSET  = "secevent+jwt"
	maxSET   = 64 << 10
	maxSeen  = 100_000
	readTime = 10 * time.Second
)

// Transmitter is who events are taken from.
type Transmitter struct {
	Issuer   string // its iss, such as https://acme.okta.com
	Audience string // what it calls this receiver: the aud of the stream
	KeysURL  string // jwks_uri of its /.well-known/ssf-configuration
}

// Options are what may be left out.
type Options struct {
	// Transport fetches the keys; nil means one with time limits and no proxy.
	Transport http.RoundTripper
	// Now tells the time; nil means time.Now.
	Now func() time.Time
	// Logger hears what was refused and why; nil discards.
	Logger *slog.Logger
}

// Receiver takes the events of one transmitter, as [http.Handler].
type Receiver struct {
	from Transmitter
	end  func(context.Context, Event) error
	keys *keySet
	now  func() time.Time
	log  *slog.Logger

	mu   sync.Mutex
	seen map[string]time.Time // jti of what was acted upon: until when it is remembered
}

// NewReceiver returns a receiver that calls end for each event. While end returns an
// error, the transmitter is told to send the event again. It may be called twice for
// an event, and by several goroutines.
func NewReceiver(from Transmitter, end func(context.Context, Event) error, o Options) (*Receiver, error) {
	switch {
	case from.Issuer == "" || from.Audience == "":
		return nil, errors.New("caep: Transmitter needs an Issuer and an Audience: whose events, for whom?")
	case end == nil:
		return nil, errors.New("caep: a function that ends sessions is required")
	}
	u, err := url.Parse(from.KeysURL)
	if err == nil {
		_, err = origin.Of(u) // https, or http on loopback
	}
	if err != nil {
		return nil, fmt.Errorf("caep: Transmitter.KeysURL must be the https URL of its keys: %v", err)
	}
	r := &Receiver{from: from, end: end, now: o.Now, log: o.Logger, seen: map[string]time.Time{}}
	if r.now == nil {
		r.now = time.Now
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	r.keys = newKeySet(from.KeysURL, o.Transport, r.now)
	return r, nil
}

// refusal is an error that RFC 8935 §2.3 has a code for.
// https://www.rfc-editor.org/rfc/rfc8935#section-2.4
type refusal struct{ code, why string }

func (r *refusal) Error() string { return "caep: " + r.code + ": " + r.why }

func bad(why string) error { return &refusal{"invalid_request", why} }

// ServeHTTP takes one Security Event Token (RFC 8935 §2.1).
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	err := r.receive(w, req)
	w.Header().Set("Cache-Control", "no-store")
	if err == nil {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	r.log.WarnContext(req.Context(), "a security event was not taken", "remote", req.RemoteAddr, "error", err)
	ref, refused := errors.AsType[*refusal](err)
	if !refused {
		w.WriteHeader(http.StatusServiceUnavailable) // it comes again
		return
	}
	body, _ := json.Marshal(map[string]string{"err": ref.code, "description": ref.why})
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Language", "en")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = w.Write(body)
}

func (r *Receiver) receive(w http.ResponseWriter, req *http.Request) error {
	kind, _, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	if req.Method != http.MethodPost || err != nil || kind != "application/"+typeSET {
		return bad("send one Security Event Token by POST, as application/secevent+jwt")
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(readTime)) // where that can be set
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxSET))
	if err != nil {
		return bad("the token could not be read, or is longer than 64 KiB")
	}
	c, err := r.verify(req.Context(), strings.TrimSpace(string(body)))
	if err != nil {
		return err
	}
	if r.acted(c.jti) {
		return nil
	}
	for _, e := range c.events {
		if err := r.end(req.Context(), e); err != nil {
			return fmt.Errorf("ending sessions: %w", err)
		}
	}
	return r.remember(c)
}

// verify decides whether a token is the transmitter's word to this receiver, and of
// today. The error is a *refusal, or a fault of ours.
func (r *Receiver) verify(ctx context.Context, token string) (claims, error) {
	alg, kid, err := parseHeader(token)
	if err != nil {
		return claims{}, err
	}
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256, jose.RS256})
	if err != nil {
		return claims{}, bad("the token is not a JWT that is signed with ES256 or RS256")
	}
	key, err := r.keys.key(ctx, kid, alg)
	if err != nil {
		return claims{}, err
	}
	if key == nil {
		return claims{}, &refusal{"invalid_key", "the transmitter publishes no such key for that algorithm"}
	}
	payload, err := signed.Verify(key.Key)
	if err != nil {
		return claims{}, &refusal{"invalid_key", "the signature does not verify"}
	}
	c, err := parseClaims(payload)
	now := r.now()
	switch {
	case err != nil:
		return claims{}, bad("the claims are not those of an event: " + err.Error())
	case c.iss != r.from.Issuer:
		return claims{}, &refusal{"invalid_issuer", "the token is by another issuer than the one of this stream"}
	case !slices.Equal(c.aud, []string{r.from.Audience}):
		return claims{}, &refusal{"invalid_audience", "the token is not for this receiver, or not for it alone"}
	case c.jti == "" || len(c.jti) > maxJTI:
		return claims{}, bad("the jti is missing or too long")
	case time.Unix(c.iat, 0).After(now.Add(maxSkew)) || time.Unix(c.iat, 0).Before(now.Add(-maxAge)):
		return claims{}, bad("the iat is missing, or not of the last day")
	}
	return c, nil
}

// parseHeader reads the protected header. Of what RFC 7515 §4.1 has, nothing may be
// there that brings a key, says where one is, or must be understood.
func parseHeader(token string) (alg, kid string, err error) {
	part, _, _ := strings.Cut(token, ".")
	header, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return "", "", bad("the token is not a JWT")
	}
	typ := ""
	err = strictjson.Members(header, func(name, value []byte) (err error) {
		switch string(name) {
		case "alg":
			alg, err = strictjson.Text(value)
		case "kid":
			kid, err = strictjson.Text(value)
		case "typ":
			typ, err = strictjson.Text(value)
		case "jwk", "jku", "x5c", "x5u", "crit", "b64":
			err = errors.New("refused")
		}
		return err
	})
	switch {
	case err != nil:
		return "", "", bad("the token's header is not well-formed, or has jwk, jku, x5c, x5u, b64 or crit")
	// RFC 8417 §2.3, and §4.5 on what it keeps apart.
	case typ != typeSET:
		return "", "", bad("the token's typ is not secevent+jwt")
	case kid == "":
		return "", "", &refusal{"invalid_key", "the token names no key"}
	}
	return alg, kid, nil
}

func (r *Receiver) acted(jti string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, there := r.seen[jti]
	return there
}

// remember keeps a jti for as long as the token would be taken. Where there are more
// than can be kept, the transmitter is asked to wait.
func (r *Receiver) remember(c claims) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if len(r.seen) >= maxSeen {
		for jti, until := range r.seen {
			if until.Before(now) {
				delete(r.seen, jti)
			}
		}
		if len(r.seen) >= maxSeen {
			return errors.New("caep: more events of one day than can be remembered")
		}
	}
	r.seen[c.jti] = time.Unix(c.iat, 0).Add(maxAge + maxSkew)
	return nil
}
