package issuer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lakekey/lakekey/internal/secret"
)

const (
	grantDevice = "urn:ietf:params:oauth:grant-type:device_code"
	// deviceLifetime is how long a person has to find the page and a key.
	deviceLifetime = 10 * time.Minute
	// pollEvery is the default of RFC 8628 §3.2.
	pollEvery = 5 * time.Second
	// maxAgent bounds what a device says about itself.
	maxAgent = 128
)

type deviceBody struct {
	DeviceCode      string `json:"device_code"`
	UserCode        string `json:"user_code"`
	VerificationURI string `json:"verification_uri"`
	Complete        string `json:"verification_uri_complete"`
	ExpiresIn       int64  `json:"expires_in"`
	Interval        int64  `json:"interval"`
}

// startDevice is the device authorization endpoint (RFC 8628 §3.1), for a
// program where there is neither a key nor a browser. Two requests are kept: one
// under the device's code, for it to poll, and one under the code that it shows,
// for a person to find.
// https://www.rfc-editor.org/rfc/rfc8628#section-3.1
func (i *Issuer) startDevice(r *http.Request, c *call) (reply, error) {
	ctx := r.Context()
	i.sweep(ctx)
	if !c.client.Device {
		return reply{}, noDevice()
	}
	req, err := i.deviceRequest(ctx, c)
	if err != nil {
		return reply{}, err
	}
	req.Place, req.Agent = c.remote, agent(r)
	code := newSecret()
	req.ID, req.Kind, req.Expires = HashOf(code), kindDevice, i.now().Add(deviceLifetime)
	if err := i.store.PutRequest(ctx, *req); err != nil {
		return reply{}, fmt.Errorf("keeping a device's request: %w", err)
	}
	i.point("device kept")
	if req.UserCode, err = i.keepUserCode(ctx, *req); err != nil {
		return reply{}, err
	}
	letters, _ := splitUserCode(req.UserCode)
	return ok(deviceBody{
		DeviceCode:      code.Reveal(),
		UserCode:        req.UserCode,
		VerificationURI: i.deviceURL,
		// Without the number: whoever follows the link has yet to look at the device.
		Complete:  i.deviceURL + "?user_code=" + dashed(letters),
		ExpiresIn: int64(deviceLifetime / time.Second),
		Interval:  int64(pollEvery / time.Second),
	}), nil
}

func noDevice() *refusal {
	return refuse(http.StatusBadRequest, "unauthorized_client", "this client may not use the device grant; sign in with a key or a browser, or ask the issuer's operator to allow it")
}

func (i *Issuer) deviceRequest(ctx context.Context, c *call) (*Request, error) {
	if err := refuseObjects(c.form); err != nil {
		return nil, err
	}
	req, err := i.newRequest(ctx, c, grantedScope(c.form["scope"]))
	if err != nil {
		return nil, err
	}
	if err := i.personal(ctx, c, req); err != nil {
		return nil, err
	}
	// RFC 8628 knows no PKCE, but some clients bring it, and then it counts.
	if c.form["code_challenge"] != "" || c.form["code_challenge_method"] != "" {
		if req.CodeChallenge, err = codeChallenge(c.form); err != nil {
			return nil, err
		}
	}
	req.JKT, req.JKTProven, err = i.requestKey(ctx, c)
	return req, err
}

// keepUserCode keeps the request once more, under a code that a person types.
func (i *Issuer) keepUserCode(ctx context.Context, req Request) (string, error) {
	req.Kind, req.Device = kindUserCode, req.ID
	for range 8 { // that as many in a row are taken is a fault
		req.UserCode = newUserCode()
		letters, _ := splitUserCode(req.UserCode)
		req.ID = userCodeID(letters)
		if err := i.store.PutRequest(ctx, req); err == nil {
			return req.UserCode, nil
		} else if !errors.Is(err, ErrTaken) {
			return "", fmt.Errorf("keeping a user code: %w", err)
		}
	}
	return "", errors.New("issuer: every user code that was tried is taken")
}

