package remote_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator"
	"github.com/lakekey/lakekey/authenticator/remote"
	"github.com/lakekey/lakekey/authenticator/softkey"
)

func TestRegisterAndSignInFromAfar(t *testing.T) {
	client, key := softClient(t, softkey.Options{})
	var asked []remote.Request
	var log bytes.Buffer
	approve := func(_ context.Context, r remote.Request) error {
		require.Equal(t, len(asked), key.Touches(), "asked after the key was woken")
		asked = append(asked, r)
		return nil
	}
	c := dial(t, serve(t, newServer(t, client, approve, remote.ServerOptions{AllowCreate: true, Logger: slog.New(slog.NewTextHandler(&log, nil))})))
	require.Empty(t, asked, "Dial prompted somebody")

	created, err := c.Create(t.Context(), "HTTPS://login.example.org:443", []byte(creates))
	require.NoError(t, err)
	id, clientData := signedFor(t, created)
	require.Equal(t, `{"type":"webauthn.create","challenge":"MDEyMzQ1Njc4OWFiY2RlZg","origin":"https://login.example.org","crossOrigin":false}`, clientData)
	response, err := c.Get(t.Context(), origin, []byte(gets))
	require.NoError(t, err)
	used, clientData := signedFor(t, response)
	require.Equal(t, id, used)
	require.Equal(t, `{"type":"webauthn.get","challenge":"ZmVkY2JhOTg3NjU0MzIxMA","origin":"https://login.example.org","crossOrigin":false}`, clientData)
	require.Equal(t, []remote.Request{
		{RPID: rpID, Origin: origin, Create: true, ClaimedHost: "build-7.example"},
		{RPID: rpID, Origin: origin, ClaimedHost: "build-7.example"},
	}, asked)
	require.NotContains(t, log.String(), "lakekey-pin")
}

// Nobody is asked, and no key is woken, for what is not allowed.
func TestWhatIsNotAllowed(t *testing.T) {
	woken := func(context.Context, remote.Request) error { t.Error("the person was asked"); return nil }
	key := keyFunc(func(context.Context, bool, string, []byte) ([]byte, error) {
		t.Error("the key was woken")
		return nil, nil
	})
	listed := dial(t, serve(t, newServer(t, key, woken, remote.ServerOptions{})))
	empty := dial(t, serve(t, newServer(t, key, woken, remote.ServerOptions{RPIDs: []string{}, AllowCreate: true})))
	for name, c := range map[string]struct {
		client          *remote.Client
		create          bool
		origin, options string
		want            error
	}{
		"registration":             {listed, true, origin, creates, remote.ErrNotAllowed},
		"an empty list":            {empty, false, origin, gets, remote.ErrNotAllowed},
		"another RP ID":            {listed, false, "https://example.com", `{"rpId":"example.com","challenge":"AAAA"}`, remote.ErrNotAllowed},
		"a subdomain":              {listed, false, origin, `{"rpId":"login.example.org","challenge":"AAAA"}`, remote.ErrNotAllowed},
		"the RP ID left out":       {listed, false, origin, `{"challenge":"AAAA"}`, remote.ErrNotAllowed},
		"two RP IDs, the last one": {listed, false, "https://example.com", `{"rpId":"example.org","RPID":"example.com","challenge":"AAAA"}`, remote.ErrNotAllowed},
		"a foreign origin":         {listed, false, "https://example.com", gets, authenticator.ErrOrigin},
		"a look-alike":             {listed, false, "https://example.org.evil.example", gets, authenticator.ErrOrigin},
		"plain http":               {listed, false, "http://login.example.org", gets, authenticator.ErrOrigin},
	} {
		t.Run(name, func(t *testing.T) {
			run := c.client.Get
			if c.create {
				run = c.client.Create
			}
			response, err := run(t.Context(), c.origin, []byte(c.options))
			require.ErrorIs(t, err, c.want)
			require.Nil(t, response)
		})
	}
}

