package oidc_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/oidc"
	"github.com/lakekey/lakekey/oidc/oidctest"
)

var deviceRequest = oidc.SignInRequest{ClientID: client, InsecureDeviceGrant: true, LoginCommand: "keyagent"}

// after decides about the code that is shown, once so much time has passed.
func after(f *fixture, wait time.Duration, approve bool) func(context.Context, oidc.DeviceCode) error {
	return func(_ context.Context, code oidc.DeviceCode) error {
		time.AfterFunc(wait, func() { f.idp.Decide(code.UserCode, "bob@example.com", approve) })
		return nil
	}
}

func TestSignInDevice(t *testing.T) {
	for name, o := range map[string]oidctest.Options{"bound": {}, "bearer": {Bearer: true, Rotate: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, o)
				var shown oidc.DeviceCode
				start := time.Now()
				s, err := oidc.SignInDevice(t.Context(), f.provider, func(ctx context.Context, c oidc.DeviceCode) error {
					shown = c
					return after(f, 42*time.Second, true)(ctx, c)
				}, deviceRequest)
				require.NoError(t, err)
				require.Equal(t, "bob@example.com", s.Subject())
				require.Equal(t, 45*time.Second, time.Since(start), "asked at another pace than every 5 s")
				require.Equal(t, 9, f.tokens())
				require.NotEmpty(t, shown.UserCode)
				require.Equal(t, local+"/activate", shown.Address)
				require.Equal(t, local+"/activate?user_code="+shown.UserCode, shown.Direct)
				require.Equal(t, start.Add(10*time.Minute), shown.Expires)
				token, err := s.IDToken(t.Context(), client)
				require.NoError(t, err)
				require.Equal(t, "phrh", token.ACR)
				time.Sleep(20 * time.Minute)
				_, err = s.IDToken(t.Context(), client)
				require.NoError(t, err)
			})
		})
	}
}

// Every sign-in that this package accepts resists phishing; this grant does not.
func TestDeviceGrantMustBeWanted(t *testing.T) {
	f := newFixture(t, oidctest.Options{})
	r := deviceRequest
	r.InsecureDeviceGrant = false
	_, err := oidc.SignInDevice(t.Context(), f.provider, func(context.Context, oidc.DeviceCode) error {
		t.Error("a code was shown")
		return nil
	}, r)
	require.ErrorContains(t, err, "phish")
	require.Zero(t, f.idp.Requests(oidctest.DevicePath))
}

func TestDeviceIsDenied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, oidctest.Options{})
		_, err := oidc.SignInDevice(t.Context(), f.provider, after(f, time.Second, false), deviceRequest)
		var refused *oidc.ExchangeError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, "access_denied", refused.Code)
		require.Equal(t, 1, f.tokens())
	})
}

func TestDeviceCodeRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, oidctest.Options{})
		start := time.Now()
		_, err := oidc.SignInDevice(t.Context(), f.provider, func(context.Context, oidc.DeviceCode) error { return nil }, deviceRequest)
		require.ErrorContains(t, err, "in time")
		require.Equal(t, 9*time.Minute+55*time.Second, time.Since(start))

		ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
		defer cancel()
		_, err = oidc.SignInDevice(ctx, f.provider, func(context.Context, oidc.DeviceCode) error { return nil }, deviceRequest)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		broken := errors.New("no terminal")
		_, err = oidc.SignInDevice(t.Context(), f.provider, func(context.Context, oidc.DeviceCode) error { return broken }, deviceRequest)
		require.ErrorIs(t, err, broken)
	})
}

// answers replays what a token endpoint says, one after the other; then it goes on
// to the issuer.
type answers struct {
	http.RoundTripper
	status []int
	body   []string
	at     []time.Duration
	began  time.Time
}

func (a *answers) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Path == oidctest.DevicePath {
		a.began = time.Now()
	}
	if req.URL.Path != oidctest.TokenPath {
		return a.RoundTripper.RoundTrip(req)
	}
	a.at = append(a.at, time.Since(a.began))
	if len(a.status) == 0 {
		return a.RoundTripper.RoundTrip(req)
	}
	status, body := a.status[0], a.body[0]
	a.status, a.body = a.status[1:], a.body[1:]
	if status == 0 {
		return nil, errors.New("connection reset")
	}
	return inProcess{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	})}.RoundTrip(req)
}