// The letters of RFC 8628 §6.1: none can be mistaken for another, and no word
// can come of them. Eight are 34 bits, of which somebody who guesses has ten
// minutes and, at [web.Limits]' default, 300 tries a minute from one address.
const (
	userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ"
	userCodeLength  = 8
)

// newUserCode returns a code in the form BCDF-GHJK-42: the letters name the
// request, the number is only on the device.
func newUserCode() string {
	b := make([]byte, userCodeLength)
	for k := range b {
		b[k] = userCodeLetters[random(len(userCodeLetters))]
	}
	return dashed(string(b)) + "-" + strconv.Itoa(10+random(90))
}

func random(n int) int {
	v, _ := rand.Int(rand.Reader, big.NewInt(int64(n))) // fails for n < 1 only
	return int(v.Int64())
}

func dashed(letters string) string {
	if len(letters) != userCodeLength {
		return letters
	}
	return letters[:4] + "-" + letters[4:]
}

// splitUserCode reads what a person typed, whatever they put between and however
// they hold the shift key.
func splitUserCode(typed string) (letters, number string) {
	for _, c := range strings.ToUpper(typed) {
		switch {
		case 'A' <= c && c <= 'Z':
			letters += string(c)
		case '0' <= c && c <= '9':
			number += string(c)
		}
	}
	return letters, number
}

// userCodeID is where the request with a user code is kept.
func userCodeID(letters string) Hash { return HashOf(secret.New("user code " + letters)) }

// agent is what a device calls itself, in characters that can be shown.
func agent(r *http.Request) string {
	ua := r.UserAgent()
	return strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return -1
		}
		return c
	}, ua[:min(len(ua), maxAgent)])
}

// redeemDevice is the token request of a device (RFC 8628 §3.4). Once somebody
// has approved, the device's code is the code of a session, and is taken as any
// is: one poll gets tokens, and a second one ends the session.
func (i *Issuer) redeemDevice(ctx context.Context, c *call) (reply, error) {
	if !c.client.Device { // any more
		return reply{}, noDevice()
	}
	code, err := c.form.require("device_code")
	if err != nil {
		return reply{}, err
	}
	answer, err := i.takeCode(ctx, c, HashOf(secret.New(code)), true)
	if !errors.Is(err, ErrNotFound) {
		return answer, err
	}
	return reply{}, i.waiting(ctx, c, code)
}

// waiting says why a device gets no tokens yet (RFC 8628 §3.5).
func (i *Issuer) waiting(ctx context.Context, c *call, code string) error {
	req, err := i.store.RequestByID(ctx, HashOf(secret.New(code)))
	switch {
	case errors.Is(err, ErrNotFound) || err == nil && (req.Kind != kindDevice || req.ClientID != c.client.ID):
		return refuse(http.StatusBadRequest, "invalid_grant", "this device_code is unknown or was forgotten; start again")
	case err != nil:
		return fmt.Errorf("reading a device's request: %w", err)
	case req.Error != "":
		return refuse(http.StatusBadRequest, req.Error, req.ErrorDescription)
	case !i.now().Before(req.Expires):
		return refuse(http.StatusBadRequest, "expired_token", "nobody approved in time; start again")
	}
	// One poll in every stretch of pollEvery: who keeps the interval never meets
	// another of theirs there.
	now := i.now()
	stretch := now.Unix() / int64(pollEvery/time.Second)
	err = i.store.AddProof(ctx, HashOf(secret.New("poll "+strconv.FormatInt(stretch, 10)+" "+code)), now.Add(2*pollEvery))
	switch {
	case errors.Is(err, ErrTaken):
		return refuse(http.StatusBadRequest, "slow_down", "add five seconds to the interval between two polls")
	case err != nil:
		return fmt.Errorf("counting a poll: %w", err)
	}
	return refuse(http.StatusBadRequest, "authorization_pending", "nobody has approved yet; ask again after the interval")
}
