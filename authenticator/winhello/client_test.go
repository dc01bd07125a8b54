package winhello_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/softkey"
	"github.com/lakekey/lakekey/authenticator/winhello"
)

const (
	origin  = "https://login.example.org"
	creates = `{"publicKey":{"rp":{"id":"example.org"},"user":{"id":"dXNlci0x","name":"ada@example.org","displayName":"Ada"},
		"challenge":"MDEyMzQ1Njc4OWFiY2RlZg","pubKeyCredParams":[{"type":"public-key","alg":-7},{"type":"other","alg":-8}],"attestation":"direct",
		"excludeCredentials":[{"type":"public-key","id":"AAAA"},{"type":"other","id":"BBBB"}],"extensions":{"credProps":true},
		"authenticatorSelection":{"residentKey":"required","userVerification":"required","authenticatorAttachment":"cross-platform"}}}`
	gets = `{"rpId":"example.org","challenge":"ZmVkY2JhOTg3NjU0MzIxMA","userVerification":"discouraged"}`
)

// windowsOver does with a software key what Windows does with one.
func windowsOver(t *testing.T, device authenticator.Device, asked *winhello.Asked) winhello.Windows {
	return func(a winhello.Asked, _ <-chan struct{}) (winhello.Answer, error) {
		*asked = a
		hash := sha256.Sum256(a.Client.JSON)
		if a.UserID == nil {
			found, err := device.GetAssertion(t.Context(), &authenticator.GetAssertionRequest{ClientDataHash: hash[:], RPID: a.Client.RPID, Allow: a.List})
			if err != nil {
				return winhello.Answer{}, winhello.Error(0x80090011)
			}
			f := found[0]
			return winhello.Answer{ID: f.CredentialID, AuthData: f.AuthenticatorData, Signature: f.Signature, User: f.User.ID}, nil
		}
		r, err := device.MakeCredential(t.Context(), &authenticator.MakeCredentialRequest{
			ClientDataHash: hash[:], RPID: a.Client.RPID, RPName: a.RPName,
			User: authenticator.User{ID: a.UserID, Name: a.UserName}, Algorithms: []int{int(a.Algorithms[0])}, Discoverable: a.RequireResident,
		})
		require.NoError(t, err)
		object, err := cbor.Marshal(map[string]any{"fmt": r.Format, "attStmt": cbor.RawMessage(r.AttestationStatement), "authData": r.AuthenticatorData})
		require.NoError(t, err)
		discoverable := true
		return winhello.Answer{AuthData: r.AuthenticatorData, Object: object, Transport: 1, Discoverable: &discoverable}, nil
	}
}

// shape is the members of a JSON object, and of those in it.
func shape(t *testing.T, data []byte) (members map[string]any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(data, &members))
	var strip func(map[string]any)
	strip = func(m map[string]any) {
		for k, v := range m {
			if inner, ok := v.(map[string]any); ok {
				strip(inner)
			} else if _, text := v.(string); text && k != "type" && k != "authenticatorAttachment" {
				m[k] = "text"
			}
		}
	}
	strip(members)
	return members
}

// The responses are those of an authenticator.Client over the same key.
func TestResponsesAreThoseOfAClient(t *testing.T) {
	key, err := softkey.New(softkey.Options{})
	require.NoError(t, err)
	defer key.Close()
	device := authenticator.NewCTAP2(key, authenticator.Descriptor{Transport: "usb"})
	ours := authenticator.NewClient(authenticator.Devices(device), authenticator.Options{})
	var asked winhello.Asked
	c := winhello.NewOn(windowsOver(t, device, &asked), winhello.Options{Window: 42})
	require.Equal(t, 7, c.Version())

	created, err := c.Create(t.Context(), "HTTPS://login.example.org:443", []byte(creates))
	require.NoError(t, err)
	require.Equal(t, `{"type":"webauthn.create","challenge":"MDEyMzQ1Njc4OWFiY2RlZg","origin":"https://login.example.org","crossOrigin":false}`, string(asked.Client.JSON))
	asked.Client = nil
	require.Equal(t, winhello.Asked{
		RPName: "example.org", UserName: "ada@example.org", UserID: []byte("user-1"), Algorithms: []int32{-7}, List: [][]byte{{0, 0, 0}},
		Attachment: 2, Verification: 1, Conveyance: 3, RequireResident: true, Window: 42,
	}, asked)
	same, err := ours.Create(t.Context(), origin, []byte(strings.Replace(creates, `"userVerification":"required"`, `"userVerification":"discouraged"`, 1)))
	require.NoError(t, err)
	require.Equal(t, shape(t, same), shape(t, created))

	used, err := c.Get(t.Context(), origin, []byte(gets))
	require.NoError(t, err)
	require.EqualValues(t, 3, asked.Verification)
	same, err = ours.Get(t.Context(), origin, []byte(gets))
	require.NoError(t, err)
	want := shape(t, same)
	// Windows does not say what kind of authenticator signed.
	delete(want, "authenticatorAttachment")
	require.Equal(t, want, shape(t, used))
}

