package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lakekey/lakekey/internal/origin"
)

// DeviceCode is what a person needs to sign in on another device. Everything in
// it can be printed.
type DeviceCode struct {
	UserCode string // to be entered, or compared
	Address  string // where: https, or http on loopback
	Direct   string // the address with the code in it, for a QR code; may be empty
	Expires  time.Time
}

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// RFC 8628 §3.2: "If no value is provided, clients MUST use 5 as the default."
// https://www.rfc-editor.org/rfc/rfc8628#section-3.2
const (
	pollEvery     = 5 * time.Second
	pollSlower    = 5 * time.Second // §3.5, slow_down
	longestPoll   = 2 * time.Minute
	longestDevice = 30 * time.Minute
)

// SignInDevice signs in on another device (RFC 8628) and starts a session, for a
// machine without key and browser. It calls show once, which tells the person
// where to go and returns; then it asks the issuer, at the pace that the issuer
// wants, until the person has decided or the code has run out.
//
// The grant can be phished: it works for whoever shows the code. Where the request's
// Assurance is resistant to phishing, as it is if nothing is said, it refuses unless
// the request says InsecureDeviceGrant, and the ID token must prove as much as by any other way:
// the person touched a key, on a page of the issuer. What it cannot prove is that
// the person meant this machine.
//
// It returns what [SignIn] returns; an [*ExchangeError] with the code
// access_denied or expired_token is how the person decided.
func SignInDevice(ctx context.Context, p *Provider, show func(context.Context, DeviceCode) error, r SignInRequest) (*Session, error) {
	if r.Assurance.PhishingResistant() && !r.InsecureDeviceGrant {
		return nil, errors.New("oidc: signing in on another device can be phished, and a phishing-resistant sign-in is required: use a key or a browser on this machine, or set SignInRequest.InsecureDeviceGrant")
	}
	if p.endpoints.device == "" || p.endpoints.token == "" {
		return nil, fmt.Errorf("oidc: %s offers no sign-in on another device: its discovery document lacks device_authorization_endpoint or token_endpoint", p.issuer)
	}
	a, err := begin(ctx, p, r, false)
	if err != nil {
		return nil, err
	}
	d, err := a.device(ctx)
	if err != nil {
		return nil, err
	}
	if err := show(ctx, d.code); err != nil {
		return nil, fmt.Errorf("oidc: showing the code: %w", err)
	}
	g, err := a.poll(ctx, d)
	if err != nil {
		return nil, err
	}
	return a.start(ctx, g)
}

// pending is a device authorization that waits for its person.
type pending struct {
	code     DeviceCode
	form     url.Values // of the token request
	interval time.Duration
}

const deviceEndpoint = "device authorization"

func (a *attempt) device(ctx context.Context) (*pending, error) {
	p := a.provider
	form := a.parameters()
	// None of what follows is of RFC 8628, and where it counts, whoever learns the
	// device code cannot use it. Keycloak wants PKCE of clients that must use it.
	form.Set("code_challenge", a.codeChallenge())
	form.Set("code_challenge_method", "S256")
	if a.prover != nil {
		form.Set("dpop_jkt", a.prover.thumbprint)
	}
	asked := p.now()
	got, err := p.wire.post(ctx, p.endpoints.device, form, nil)
	if err != nil {
		return nil, sealed(ctx, "asking the issuer for a code to show", err)
	}
	if got.status != http.StatusOK {
		return nil, got.failure(deviceEndpoint, form, p.now())
	}
	d, code, err := parseDevice(got.body, asked)
	if err != nil {
		return nil, fmt.Errorf("oidc: the issuer's device authorization: %v", err)
	}
	d.form = a.form(deviceGrant)
	d.form.Set("device_code", code)
	d.form.Set("code_verifier", a.verifier.Reveal())
	return d, nil
}

// parseDevice reads the response of RFC 8628 §3.2.
func parseDevice(body []byte, asked time.Time) (*pending, string, error) {
	m, err := parseObject(body)
	if err != nil {
		return nil, "", err
	}
	var code, user, at, direct string
	for name, to := range map[string]*string{"device_code": &code, "user_code": &user, "verification_uri": &at, "verification_uri_complete": &direct} {
		if *to, err = m.optional(name); err != nil {
			return nil, "", fmt.Errorf("%s: %v", name, err)
		}
	}
	if at == "" {
		at, _ = m.optional("verification_url") // of drafts, and of Google
	}
	switch {
	case code == "" || len(code) > 4096:
		return nil, "", errors.New("it holds no device_code")
	case user == "" || len(user) > 64 || strings.ContainsFunc(user, unseen):
		return nil, "", errors.New("user_code is nothing a person can enter")
	}
	for name, address := range map[string]string{"verification_uri": at, "verification_uri_complete": direct} {
		if name == "verification_uri_complete" && address == "" {
			continue
		}
		if err := showable(address); err != nil {
			return nil, "", fmt.Errorf("%s: %v", name, err)
		}
	}
	lives, err := m.seconds("expires_in", true)
	if err != nil || lives <= 0 {
		return nil, "", errors.New("expires_in does not say how long the code lives")
	}
	d := &pending{interval: pollEvery}
	if n, err := m.seconds("interval", true); err == nil && n > 0 {
		d.interval = time.Duration(min(n, int64(longestPoll/time.Second))) * time.Second
	} else if err != nil && !errors.Is(err, errAbsent) {
		return nil, "", fmt.Errorf("interval: %v", err)
	}
	d.code = DeviceCode{UserCode: user, Address: at, Direct: direct, Expires: asked.Add(min(time.Duration(min(lives, 1<<20))*time.Second, longestDevice))}
	return d, code, nil
}

// showable reports whether a person may be sent to an address: terminals make
// links of it.
func showable(address string) error {
	u, err := url.Parse(address)
	if err != nil || len(address) > 2048 || strings.ContainsFunc(address, unseen) {
		return errors.New("not an address")
	}
	_, err = origin.Of(u)
	return err
}

// poll asks until the person has decided, RFC 8628 §3.4 and §3.5.
// https://www.rfc-editor.org/rfc/rfc8628#section-3.5
func (a *attempt) poll(ctx context.Context, d *pending) (*grant, error) {
	p, pause := a.provider, d.interval
	for {
		if !p.now().Add(pause).Before(d.code.Expires) {
			return nil, fmt.Errorf("oidc: nobody entered the code %s in time: sign in again", d.code.UserCode)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("oidc: waiting for the code to be entered: %w", ctx.Err())
		}
		g, err := p.grant(ctx, a.prover, d.form)
		if err == nil || ctx.Err() != nil {
			return g, err
		}
		refused, answered := errors.AsType[*ExchangeError](err)
		switch {
		case !answered:
			if _, lost := errors.AsType[*unansweredError](err); !lost {
				return nil, err
			}
			// "the client SHOULD … use an exponential backoff"
			pause = min(2*pause, longestPoll)
		case refused.Code == "authorization_pending":
		case refused.Code == "slow_down":
			pause += pollSlower
		case refused.Status >= 500 || refused.Status == http.StatusTooManyRequests:
			pause = min(max(2*pause, refused.RetryAfter), longestPoll)
		default:
			return nil, err
		}
	}
}