// RFC 8628 §3.5: slow_down adds 5 s for good, a lost answer doubles, a busy server
// is left alone.
func TestDevicePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		idp, err := oidctest.New(oidctest.Options{})
		require.NoError(t, err)
		script := &answers{
			RoundTripper: inProcess{idp},
			status:       []int{400, 400, 0, 502, 400},
			body:         []string{`{"error":"authorization_pending"}`, `{"error":"slow_down"}`, "", "<html>", `{"error":"authorization_pending"}`},
		}
		p, err := oidc.Discover(t.Context(), local, oidc.Options{Transport: script})
		require.NoError(t, err)
		_, err = oidc.SignInDevice(t.Context(), p, func(_ context.Context, c oidc.DeviceCode) error {
			idp.Decide(c.UserCode, "bob@example.com", true)
			return nil
		}, deviceRequest)
		require.NoError(t, err)
		s := time.Second
		require.Equal(t, []time.Duration{5 * s, 10 * s, 20 * s, 40 * s, 80 * s, 120 * s}, script.at)
	})
}

// What an issuer wants shown is not shown if it steers a terminal or leads
// somewhere else than to a page.
func TestDeviceAuthorizations(t *testing.T) {
	good := `{"device_code":"d","user_code":"ABCD-EFGH","verification_uri":"https://idp.example/d","expires_in":600}`
	require.NoError(t, oidc.ParseDevice([]byte(good)))
	for name, change := range map[string][2]string{
		"no device code":      {`"device_code":"d",`, ``},
		"no user code":        {`ABCD-EFGH`, ``},
		"escape in user code": {`ABCD-EFGH`, `\u001b[2J`},
		"bidi in user code":   {`ABCD-EFGH`, `AB\u202eCD`},
		"long user code":      {`ABCD-EFGH`, strings.Repeat("A", 65)},
		"no address":          {`https://idp.example/d`, ``},
		"http":                {`https://`, `http://`},
		"file":                {`https://idp.example/d`, `file:///etc/passwd`},
		"javascript":          {`https://idp.example/d`, `javascript:alert(1)`},
		"escape in address":   {`example/d`, `example/\u001b]8;;`},
		"bad direct address":  {`"expires_in"`, `"verification_uri_complete":"http://idp.example/d","expires_in"`},
		"no end":              {`,"expires_in":600`, ``},
		"ended":               {`600`, `-1`},
		"interval in words":   {`"expires_in"`, `"interval":"soon","expires_in"`},
		"twice":               {`"device_code":"d"`, `"device_code":"d","device_code":"e"`},
	} {
		t.Run(name, func(t *testing.T) {
			bad := strings.Replace(good, change[0], change[1], 1)
			require.NotEqual(t, good, bad)
			require.Error(t, oidc.ParseDevice([]byte(bad)))
		})
	}
}

func FuzzParseDevice(f *testing.F) {
	f.Add([]byte(`{"device_code":"d","user_code":"ABCD","verification_uri":"https://idp.example/d","verification_uri_complete":"https://idp.example/d?c=A","expires_in":600,"interval":5}`))
	f.Add([]byte(`{"device_code":"d","user_code":"\u001b","verification_uri":"http://x","expires_in":"9e99"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		code, interval, err := oidc.ReadDevice(body, time.Unix(0, 0))
		if err != nil {
			require.Zero(t, code)
			return
		}
		require.GreaterOrEqual(t, interval, time.Second)
		require.LessOrEqual(t, code.Expires.Sub(time.Unix(0, 0)), 30*time.Minute)
		for _, text := range []string{code.UserCode, code.Address, code.Direct} {
			for _, r := range text {
				require.Greater(t, r, ' '-1, "it steers a terminal")
			}
		}
		require.True(t, strings.HasPrefix(strings.ToLower(code.Address), "http"))
	})
}