func TestRefusedBeforeWindowsIsAsked(t *testing.T) {
	c := winhello.NewOn(func(winhello.Asked, <-chan struct{}) (winhello.Answer, error) {
		t.Error("Windows was asked")
		return winhello.Answer{}, nil
	}, winhello.Options{})
	for _, from := range []string{"http://login.example.org", "https://example.com", "https://example.org.evil.example"} {
		_, err := c.Get(t.Context(), from, []byte(gets))
		require.ErrorIs(t, err, authenticator.ErrOrigin)
		_, err = c.Create(t.Context(), from, []byte(creates))
		require.ErrorIs(t, err, authenticator.ErrOrigin)
	}
	for _, change := range [][2]string{{`"id":"dXNlci0x"`, `"id":""`}, {`"alg":-7`, `"alg":99999999999`}, {`"id":"AAAA"`, `"id":""`}, {`"alg":-7`, `"alg":"x"`}} {
		_, err := c.Create(t.Context(), origin, []byte(strings.Replace(creates, change[0], change[1], 1)))
		require.Error(t, err, change[1])
	}
	_, err := c.Get(t.Context(), origin, []byte(`{"rpId":"example.org","challenge":"AAAA","allowCredentials":[{"type":"other","id":"AAAA"}]}`))
	require.ErrorIs(t, err, authenticator.ErrNoCredentials)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.Get(cancelled, origin, []byte(gets))
	require.ErrorIs(t, err, context.Canceled)
}

func TestErrorsOfWindows(t *testing.T) {
	for code, want := range map[winhello.Error]error{
		0x8009000F: authenticator.ErrExcluded, 0x80090011: authenticator.ErrNoCredentials, 0x80090035: authenticator.ErrNoDevice,
		0x80090023: authenticator.Status(0x28), 0x800705B4: context.DeadlineExceeded, 0x80070032: errors.ErrUnsupported,
		0x800704C7: winhello.ErrCancelled, 0x80090036: winhello.ErrCancelled, 0x80004005: winhello.Error(0x80004005),
	} {
		c := winhello.NewOn(func(winhello.Asked, <-chan struct{}) (winhello.Answer, error) { return winhello.Answer{}, code }, winhello.Options{})
		response, err := c.Get(t.Context(), origin, []byte(gets))
		require.ErrorIs(t, err, want)
		require.NotErrorIs(t, err, context.Canceled)
		require.Nil(t, response)
	}
}

// The caller is free within 100 ms of the end of ctx, even when Windows is slow; the
// next operation waits for it.
func TestCancelWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		running := 0
		c := winhello.NewOn(func(_ winhello.Asked, cancel <-chan struct{}) (winhello.Answer, error) {
			if running++; running > 1 {
				t.Error("two operations at once")
			}
			<-cancel
			time.Sleep(3 * time.Second)
			running--
			return winhello.Answer{}, winhello.ErrCancelled
		}, winhello.Options{})
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			start := time.Now()
			_, err := c.Get(ctx, origin, []byte(gets))
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.LessOrEqual(t, time.Since(start), 10*time.Second+100*time.Millisecond)
			cancel()
		}
		time.Sleep(4 * time.Second)
	})
}

// What Windows returns is about what was asked, or it is nothing.
func TestMalformedAnswers(t *testing.T) {
	hash := sha256.Sum256([]byte("example.org"))
	header := append(hash[:], 0x41, 0, 0, 0, 1)
	for name, answer := range map[string]winhello.Answer{
		"nothing":             {},
		"short":               {AuthData: header[:36], Object: []byte{1}, ID: []byte{1}, Signature: []byte{1}},
		"of another RP":       {AuthData: make([]byte, 200), Object: []byte{1}, ID: []byte{1}, Signature: []byte{1}},
		"without credential":  {AuthData: header, Object: []byte{1}, ID: nil, Signature: []byte{1}},
		"a long credential":   {AuthData: slices.Concat(header, make([]byte, 16), []byte{0xff, 0xff, 1}), Object: []byte{1}},
		"no public key":       {AuthData: slices.Concat(header, make([]byte, 16), []byte{0, 1, 1}), Object: []byte{1}},
		"a bad public key":    {AuthData: slices.Concat(header, make([]byte, 16), []byte{0, 1, 1, 0xa2, 1, 2, 3, 0x26}), Object: []byte{1}},
		"an unasked-for one":  {AuthData: slices.Concat(header, make([]byte, 16), []byte{0, 1, 1, 0xa2, 1, 2, 3, 0x38, 0x22}), Object: []byte{1}},
		"without a signature": {AuthData: header, ID: []byte{1}},
	} {
		c := winhello.NewOn(func(winhello.Asked, <-chan struct{}) (winhello.Answer, error) { return answer, nil }, winhello.Options{})
		response, err := c.Create(t.Context(), origin, []byte(creates))
		require.ErrorContains(t, err, "malformed", name)
		require.Nil(t, response)
		response, err = c.Get(t.Context(), origin, []byte(gets))
		if answer.Signature == nil || answer.ID == nil || name == "short" || name == "of another RP" {
			require.ErrorContains(t, err, "malformed", name)
			require.Nil(t, response)
		}
	}
}

func TestUnsupported(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("this is Windows: whether its interface is there is NOT tested")
	}
	c, err := winhello.New(winhello.Options{})
	require.Nil(t, c)
	unsupported, ok := errors.AsType[*winhello.UnsupportedError](err)
	require.True(t, ok)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.Contains(t, unsupported.Reason, runtime.GOOS)
}

// FuzzAuthData: whatever Windows returns, a response or an error, never both.
func FuzzAuthData(f *testing.F) {
	hash := sha256.Sum256([]byte("example.org"))
	header := append(hash[:], 0x41, 0, 0, 0, 1)
	f.Add(slices.Concat(header, make([]byte, 16), []byte{0, 1, 1, 0xa2, 1, 2, 3, 0x26}))
	f.Add(header)
	f.Fuzz(func(t *testing.T, data []byte) {
		c := winhello.NewOn(func(winhello.Asked, <-chan struct{}) (winhello.Answer, error) {
			return winhello.Answer{AuthData: data, Object: data}, nil
		}, winhello.Options{})
		response, err := c.Create(context.Background(), origin, []byte(creates))
		if (err == nil) != (response != nil) {
			t.Fatalf("response %q with error %v", response, err)
		}
	})
}