func TestDenied(t *testing.T) {
	key := keyFunc(func(context.Context, bool, string, []byte) ([]byte, error) {
		t.Error("the key was woken")
		return nil, nil
	})
	c := dial(t, serve(t, newServer(t, key, func(context.Context, remote.Request) error { return errors.New("grandmother's maiden name") }, remote.ServerOptions{})))
	_, err := c.Get(t.Context(), origin, []byte(gets))
	require.ErrorIs(t, err, remote.ErrDenied)
	require.NotContains(t, err.Error(), "grandmother")
}

// After a no nobody is prompted for a while, which grows with each no and ends with a
// yes. What changes the host's name does not change that.
func TestANoLasts(t *testing.T) {
	now := time.Unix(1e9, 0)
	asked, answer := 0, errors.New("no")
	key := keyFunc(answering)
	s := newServer(t, key, func(context.Context, remote.Request) error { asked++; return answer }, remote.ServerOptions{Now: func() time.Time { return now }})
	path := serve(t, s)
	hosts := 0
	get := func() error {
		hosts++
		c, err := remote.Dial(t.Context(), path, remote.Options{Host: fmt.Sprint("host-", hosts)})
		require.NoError(t, err)
		_, err = c.Get(t.Context(), origin, []byte(gets))
		return err
	}
	for i, lasts := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 16 * time.Minute} {
		require.ErrorIs(t, get(), remote.ErrDenied)
		require.Equal(t, i+1, asked)
		now = now.Add(lasts - time.Second)
		err := get()
		require.ErrorIs(t, err, remote.ErrDenied)
		require.ErrorContains(t, err, "again in 1s")
		require.Equal(t, i+1, asked, "prompted again after %v", lasts-time.Second)
		now = now.Add(time.Second)
	}
	answer = nil
	require.NoError(t, get())
	answer = errors.New("no")
	require.ErrorIs(t, get(), remote.ErrDenied)
	now = now.Add(30 * time.Second)
	answer = nil
	require.NoError(t, get(), "a yes has made the next no short again")
}

// A no at the key is a no, and whoever gives up or fails has not said one.
func TestWhatIsANo(t *testing.T) {
	for name, test := range map[string]struct {
		fails error
		next  error
	}{
		"refused at the key": {authenticator.Status(0x27), remote.ErrDenied},
		"not touched":        {authenticator.Status(0x2F), nil},
		"not registered":     {authenticator.ErrNoCredentials, nil},
	} {
		t.Run(name, func(t *testing.T) {
			fails := test.fails
			key := keyFunc(func(context.Context, bool, string, []byte) ([]byte, error) {
				if fails != nil {
					return nil, fmt.Errorf("signing: %w", fails)
				}
				return []byte("{}"), nil
			})
			c := dial(t, serve(t, newServer(t, key, yes, remote.ServerOptions{})))
			_, err := c.Get(t.Context(), origin, []byte(gets))
			require.ErrorIs(t, err, test.fails)
			fails = nil
			_, err = c.Get(t.Context(), origin, []byte(gets))
			require.True(t, test.next == nil && err == nil || test.next != nil && errors.Is(err, test.next), "%v", err)
		})
	}
	t.Run("the asker gives up", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		first := true
		c := dial(t, serve(t, newServer(t, keyFunc(answering), func(asking context.Context, _ remote.Request) error {
			if first {
				first = false
				cancel()
				<-asking.Done()
			}
			return asking.Err()
		}, remote.ServerOptions{})))
		_, err := c.Get(ctx, origin, []byte(gets))
		require.ErrorIs(t, err, context.Canceled)
		_, err = c.Get(t.Context(), origin, []byte(gets))
		require.NoError(t, err)
	})
}

// Of those who ask at once, one is served and the others know at once.
func TestOneCeremonyAtATime(t *testing.T) {
	var running, most atomic.Int32
	started, release := make(chan struct{}), make(chan struct{})
	key := keyFunc(func(ctx context.Context, _ bool, _ string, _ []byte) ([]byte, error) {
		most.Store(max(most.Load(), running.Add(1)))
		defer running.Add(-1)
		started <- struct{}{}
		<-release
		return []byte("{}"), nil
	})
	c := dial(t, serve(t, newServer(t, key, yes, remote.ServerOptions{})))
	first := make(chan error, 1)
	go func() {
		_, err := c.Get(t.Context(), origin, []byte(gets))
		first <- err
	}()
	<-started
	var others sync.WaitGroup
	for range 8 {
		others.Go(func() {
			_, err := c.Get(t.Context(), origin, []byte(gets))
			if !errors.Is(err, remote.ErrBusy) {
				t.Errorf("while another ceremony runs: %v", err)
			}
		})
	}
	others.Wait()
	close(release)
	require.NoError(t, <-first)
	require.EqualValues(t, 1, most.Load())
	go func() { <-started }()
	_, err := c.Get(t.Context(), origin, []byte(gets))
	require.NoError(t, err, "the key is free again")
}

// What a program decides on arrives as it would from an authenticator.Client.
func TestErrorsSurviveTheWire(t *testing.T) {
	var fails atomic.Value
	key := keyFunc(func(context.Context, bool, string, []byte) ([]byte, error) { return nil, fails.Load().(error) })
	c := dial(t, serve(t, newServer(t, key, yes, remote.ServerOptions{})))
	ask := func(err error) error {
		fails.Store(fmt.Errorf("signing: %w", err))
		_, got := c.Get(t.Context(), origin, []byte(gets))
		require.Error(t, got)
		require.Contains(t, got.Error(), "asking the remote key: signing: ")
		return got
	}
	for _, want := range []error{
		authenticator.ErrNoCredentials, authenticator.ErrExcluded, authenticator.ErrUnsupportedAlgorithm, authenticator.ErrPINNotSet,
		authenticator.Status(0x2F), authenticator.ErrOrigin, authenticator.ErrNoDevice, authenticator.ErrPINRequired,
		authenticator.ErrChoiceRequired, context.DeadlineExceeded,
	} {
		require.ErrorIs(t, ask(want), want)
	}
	for _, want := range []authenticator.PINError{
		{Retries: 7, Status: 0x31}, {Retries: 0, Status: 0x32}, {Retries: -1, Status: 0x31}, {Retries: 5, PowerCycleNeeded: true, Status: 0x34},
	} {
		got, ok := errors.AsType[*authenticator.PINError](ask(&want))
		require.True(t, ok)
		require.Equal(t, want, *got)
		require.ErrorIs(t, ask(&want), want.Status)
	}
	ineligible, ok := errors.AsType[*authenticator.IneligibleError](ask(&authenticator.IneligibleError{
		Device: authenticator.Descriptor{Product: "Key\x1b 5", Path: "/dev/hidraw3"}, Reason: authenticator.ErrNoCredentials,
	}))
	require.True(t, ok)
	require.Equal(t, authenticator.IneligibleError{Device: authenticator.Descriptor{Product: "Key? 5"}, Reason: authenticator.ErrNoCredentials}, *ineligible)
	// A cancellation beside the key is not the caller's, and a text cannot draw on
	// a terminal or go on for pages.
	require.NotErrorIs(t, ask(context.Canceled), context.Canceled)
	got := ask(errors.New("unplugged\x1b[2J\r\n\u202e" + strings.Repeat("x", 5000))).Error()
	require.Contains(t, got, "unplugged?[2J???")
	require.Less(t, len(got), 700)
}

// A key that is pulled out says so; the next ceremony works.
func TestKeyUnplugged(t *testing.T) {
	plugged := atomic.Bool{}
	client, _ := softClient(t, softkey.Options{})
	key := keyFunc(func(ctx context.Context, create bool, origin string, options []byte) ([]byte, error) {
		if !plugged.Load() {
			return nil, errors.New("hid: the key is not plugged in")
		}
		return client.Create(ctx, origin, options)
	})
	c := dial(t, serve(t, newServer(t, key, yes, remote.ServerOptions{AllowCreate: true})))
	_, err := c.Create(t.Context(), origin, []byte(creates))
	require.ErrorContains(t, err, "not plugged in")
	plugged.Store(true)
	_, err = c.Create(t.Context(), origin, []byte(creates))
	require.NoError(t, err)
}

// The caller's ctx, the connection and the Server each end a ceremony at the key.
func TestWhateverEndsACeremony(t *testing.T) {
	type world struct {
		path         string
		woken, ended chan struct{}
		stop         context.CancelFunc
		stopped      chan error
	}
	begin := func(t *testing.T) *world {
		w := &world{woken: make(chan struct{}, 1), ended: make(chan struct{}, 1), stopped: make(chan error, 1)}
		key := keyFunc(func(ctx context.Context, _ bool, _ string, _ []byte) ([]byte, error) {
			w.woken <- struct{}{}
			<-ctx.Done()
			w.ended <- struct{}{}
			return nil, ctx.Err()
		})
		l := listen(t)
		w.path = l.Path()
		var ctx context.Context
		ctx, w.stop = context.WithCancel(t.Context())
		server := newServer(t, key, yes, remote.ServerOptions{})
		go func() { w.stopped <- server.Serve(ctx, l) }()
		return w
	}
	asking := func(ctx context.Context, c *remote.Client) <-chan error {
		got := make(chan error, 1)
		go func() {
			_, err := c.Get(ctx, origin, []byte(gets))
			got <- err
		}()
		return got
	}
	t.Run("the caller's ctx", func(t *testing.T) {
		w := begin(t)
		c := dial(t, w.path)
		ctx, cancel := context.WithCancel(t.Context())
		got := asking(ctx, c)
		<-w.woken
		cancelled := time.Now()
		cancel()
		require.ErrorIs(t, <-got, context.Canceled)
		<-w.ended
		t.Logf("cancelled at the key after %v", time.Since(cancelled))
		_, err := c.Get(ctx, origin, []byte(gets))
		require.ErrorIs(t, err, context.Canceled, "a ctx that is done before the call")
	})
	t.Run("the connection", func(t *testing.T) {
		w := begin(t)
		conn, err := net.Dial("unix", w.path)
		require.NoError(t, err)
		_, err = conn.Write(append(remote.Hello(1, "h"), remote.Asking(false, origin, []byte(gets))...))
		require.NoError(t, err)
		<-w.woken
		require.NoError(t, conn.Close())
		<-w.ended
	})
	t.Run("the Server", func(t *testing.T) {
		w := begin(t)
		c := dial(t, w.path)
		got := asking(t.Context(), c)
		<-w.woken
		w.stop()
		require.NoError(t, <-w.stopped)
		<-w.ended
		require.ErrorIs(t, <-got, remote.ErrDisconnected)
		_, err := c.Get(t.Context(), origin, []byte(gets))
		require.ErrorIs(t, err, remote.ErrDisconnected)
		require.ErrorContains(t, err, "ssh -R")
	})
}

func TestNewServerRefuses(t *testing.T) {
	for _, id := range []string{"", "*.example.org", "Example.org", "https://example.org", "example.org/", "exämple.org"} {
		_, err := remote.NewServer(keyFunc(answering), approverFunc(yes), remote.ServerOptions{RPIDs: []string{id}})
		require.ErrorContains(t, err, "no RP ID", id)
	}
	_, err := remote.NewServer(nil, approverFunc(yes), remote.ServerOptions{})
	require.Error(t, err)
	_, err = remote.NewServer(keyFunc(answering), nil, remote.ServerOptions{})
	require.Error(t, err)
}
